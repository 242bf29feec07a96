# Statements that concern the engine as a whole: CREATE and DROP EXTENSION at
# any time, DROP DATABASE, CREATE DATABASE ... TEMPLATE and ALTER DATABASE
# RENAME while its processes are connected, dump and restore.  Nobody waits for
# the engine, and nothing runs twice.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = durable_node('main', "autovacuum = off\n");

sub processes
{
	my ($db) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE datname = '$db' AND backend_type LIKE 'durable%'");
}

sub busy_database
{
	my ($db) = @_;

	create_database($node, $db);
	$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 3600}', id => 'sleeping');
		SELECT wf_start('ask', id => 'asking');
		SELECT wf_start('plod', '{\"seconds\": 1}', id => 'plodding')");
	$node->poll_query_until($db, "SELECT (SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = '$db' AND wait_event = 'PgSleep')
		AND (SELECT count(*) = 2 FROM wf_executions WHERE waiting_for IS NOT NULL)")
	  or diag_engine($node, $db);
	cmp_ok(processes($db), '>=', 2, "scheduler and worker are in $db");
	return;
}

# The extension comes and goes
create_database($node, 'app');
$node->safe_psql('app', 'DROP EXTENSION durable');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'app' AND backend_type LIKE 'durable%'"),
	'DROP EXTENSION: the processes leave');
my $rounds = 25;
my $done = 0;
foreach my $round (1 .. $rounds)
{
	# by a message at once, and by a timer
	my $delay = $round % 2 ? 'NULL' : "'10 ms'";
	$node->safe_psql('app', "CREATE EXTENSION durable; SELECT wf_start('one', '{\"n\": $round}', id => 'round', start_delay => $delay)");
	my $result = wait_result($node, 'app', 'round', '10 s');
	if ($result ne $round + 1)
	{
		diag("round $round: $result");
		diag_engine($node, 'app');
		last;
	}
	# in the midst of a backlog, or several times at once
	$node->safe_psql('app', "SELECT count(wf_start('one', '{\"n\": 1}')) FROM generate_series(1, 300)") if $round % 3 == 0;
	$node->safe_psql('app', $round % 2 ? 'DROP EXTENSION durable; CREATE EXTENSION durable; DROP EXTENSION durable' : 'DROP EXTENSION durable');
	$done++;
}
is($done, $rounds, 'CREATE EXTENSION: a workflow runs, each time');
$node->safe_psql('app', 'CREATE EXTENSION durable') if $node->safe_psql('app', "SELECT count(*) FROM pg_extension WHERE extname = 'durable'") eq '0';
$node->safe_psql('app', "SELECT wf_start('one', '{\"n\": 1}', id => 'after all')");
is(wait_result($node, 'app', 'after all'), '2', 'and at last');
$node->safe_psql('app', "BEGIN; DROP EXTENSION durable; ROLLBACK; SELECT wf_start('one', '{\"n\": 2}', id => 'after rollback')");
is(wait_result($node, 'app', 'after rollback'), '3', 'a rolled back DROP EXTENSION changes nothing');

# DROP EXTENSION in the midst of running workflows
$node->safe_psql('app', "SELECT count(wf_start('one', '{\"n\": 1}')) FROM generate_series(1, 3000);
	SELECT count(wf_start('nap', '{\"seconds\": 0.1}')) FROM generate_series(1, 300)");
ok($node->poll_query_until('app', "SELECT count(*) > 0 FROM durable.closed"), 'workflows are running');
quick_ok($node, 'app', 'DROP EXTENSION durable', 5, 'DROP EXTENSION does not wait for them');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'app' AND backend_type LIKE 'durable%'"),
	'no process is left behind');
