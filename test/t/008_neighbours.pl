# One workflow is never another's delay: a lock that an application holds, a
# slow step or a failure concerns that workflow alone, though workers take many
# into one transaction.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "autovacuum = off\ndurable.max_workers = 0\n");

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE accounts (n int PRIMARY KEY, balance int NOT NULL DEFAULT 0 CHECK (balance < 100));
INSERT INTO accounts SELECT generate_series(0, 99);
CREATE FUNCTION pay(n int) RETURNS int LANGUAGE sql AS 'UPDATE accounts SET balance = balance + 1 WHERE n = $1 RETURNING balance';
CREATE FUNCTION payment(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('pay', jsonb_build_object('n', n));
END $$;
SQL

sub workers
{
	my ($n) = @_;

	$node->append_conf('postgresql.conf', "durable.max_workers = $n");
	$node->reload;
	$node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'") if $n == 0;
	return;
}

sub backlog
{
	my ($sql) = @_;

	workers(0);
	$node->safe_psql($db, $sql);
	return;
}

# A start while the only worker is in a slow step, and there is room for another
workers(2);
$node->safe_psql($db, "SELECT wf_start('plod', '{\"seconds\": 4}', id => 'lone slow')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'"), 'one worker, busy');
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'beside it')");
is(wait_result($node, $db, 'beside it', '2 s'), '2', 'a start does not wait for a worker in a slow step')
  or diag_engine($node, $db);
is(wait_result($node, $db, 'lone slow'), '"done"', 'the slow one is done in the end');

# An application holds a row that one of many workflows is to update
my $application = $node->background_psql($db);
backlog("SELECT count(wf_start('payment', jsonb_build_object('n', n), id => 'payment ' || n)) FROM generate_series(0, 99) n");
$application->query_safe('BEGIN');
$application->query_safe('SELECT * FROM accounts WHERE n = 7 FOR UPDATE');
workers(2);
ok($node->poll_query_until($db, "SELECT count(*) = 99 FROM wf_executions WHERE workflow_id LIKE 'payment %' AND status = 'completed'"),
	'a held row lock blocks only the workflow that wants the row') or diag_engine($node, $db);
is(status_of($node, $db, 'payment 7'), 'running', 'that one waits');
$node->safe_psql($db, "SELECT wf_start('payment', '{\"n\": 8}', id => 'another')");
is(wait_result($node, $db, 'another'), '2', 'others that are started meanwhile run');
$application->query_safe('COMMIT');
is(wait_result($node, $db, 'payment 7'), '1', 'and it goes on when the lock is gone');
is($node->safe_psql($db, 'SELECT sum(balance) FROM accounts'), '101', 'each payment was made once');

