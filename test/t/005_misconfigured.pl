# Where the engine cannot run workflows it says so, where the user looks: not
# preloaded, too few background workers, an owner that cannot log in, a library
# that does not fit the SQL.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "shared_preload_libraries = ''\nautovacuum = off\n");

create_database($node, $db);

# Not in shared_preload_libraries
my $session = $node->background_psql($db, on_error_stop => 0);
$session->query("SELECT wf_start('one', '{\"n\": 1}', id => 'first')");
like($session->{stderr}, qr/WARNING:  durable is not in shared_preload_libraries.*HINT:.*wf_work/s, 'not preloaded: wf_start warns');
$session->{stderr} = '';
$session->query("SELECT wf_start('nap', '{\"seconds\": 0.2}', id => 'second')");
is($session->{stderr}, '', 'once in a session');
$session->quit;
is( $node->safe_psql($db, "SELECT count(*) FROM wf_stuck WHERE why ~ 'shared_preload_libraries'"), '2', 'wf_stuck tells');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_workers'), '0', 'wf_workers is empty');
like(wait_result($node, $db, 'first', '0.2 s'), qr/still running/, 'wf_result waits no longer than it is told');
$node->safe_psql($db, 'CALL wf_work()');
is(wait_result($node, $db, 'first'), '2', 'CALL wf_work() runs it');
my $waiter = $node->background_psql($db);
$waiter->query_until(qr/waiting/, "\\echo waiting\nSELECT 'it is ' || wf_result('second', timeout => '20 s')::text;\n");
ok(until_true(sub { $node->safe_psql($db, 'CALL wf_work()'); status_of($node, $db, 'second') eq 'completed' }),
	'wf_work() fires timers too');
like($waiter->query_until(qr/it is/, "\n"), qr/it is "awake"/, 'a session that waits in wf_result() hears of it without shared memory');
$waiter->quit;
my ($rc, $out, $err) = $node->psql($db, "CALL wf_execute('one', '{\"n\": 6}')");
is($out, '7', 'CALL wf_execute() runs it here');
$session = $node->background_psql($db);
$session->query_safe("SELECT wf_listen_workflow('third')");
$node->psql($db, "SELECT wf_start('one', '{\"n\": 2}', id => 'third'); CALL wf_work()");
like($session->query_safe('SELECT 1'), qr/Asynchronous notification.*completed/, 'a listener hears of it');
$session->quit;

# A run in other hands is passed over, and found again
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 3}', id => 'locked'); SELECT wf_start('one', '{\"n\": 4}', id => 'free')");
$session = $node->background_psql($db);
$session->query_safe("BEGIN; SELECT 1 FROM durable.execution WHERE workflow_id = 'locked' FOR UPDATE");
($rc, $out, $err) = $node->psql($db, "SET statement_timeout = '10s'; CALL wf_work()");
is($err, '', 'wf_work() ends though a run is locked by someone else');
is(status_of($node, $db, 'locked') . ' ' . status_of($node, $db, 'free'), 'running completed', 'and takes the others');
$session->query_safe('COMMIT');
$session->quit;
$node->safe_psql($db, 'CALL wf_work()');
is(wait_result($node, $db, 'locked'), '4', 'the next wf_work() takes it');

# The version of the SQL differs from that of the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'durable'");
$node->restart;
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 2}', id => 'preloaded')");
is(wait_result($node, $db, 'preloaded'), '3', 'preloaded: workers run it');
my $version = $node->safe_psql($db, "SELECT extversion FROM pg_extension WHERE extname = 'durable'");
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 3}', id => 'over the upgrade')");
$node->poll_query_until($db, "SELECT waiting_for IS NOT NULL FROM wf_executions WHERE workflow_id = 'over the upgrade'");
$node->safe_psql($db, "UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'durable'");
foreach my $call ("SELECT wf_start('one', '{\"n\": 1}')", "SELECT wf_signal('first', 'x')", "SELECT wf_result('first')",
	"CALL wf_execute('one', '{\"n\": 1}')", 'CALL wf_work()', "SELECT wf_describe('first')", "SELECT wf_cancel('first')")
{
	($rc, $out, $err) = $node->psql($db, $call);
	like($err, qr/ERROR:  the library of durable is version .*, its SQL is version 0\.0\.9.*HINT:.*ALTER EXTENSION durable UPDATE/s,
		"another version: $call is refused");
}
my $offset = -s $node->logfile;
$node->restart;
ok(eval { $node->wait_for_log(qr/its SQL is version 0\.0\.9/, $offset) }, 'the scheduler tells the log');
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
cmp_ok(count_in_log($node, qr/its SQL is version 0\.0\.9/, $offset), '<=', 3, 'and does not spin');
# as ALTER EXTENSION ... UPDATE would do it, telling the engine
$node->safe_psql($db, "UPDATE pg_extension SET extversion = '$version' WHERE extname = 'durable'");
($rc, $out, $err) = $node->psql($db, 'ALTER EXTENSION durable UPDATE');
is($err =~ /ERROR/ ? $err : '', '', 'ALTER EXTENSION ... UPDATE');
is(wait_result($node, $db, 'over the upgrade'), '"awake"', 'the engine goes on with the right version');