is($node->safe_psql('app', "SELECT count(*) FROM pg_namespace WHERE nspname = 'durable'"), '0', 'and no schema');
is($node->safe_psql('app', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', 'and no lock');
cmp_ok(count_in_log($node, qr/ERROR/), '<', 20, 'and the log is not full of errors');
$node->safe_psql('postgres', 'DROP DATABASE app');

# DROP DATABASE
busy_database('victim');
quick_ok($node, 'postgres', 'DROP DATABASE victim', 2, 'DROP DATABASE does not wait for us');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'victim'"), '0', 'and does its work');

# ALTER DATABASE ... RENAME, and the workflows go on
busy_database('before');
quick_ok($node, 'postgres', 'ALTER DATABASE before RENAME TO after', 2, 'RENAME does not wait for us');
$node->safe_psql('after', "SELECT wf_signal('asking', 'answer', '1')");
is(wait_result($node, 'after', 'asking'), '1', 'a waiting workflow goes on after the rename');
is(wait_result($node, 'after', 'plodding'), '"done"', 'so does the one that was at work')
  or diag_engine($node, 'after');
is($node->safe_psql('after', "SELECT count(*) FROM effects WHERE id = 'slow'"), '1', 'its step took effect once');
is($node->safe_psql('after', "SELECT DISTINCT database FROM wf_workers"), 'after', 'wf_workers has the new name');

# CREATE DATABASE ... TEMPLATE
busy_database('original');
quick_ok($node, 'postgres', 'CREATE DATABASE copy TEMPLATE original', 2, 'CREATE DATABASE ... TEMPLATE does not wait for us');
is(wait_result($node, 'original', 'plodding'), '"done"', 'the original goes on');
ok(eval { $node->wait_for_log(qr/durable is paused in database "copy"/) }, 'the log says that the copy is paused');
$node->safe_psql('copy', "SELECT wf_signal('asking', 'answer', '\"copy\"')");
is( $node->safe_psql('copy', "SELECT workflow_id FROM wf_stuck WHERE why ~ 'wf_adopt' AND workflow_id <> 'sleeping' ORDER BY 1"),
	"asking\nplodding", 'wf_stuck of the copy tells which runs wait, and for what')
  or diag_engine($node, 'copy');
is($node->safe_psql('copy', "SELECT count(*) FROM wf_executions WHERE status <> 'running'"), '0', 'nothing runs there');
my ($rc, $out, $err) = $node->psql('copy', 'CALL wf_work()');
like($err, qr/started in another one.*wf_adopt/s, 'not by wf_work() either');
is($node->safe_psql('copy', 'SELECT wf_adopt()'), 't', 'wf_adopt()');
is(wait_result($node, 'copy', 'asking'), '"copy"', 'and the copy goes on');
is(wait_result($node, 'copy', 'plodding'), '"done"', 'with all of its runs');
is($node->safe_psql('copy', 'SELECT wf_adopt()'), 'f', 'there is nothing more to adopt');
is($node->safe_psql('original', 'SELECT wf_adopt()'), 'f', 'nor in the original');
is($node->safe_psql('original', "SELECT count(*) FROM wf_executions WHERE workflow_id = 'asking' AND status = 'running'"), '1',
	'the original is not concerned');

# The extension in template1: databases that are made from it have it, and are
# not in the way of the next
$node->safe_psql('template1', 'CREATE EXTENSION durable');
quick_ok($node, 'postgres', 'CREATE DATABASE fresh1', 2, 'CREATE DATABASE with the extension in template1');
quick_ok($node, 'postgres', 'CREATE DATABASE fresh2', 2, 'once more');
$node->psql('fresh1', "CREATE FUNCTION hi() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN PERFORM wf_sleep('0.1 s'); RETURN 'hi'; END \$\$;
	SELECT wf_start('hi', id => 'hi')");
is(wait_result($node, 'fresh1', 'hi'), '"hi"', 'workflows run in a database made from it')
  or diag_engine($node, 'fresh1');
$node->safe_psql('template1', 'DROP EXTENSION durable');

# Dump and restore with open runs
busy_database('dumped');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
is(wait_result($node, 'dumped', 'plodding'), '"done"', 'a run closes before the dump');
$node->safe_psql('dumped', "SELECT wf_start('plod', '{\"seconds\": 0.1}', id => 'delayed', start_delay => '1 hour');
	SELECT wf_start('nap', '{\"seconds\": 2}', id => 'napping');
	UPDATE pg_database SET datallowconn = datallowconn");
$node->poll_query_until('dumped', "SELECT waiting_for = 'timer' FROM wf_executions WHERE workflow_id = 'napping'");
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('dumped') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'pg_restore into a fresh database');
ok(eval { $node->wait_for_log(qr/durable is paused in database "restored"/) }, 'the log says that it is paused');
$node->safe_psql('restored', "SELECT wf_signal('asking', 'answer', '\"restored\"')");
is( $node->safe_psql('restored', "SELECT string_agg(workflow_id, ',' ORDER BY workflow_id) FROM wf_executions WHERE status = 'running'"),
	'asking,delayed,napping,sleeping', 'all open runs were restored, and wait');
is($node->safe_psql('restored', "SELECT why ~ 'wf_adopt' FROM wf_stuck WHERE workflow_id = 'asking'"), 't', 'wf_stuck tells why');
is($node->safe_psql('restored', "SELECT wf_result('plodding')"), '"done"', 'closed runs have their results');
is($node->safe_psql('restored', 'SELECT wf_adopt()'), 't', 'wf_adopt()');
is(wait_result($node, 'restored', 'asking'), '"restored"', 'a waiting run goes on');
is(wait_result($node, 'restored', 'napping'), '"awake"', 'a timer of the dump fires');
$node->safe_psql('restored', "SELECT wf_start('one', '{\"n\": 1}', id => 'new')");
is(wait_result($node, 'restored', 'new'), '2', 'and new ones start');

# Not everybody can send our processes away
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN CREATEDB');
my $pids = $node->safe_psql('original', "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM wf_workers WHERE database = 'original' AND kind = 'scheduler'");
foreach my $statement ('DROP DATABASE original', 'ALTER DATABASE original RENAME TO mine',
	'CREATE DATABASE mine TEMPLATE original', 'ALTER DATABASE original SET TABLESPACE pg_default')
{
	($rc, $out, $err) = $node->psql('postgres', $statement, extra_params => [ '-U', 'nobody' ]);
	like($err, qr/permission denied|must be owner/, "$statement by another role is refused");
}
is( $node->safe_psql('original', "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM wf_workers WHERE database = 'original' AND kind = 'scheduler'"),
	$pids, 'and the processes have not left');
($rc, $out, $err) = $node->psql('original', 'SELECT wf_adopt()', extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied/, 'wf_adopt() is not for everybody');

# A statement that fails lets them come back
($rc, $out, $err) = $node->psql('postgres', 'ALTER DATABASE original RENAME TO after');
like($err, qr/already exists/, 'a RENAME that fails');
$node->safe_psql('original', "SELECT wf_start('nap', '{\"seconds\": 0.1}', id => 'still')");
is(wait_result($node, 'original', 'still'), '"awake"', 'the engine is back after it');
my $session = $node->background_psql('original');
($rc, $out, $err) = $node->psql('postgres', 'DROP DATABASE original');
like($err, qr/being accessed by other users/, 'a DROP DATABASE that fails because of somebody else');
$session->quit;
$node->safe_psql('original', "SELECT wf_start('nap', '{\"seconds\": 0.1}', id => 'still here')");
is(wait_result($node, 'original', 'still here'), '"awake"', 'the engine is back after it');

# Many databases at once, each with its processes
$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $_") foreach 'after', 'copy', 'dumped', 'restored', 'fresh1', 'fresh2', 'original';
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'durable (scheduler|worker)'"), '0',
	'no process without a database');
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop;
done_testing();
