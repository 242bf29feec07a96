# A workflow whose step takes its process down, or the whole server: the try is
# on record before it is made again, others go on, and after some tries it waits
# for an operator.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "autovacuum = off\ndurable.max_workers = 2\ndurable.max_lost_tries = 2\n");

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION leaves() RETURNS int LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN 1; END $$;
CREATE FUNCTION crashes() RETURNS int LANGUAGE plpgsql AS $$
BEGIN COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID; sleep 5'; RETURN 1; END $$;
CREATE FUNCTION flow(step text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	RETURN wf_activity(step);
END $$;
-- the process is lost when the transaction commits
CREATE TABLE marks (n int);
CREATE FUNCTION crash_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM crashes(); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER crash AFTER INSERT ON marks DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.n = 7) EXECUTE FUNCTION crash_at_commit();
CREATE FUNCTION mark(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO marks VALUES (n) RETURNING 1';
CREATE FUNCTION marks(n int) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('mark', jsonb_build_object('n', n)); END $$;
SQL

my $held = "its process was lost 2 times in a row";

sub is_held
{
	my ($id, $step, $what) = @_;

	ok(until_true(sub { (eval { status_of($node, $db, $id) } // '') eq 'paused' }, 20), "$what: held after its tries")
	  or diag_engine($node, $db);
	is($node->safe_psql($db, "SELECT why, failures, next_try IS NULL FROM wf_stuck WHERE workflow_id = '$id'"),
		"the process that ran it was lost" . ($step ? " in step \"$step\"" : '') . ", 2 of 2 times|2|t", "$what: wf_stuck tells");
	is($node->safe_psql($db, "SELECT pause_reason FROM wf_executions WHERE workflow_id = '$id'"), $held, "$what: and why");
	return;
}

# By FATAL: the server goes on, and so do all others of its role
$node->safe_psql($db, "SELECT wf_start('flow', '{\"step\": \"leaves\"}', id => 'fatal')");
$node->safe_psql($db, "SELECT count(wf_start('one', jsonb_build_object('n', n), id => 'beside ' || n)) FROM generate_series(1, 20) n");
ok($node->poll_query_until($db, "SELECT count(*) = 20 FROM wf_executions WHERE workflow_id LIKE 'beside %' AND status = 'completed'"),
	'others of the role are served');
is_held('fatal', 'leaves', 'FATAL');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id LIKE 'beside %'"), '20', 'each once');

# It gets its tries again when an operator says so
$node->safe_psql($db, "CREATE OR REPLACE FUNCTION leaves() RETURNS int LANGUAGE sql AS 'SELECT 2'; SELECT wf_unpause('fatal')");
is(wait_result($node, $db, 'fatal'), '2', 'after it was mended it goes on');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'fatal'"), '1', 'the step before was done once');

# By a signal: the server crashes as often as it has tries, and no more
sub crashes { return count_in_log($node, 'terminated by signal 9') }

my $before = crashes();
$node->psql($db, "SELECT wf_start('flow', '{\"step\": \"crashes\"}', id => 'poison')");
is_held('poison', 'crashes', 'SIGKILL');
is(crashes() - $before, 2, 'the server crashed twice');
$node->safe_psql($db, "SELECT count(wf_start('one', jsonb_build_object('n', n), id => 'after ' || n)) FROM generate_series(1, 5) n");
ok($node->poll_query_until($db, "SELECT count(*) = 5 FROM wf_executions WHERE workflow_id LIKE 'after %' AND status = 'completed'"), 'others run');
is($node->safe_psql($db, "SELECT wf_terminate('poison')"), 't', 'a held run can be terminated');

# At the commit of a transaction that others share
set_conf($node, "durable.max_workers = 0\n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'no workers');
$node->safe_psql($db, "SELECT count(wf_start('marks', jsonb_build_object('n', n), id => 'mark ' || n)) FROM generate_series(1, 20) n");
$before = crashes();
set_conf($node, "durable.max_workers = 1\n");
is_held('mark 7', '', 'deferred trigger');
cmp_ok(crashes() - $before, '<=', 3, 'at most one crash more, to find out which run it was');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT n) FROM marks"), '19|19', 'all others are done, once each');
is($node->safe_psql($db, "SELECT count(*) FROM wf_executions WHERE workflow_id LIKE 'mark %' AND status = 'completed'"), '19', 'and completed');

# A client that drives the engine itself loses its session, and the try counts
set_conf($node, "durable.max_workers = 0\n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'no workers');
$node->safe_psql($db, "CREATE OR REPLACE FUNCTION leaves() RETURNS int LANGUAGE plpgsql AS \$\$
	BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN 1; END \$\$;
	SELECT wf_start('flow', '{\"step\": \"leaves\"}', id => 'session')");
$node->psql($db, 'CALL wf_work()');
$node->safe_psql($db, 'CALL wf_work()');
is($node->safe_psql($db, "SELECT why FROM wf_stuck WHERE workflow_id = 'session'"),
	'the process that ran it was lost in step "leaves", 1 of 2 times', 'a session that is lost in CALL wf_work() counts');

# Nor is it the run's fault that somebody wants the database for himself
$node->safe_psql($db, "SELECT wf_terminate('session'); SELECT wf_start('plod', '{\"seconds\": 2}', id => 'in the way')");
set_conf($node, "durable.max_workers = 1\n");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'"), 'a step takes its time');
$node->safe_psql('postgres', "CREATE DATABASE copy TEMPLATE $db");
is(wait_result($node, $db, 'in the way'), '"done"', 'a run whose worker had to leave for CREATE DATABASE ... TEMPLATE goes on');
unlike(slurp_file($node->logfile), qr/workflow "in the way".*was lost/, 'and was no suspect');
set_conf($node, "durable.max_workers = 0\n");

# A shutdown is nobody's fault
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'no workers');
$node->safe_psql($db, "SELECT wf_start('plod', '{\"seconds\": 1}', id => 'slow')");
set_conf($node, "durable.max_workers = 1\n");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'"), 'in a step');
$node->stop('immediate');
$node->start;
is(wait_result($node, $db, 'slow'), '"done"', 'a run that an immediate shutdown interrupted goes on');
is($node->safe_psql($db, "SELECT count(*) FROM wf_history('slow') WHERE NOT ran AND NOT mail"), '0', 'and was no suspect');
unlike(slurp_file($node->logfile), qr/workflow "slow".*was lost/, 'nobody says so');

done_testing();
