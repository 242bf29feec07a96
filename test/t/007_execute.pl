# CALL wf_execute(): the synchronous call.  Its first turns run in the session
# itself; it becomes durable when it is slow, and the run outlives the session.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "autovacuum = off\n");
my ($rc, $out, $err);

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE pids (id text, pid int);
CREATE FUNCTION note_pid(id text) RETURNS int LANGUAGE sql AS 'INSERT INTO pids VALUES ($1, pg_backend_pid()) RETURNING pid';
CREATE FUNCTION two_pids(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('note_pid', '{"id": "before"}');
	PERFORM wf_sleep(make_interval(secs => seconds));
	PERFORM wf_activity('note_pid', '{"id": "after"}');
	RETURN 'done';
END $$;
CREATE FUNCTION fails() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of stock' USING ERRCODE = 'P4242'; END $$;
SQL

# the first start of all claims the database, at which the scheduler looks at everything
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'first of all', start_delay => '1 day')");
# a scheduler that has just come looks at everything before it sleeps
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_workers WHERE kind = 'scheduler' AND state = 'idle'");
is($node->safe_psql($db, "CALL wf_execute('one', '{\"n\": 1}', id => 'quick')"), '2', 'the result comes back');
is(status_of($node, $db, 'quick'), 'completed', 'of an ordinary run');
is($node->safe_psql($db, "SELECT count(*) FROM wf_workers WHERE kind = 'worker'"), '0', 'no worker was needed');
$node->safe_psql($db, "SELECT wf_delete('first of all')");

my $session = $node->background_psql($db, on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
is($session->query_safe("CALL wf_execute('two_pids', '{\"seconds\": 1}', id => 'slow')"), '"done"', 'a workflow that sleeps: it waits for the result');
is( $node->safe_psql($db, "SELECT id, pid = $pid FROM pids ORDER BY 1"), "after|f\nbefore|t",
	'the first turn ran here, the rest in a worker');
is($session->query("SELECT 'still ' || count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"), 'still 0', 'the session is fine');

# Errors
$session->query("CALL wf_execute('fails', id => 'fails')");
like($session->{stderr}, qr/ERROR:.*fail/, 'a failed workflow is an error');
like($session->{stderr}, qr/out of stock/, 'with its cause');
$session->{stderr} = '';
is(status_of($node, $db, 'fails'), 'failed', 'the failure is recorded');
$session->query("BEGIN; CALL wf_execute('one', '{\"n\": 1}', id => 'in a block'); ROLLBACK");
like($session->{stderr}, qr/cannot run inside a transaction block/, 'not in a transaction block');
$session->{stderr} = '';
$session->query('ROLLBACK');
$session->{stderr} = '';
is(status_of($node, $db, 'in a block'), '', 'and nothing is left of that');
$session->query("CALL wf_execute('no_such_workflow')");
like($session->{stderr}, qr/no_such_workflow/, 'no such workflow');
$session->{stderr} = '';
is($session->query_safe("CALL wf_execute('one', '{\"n\": 1}', id => 'quick 2', request_id => 'r')"), '2', 'with a request id');
is($session->query_safe("CALL wf_execute('one', '{\"n\": 1}', id => 'quick 2', request_id => 'r')"), '2', 'the same request: the same answer');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'quick 2'"), '1', 'and one effect');

# The session dies while it waits: the run goes on
$pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_until(qr/calling/, "\\echo calling\nCALL wf_execute('ask', id => 'orphan');\n");
ok($node->poll_query_until($db, "SELECT waiting_for = 'signal answer' FROM wf_executions WHERE workflow_id = 'orphan'"), 'a session waits');
is($node->safe_psql($db, "SELECT pg_terminate_backend($pid, 5000)"), 't', 'it is terminated');
eval { $session->quit };
$node->safe_psql($db, "SELECT wf_signal('orphan', 'answer', '3')");
is(wait_result($node, $db, 'orphan'), '3', 'the run is finished by workers');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'orphan'"), '2', 'with each step once');

# The session dies in the midst of a step: nothing of that turn happened, and
# workers do it again
$node->safe_psql($db, <<'SQL');
CREATE TABLE gate ();
CREATE FUNCTION gated() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES ('gated', 1);
	IF NOT EXISTS (SELECT FROM gate) THEN
		PERFORM pg_sleep(60);
	END IF;
END $$;
CREATE FUNCTION pass_gate() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('gated'); RETURN 'through'; END $$;
SQL
foreach my $how ('terminate', 'cancel')
{
	$session = $node->background_psql($db, on_error_stop => 0);
	$pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_until(qr/calling/, "\\echo calling\nCALL wf_execute('pass_gate', id => 'gate $how');\n");
	ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'"), "$how: a session is in a step");
	$node->safe_psql($db, 'INSERT INTO gate DEFAULT VALUES');
	$node->safe_psql($db, $how eq 'cancel' ? "SELECT pg_cancel_backend($pid)" : "SELECT pg_terminate_backend($pid, 5000)");
	is(wait_result($node, $db, "gate $how"), '"through"', "$how: the run is finished by workers")
	  or diag_engine($node, $db);
	if ($how eq 'cancel')
	{
		is($session->query("SELECT 'alive'"), 'alive', 'cancel: the session lives on');
	}
	eval { $session->quit };
	is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'gated'"), '1', "$how: the step took effect once");
	$node->safe_psql($db, "TRUNCATE gate; DELETE FROM effects WHERE id = 'gated'");
}

# Workers and sessions at the same work: many sessions at once
my $script = PostgreSQL::Test::Utils::tempdir() . '/execute.sql';
PostgreSQL::Test::Utils::append_to_file($script, "CALL wf_execute('one', '{\"n\": 1}');\nSELECT wf_start('one', '{\"n\": 1}');\n");
$node->safe_psql($db, 'TRUNCATE effects');
$node->command_ok([ 'pgbench', '-n', '-c', '4', '-j', '2', '-t', '150', '-f', $script, $node->connstr($db) ], 'pgbench of wf_execute and wf_start');
ok($node->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'all finish');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT id) FROM effects'), '1200|1200', 'each step once');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop;
done_testing();
