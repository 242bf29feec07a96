# One role takes all it can get: workers, steps without an end, code that cannot
# be cancelled, task queues.  Others are served within seconds, an operator gets
# at its runs at once, and it cannot raise its own limits.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $db = 'app';
my $node = durable_node('main', <<'CONF');
autovacuum = off
max_worker_processes = 24
durable.max_workers = 2
durable.max_activity_workers = 2
CONF

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE ROLE hog LOGIN;
CREATE ROLE other LOGIN;
CREATE SCHEMA hog AUTHORIZATION hog;
CREATE SCHEMA other AUTHORIZATION other;
GRANT USAGE ON SCHEMA hog, other TO PUBLIC;
CREATE FUNCTION forever() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(100000)';
CREATE PROCEDURE forever_in_pieces() LANGUAGE plpgsql AS $$ BEGIN LOOP COMMIT; PERFORM pg_sleep(100000); END LOOP; END $$;
CREATE FUNCTION hangs() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('forever'); END $$;
CREATE FUNCTION queued(f text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity(f, mode => 'queued'); END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION both_kinds() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('quick');
	RETURN wf_activity('quick', mode => 'queued');
END $$;
SQL

sub as_role
{
	my ($role, $sql) = @_;

	return $node->safe_psql($db, $sql, extra_params => ['-U', $role]);
}

sub busy
{
	my ($kind, $role) = @_;

	return "SELECT count(*) FROM wf_workers WHERE kind = '$kind' AND state = 'busy' AND role::text = '$role'";
}

sub served
{
	my ($id, $seconds, $name) = @_;
	my $took = elapsed(sub {
		as_role('other', "SELECT wf_start('both_kinds', id => '$id')");
		is(wait_result($node, $db, $id, '20 s'), '1', "$name: done") or diag_engine($node, $db);
	});

	cmp_ok($took, '<', $seconds, "$name: within $seconds s") or diag($took);
	return;
}

# All workers, alone on the server
as_role('hog', "SELECT wf_start('queued', '{\"f\": \"forever\"}', id => 'queued ' || n) FROM generate_series(1, 4) n");
ok($node->poll_query_until($db, "SELECT (" . busy('activity_worker', 'hog') . ") = 2 AND (SELECT count(*) FROM wf_activities) = 4"),
	'a role alone has all activity workers') or diag_engine($node, $db);
as_role('hog', "SELECT wf_start('hangs', id => 'inline ' || n) FROM generate_series(1, 4) n");
ok($node->poll_query_until($db, "SELECT (" . busy('worker', 'hog') . ") = 2"), '... and workers') or diag_engine($node, $db);
served('beside', 10, 'another role');
is($node->safe_psql($db, "SELECT max(attempt), count(*) FROM wf_activities WHERE owner::text = 'hog'"), '1|4',
	'attempts that made room do not count');
is($node->safe_psql($db, "SELECT count(*) FROM durable.attempt"), '0', '... and did not fail');
is($node->safe_psql($db, "SELECT count(*) FROM wf_stuck WHERE failures > 0 AND why NOT LIKE '%holds a lock%'"), '0', 'steps that made room are no failure');

# An operator, while a step runs
my $run = "SELECT workflow_id FROM wf_executions WHERE owner::text = 'hog' AND workflow = 'hangs' AND status = 'running'";
quick_ok($node, $db, "SELECT wf_terminate(workflow_id) FROM ($run) r", 3, 'wf_terminate of runs in a step');
is($node->safe_psql($db, "SELECT count(*) FROM ($run) r"), '0', 'they are closed');
as_role('hog', "SELECT wf_start('hangs', id => 'again')");
ok($node->poll_query_until($db, "SELECT (" . busy('worker', 'hog') . ") = 1"), 'the next is in a step');
quick_ok($node, $db, "SELECT wf_pause('again')", 3, 'wf_pause of a run in a step');
is(status_of($node, $db, 'again'), 'paused', 'it is paused');
quick_ok($node, $db, "SELECT wf_delete('again')", 3, 'and deleted');
$node->safe_psql($db, "SELECT wf_terminate(workflow_id) FROM wf_executions WHERE owner::text = 'hog' AND status = 'running'");

# A procedure makes room as well
as_role('hog', "SELECT wf_start('queued', '{\"f\": \"forever_in_pieces\"}', id => 'pieces ' || n) FROM generate_series(1, 3) n");
ok($node->poll_query_until($db, "SELECT (" . busy('activity_worker', 'hog') . ") = 2"), 'procedures that do not end');
served('beside procedures', 10, 'another role');
$node->safe_psql($db, "SELECT wf_terminate(workflow_id) FROM wf_executions WHERE owner::text = 'hog' AND status = 'running'");

# A step has an end
$node->safe_psql($db, "ALTER ROLE hog SET durable.step_timeout = '300 ms'");
$node->safe_psql($db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'durable worker' AND usename = 'hog'");
as_role('hog', "SELECT wf_start('hangs', id => 'limited')");
like(wait_result($node, $db, 'limited'), qr/ran over durable.step_timeout \(300 ms\)/, 'durable.step_timeout, as it is set for the role');

# ... whatever its own code says
foreach my $setting (qw(step_timeout workers_per_role turn_timeout))
{
	my ($out, $err);

	foreach my $sql ("SET durable.$setting = 1000", "ALTER ROLE hog SET durable.$setting = 1000",
		"CREATE FUNCTION hog.sets() RETURNS int LANGUAGE sql SET durable.$setting = 1000 AS 'SELECT 1'; SELECT hog.sets()")
	{
		$node->psql($db, $sql, stderr => \$err, stdout => \$out, extra_params => ['-U', 'hog']);
		like($err, qr/permission denied/, "not by the role itself: $sql");
	}
}

# Code that catches the cancel is ended, and others of its role go on
my $log = -s $node->logfile;

$node->safe_psql($db, <<'SQL');
ALTER SYSTEM SET durable.turn_timeout = '200 ms';
SELECT pg_reload_conf();
CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			LOOP NULL; END LOOP;
		EXCEPTION WHEN query_canceled THEN NULL;
		END;
	END LOOP;
END $$;
CREATE FUNCTION deaf_step() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('deaf'); END $$;
SQL
as_role('hog', "SELECT wf_start('deaf', id => 'deaf')");
ok(until_true(sub { count_in_log($node, qr/its code caught the cancel that was to end it/, $log) > 0 }, 20),
	'the process of deaf code is ended') or diag_engine($node, $db);
ok($node->poll_query_until($db, "SELECT count(*) > 0 FROM wf_stuck WHERE workflow_id = 'deaf' AND failures > 0 AND why LIKE '%was lost%'"),
	'wf_stuck tells');
as_role('hog', "SELECT wf_start('both_kinds', id => 'of the same role')");
is(wait_result($node, $db, 'of the same role', '20 s'), '1', 'others of its role are served') or diag_engine($node, $db);
as_role('hog', "SELECT wf_terminate('deaf')");
$log = -s $node->logfile;
as_role('hog', "SELECT wf_start('deaf_step', id => 'deaf step')");
ok(until_true(sub { count_in_log($node, qr/its code caught the cancel that was to end it/, $log) > 0 }, 20),
	'the same of a deaf step') or diag_engine($node, $db);
as_role('hog', "SELECT wf_terminate('deaf step')");

# More task queues than there is room for
as_role('hog', "SELECT count(x) FROM generate_series(1, 2200) n, LATERAL (SELECT count(*) FROM wf_poll_activities('q' || n)) x");
is($node->safe_psql($db, "SELECT count(*) BETWEEN 1 AND 256 FROM wf_workers WHERE kind = 'external'"), 't', 'half of the external workers');
served('beside queues', 10, 'a queue of another role has room');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