# The owner cannot log in
$node->safe_psql($db, "CREATE ROLE owner LOGIN; SET ROLE owner; SELECT wf_start('one', '{\"n\": 8}', id => 'can log in')");
is(wait_result($node, $db, 'can log in'), '9', 'a role that can log in');
$node->safe_psql($db, "SELECT pg_terminate_backend(pid) FROM wf_workers WHERE role::text = 'owner'; ALTER ROLE owner NOLOGIN");
$node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE role::text = 'owner'");
$offset = -s $node->logfile;
$node->safe_psql($db, "SET ROLE owner; SELECT wf_start('one', '{\"n\": 9}', id => 'cannot log in')");
SKIP:
{
	skip 'workers need no LOGIN since PostgreSQL 17', 2 if $node->pg_version >= 17;
	is( $node->safe_psql($db, "SELECT why FROM wf_stuck WHERE workflow_id = 'cannot log in'"),
		'the owner, role "owner", cannot log in: ALTER ROLE ... LOGIN', 'wf_stuck tells of an owner that cannot log in');
	$node->safe_psql('postgres', 'SELECT pg_sleep(2.5)');
	cmp_ok(count_in_log($node, qr/is not permitted to log in/, $offset), '<=', 4, 'and its workers do not spin');
}
$node->safe_psql($db, 'ALTER ROLE owner LOGIN');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'LOGIN again: nothing is stuck');
my $took = elapsed(sub { is(wait_result($node, $db, 'cannot log in', '25 s'), '10', 'it runs, without another message or a restart') });
note(sprintf('%.1f s after ALTER ROLE ... LOGIN', $took));

# The same for its queued activities: a worker that could not connect has left them unseen
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION queued() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('effect', '{"id": "queued", "step": 11}', mode => 'queued'); END $$
SQL
set_conf($node, 'durable.max_activity_workers = 0');
$node->safe_psql($db, "SET ROLE owner; SELECT wf_start('queued', id => 'queued')");
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'queued'");
$offset = -s $node->logfile;
$node->safe_psql($db, 'ALTER ROLE owner NOLOGIN');
set_conf($node, 'durable.max_activity_workers = 4');
SKIP:
{
	skip 'activity workers need no LOGIN since PostgreSQL 17', 1 if $node->pg_version >= 17;
	ok(eval { $node->wait_for_log(qr/durable activity worker.*exited with exit code 1/, $offset) }, 'an activity worker cannot log in');
}
$node->safe_psql($db, 'ALTER ROLE owner LOGIN');
is(wait_result($node, $db, 'queued', '25 s'), '11', 'LOGIN again: its queued activity runs, too');

# The owner's settings name another role: code runs as the owner all the same
$node->safe_psql($db, <<'SQL');
CREATE ROLE other;
GRANT other TO owner;
ALTER ROLE owner SET role = 'other';
SELECT pg_terminate_backend(pid) FROM wf_workers WHERE role::text = 'owner';
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE FUNCTION who_am_i() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN concat_ws(' ', current_user, wf_activity('who'), wf_activity('who', mode => 'queued')); END $$;
SQL
$node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE role::text = 'owner'");
$node->safe_psql($db, "SET ROLE owner; SELECT wf_start('who_am_i', id => 'who am i')");
is(wait_result($node, $db, 'who am i'), '"owner \"owner\" \"owner\""', 'ALTER ROLE ... SET role does not make it another role');
$node->safe_psql($db, 'ALTER ROLE owner RESET role');

# A scheduler that fails again and again does not spin
$offset = -s $node->logfile;
$node->safe_psql($db, 'ALTER TABLE durable.timer RENAME TO timer_');
$node->psql($db, 'ALTER EXTENSION durable UPDATE');
$node->safe_psql('postgres', 'SELECT pg_sleep(2.5)');
cmp_ok(count_in_log($node, qr/ERROR:  relation "durable.timer" does not exist/, $offset), '<=', 4, 'a failing scheduler does not spin');
$node->safe_psql($db, 'ALTER TABLE durable.timer_ RENAME TO timer');
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 0.2}', id => 'scheduler again')");
is(wait_result($node, $db, 'scheduler again', '25 s'), '"awake"', 'and goes on when it can');

# The owner is gone
$node->safe_psql($db, "CREATE ROLE leaver LOGIN; SET ROLE leaver; SELECT wf_start('one', '{\"n\": 9}', id => 'orphan', start_delay => '1 s'); RESET ROLE; DROP ROLE leaver");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_stuck WHERE workflow_id = 'orphan' AND why ~ 'does not exist'"),
	'wf_stuck tells of an owner that is gone') or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT wf_terminate('orphan')"), 't', 'a superuser can end its run');

# Too few background workers: the scheduler has the only one, and makes room
$node->append_conf('postgresql.conf', "max_worker_processes = 3");
$offset = -s $node->logfile;
$node->restart;
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_workers WHERE kind = 'scheduler' AND database = '$db'");
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 10}', id => 'no room')");
is(wait_result($node, $db, 'no room'), '11', 'too few background workers: scheduler and worker take turns');
ok(eval { $node->wait_for_log(qr/WARNING:.*no free background worker.*\n.*HINT:.*Raise max_worker_processes \(now 3\)/, $offset) },
	'and the log');
$node->safe_psql('postgres', 'SELECT pg_sleep(2.5)');
cmp_ok(count_in_log($node, qr/no free background worker/, $offset), '<=', 2, 'which is not full of it');
$node->safe_psql($db, 'CALL wf_work()');
is(wait_result($node, $db, 'no room'), '11', 'CALL wf_work() runs it nevertheless');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');

# More databases than background workers: each is looked at in its turn
$node->append_conf('postgresql.conf', "max_worker_processes = 6");
$node->restart;
$node->safe_psql('postgres', "CREATE DATABASE plain$_") foreach 1 .. 6;
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 2}', id => 'among many')");
$node->poll_query_until($db, "SELECT waiting_for IS NOT NULL FROM wf_executions WHERE workflow_id = 'among many'");
$node->restart;
is(wait_result($node, $db, 'among many'), '"awake"', 'a run goes on though its database is one of many');
ok($node->poll_query_until($db, "SELECT string_agg(database, ',') = '$db' FROM wf_workers WHERE kind = 'scheduler'"),
	'schedulers leave databases without the extension');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop;
done_testing();