# A table lock that all of them want
$application->query_safe('BEGIN');
$application->query_safe('LOCK TABLE accounts');
$node->safe_psql($db, "SELECT count(wf_start('payment', jsonb_build_object('n', n), id => 'table ' || n)) FROM generate_series(10, 39) n;
	SELECT count(wf_start('one', jsonb_build_object('n', n), id => 'no table ' || n)) FROM generate_series(10, 39) n");
ok($node->poll_query_until($db, "SELECT count(*) >= 1 FROM pg_locks WHERE NOT granted AND relation = 'accounts'::regclass"), 'steps wait for a table');
$application->query_safe('COMMIT');
ok($node->poll_query_until($db, "SELECT count(*) = 60 FROM wf_executions WHERE workflow_id LIKE '%table %' AND status = 'completed'"),
	'after it is unlocked all of them finish');
is($node->safe_psql($db, 'SELECT sum(balance) FROM accounts'), '131', 'each payment was made once');
$application->quit;

# A slow step: those beside it are done and committed long before
foreach my $round ('first', 'known')
{
	backlog("SELECT wf_start('one', jsonb_build_object('n', n), id => '$round quick ' || n) FROM generate_series(1, 5) n;
		SELECT wf_start('plod', '{\"seconds\": 3}', id => '$round slow');
		SELECT wf_start('one', jsonb_build_object('n', n), id => '$round quick ' || n) FROM generate_series(6, 40) n");
	workers(2);
	ok($node->poll_query_until($db, "SELECT count(*) = 40 FROM wf_executions WHERE workflow_id LIKE '$round quick %' AND status = 'completed'"),
		"$round time: workflows in the batch of a slow one finish");
	is(status_of($node, $db, "$round slow"), 'running', "$round time: before it does")
	  or diag($node->safe_psql($db, "SELECT workflow_id, started_at, closed_at FROM wf_executions WHERE workflow_id LIKE '$round%' ORDER BY closed_at DESC LIMIT 5"));
	$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => '$round meanwhile')");
	is(wait_result($node, $db, "$round meanwhile", '2 s'), '2', "$round time: one that is started meanwhile gets another worker");
	is(status_of($node, $db, "$round slow"), 'running', "$round time: while the slow one is still at work");
	is(wait_result($node, $db, "$round slow"), '"done"', "$round time: which finishes as well");
}

# A step that fails at COMMIT, by a deferred constraint, fails alone
$node->safe_psql($db, <<'SQL');
CREATE TABLE deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO deferred VALUES (3);
CREATE FUNCTION defer(n int) RETURNS void LANGUAGE sql AS 'INSERT INTO deferred VALUES ($1)';
CREATE FUNCTION deferring(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('defer', jsonb_build_object('n', n));
	RETURN 'deferred';
END $$;
SQL
backlog("SELECT wf_start('deferring', jsonb_build_object('n', n), id => 'deferring ' || n) FROM generate_series(1, 10) n");
workers(2);
ok($node->poll_query_until($db, "SELECT count(*) = 10 FROM wf_executions WHERE workflow_id LIKE 'deferring %' AND status <> 'running'"), 'deferred constraints');
is( $node->safe_psql($db, "SELECT status, count(*), min(workflow_id) FROM wf_executions WHERE workflow_id LIKE 'deferring %' GROUP BY 1 ORDER BY 1"),
	"completed|9|deferring 1\nfailed|1|deferring 3", 'one fails, and those beside it do not');
is($node->safe_psql($db, 'SELECT count(*) FROM deferred'), '10', 'each row is there once');

# Retries that fall due together are all made, though a slow step ends a batch
$node->safe_psql($db, <<'SQL');
CREATE SEQUENCE tries;
CREATE FUNCTION flaky(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.03);
	IF nextval('tries') <= 6 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	INSERT INTO effects VALUES ('flaky', n);
	RETURN n;
END $$;
CREATE FUNCTION insist(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('flaky', jsonb_build_object('n', n), retry => wf_retry(initial_interval => '0.3 s', backoff => 1));
END $$;
SQL
backlog("SELECT wf_start('insist', jsonb_build_object('n', n), id => 'insist ' || n) FROM generate_series(1, 6) n");
workers(1);
ok($node->poll_query_until($db, "SELECT count(*) = 6 FROM wf_executions WHERE workflow_id LIKE 'insist %' AND status = 'completed'"),
	'retries that fall due together are all made') or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT string_agg(step::text, ',' ORDER BY step) FROM effects WHERE id = 'flaky'"), '1,2,3,4,5,6', 'each took effect once');

# Two workers, the same rows in opposite order
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION crossing(a int, b int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('pay', jsonb_build_object('n', a));
	PERFORM wf_activity('pay', jsonb_build_object('n', b));
	RETURN 1;
END $$;
UPDATE accounts SET balance = -10000;
SQL
backlog("SELECT count(wf_start('crossing', jsonb_build_object('a', n % 10, 'b', 9 - n % 10), id => 'crossing ' || n)) FROM generate_series(1, 1000) n");
workers(3);
ok($node->poll_query_until($db, "SELECT count(*) = 1000 FROM wf_executions WHERE workflow_id LIKE 'crossing %' AND status = 'completed'"),
	'batches that update the same rows in different order all finish') or diag_engine($node, $db);
is($node->safe_psql($db, 'SELECT sum(balance + 10000) FROM accounts'), '2000', 'each payment was made once');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop;
done_testing();
