# The server goes down, gently or not, while turns run: it does not wait for
# them, and afterwards they go on.  A worker that cannot do its work is started
# again and again, but ever more slowly.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = durable_node('main', "autovacuum = off\n");
my $db = 'app';

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
-- takes long until the gate is open
CREATE TABLE gate ();
CREATE FUNCTION long_step() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES ('long', 0);
	IF NOT EXISTS (SELECT FROM gate) THEN
		PERFORM pg_sleep(60);
	END IF;
	INSERT INTO effects VALUES ('long', 1);
END $$;
CREATE FUNCTION long() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', '{"id": "long", "step": 2}');
	PERFORM wf_activity('long_step');
	PERFORM wf_activity('effect', '{"id": "long", "step": 3}');
	RETURN 'done';
END $$;
SQL
my $in_sleep = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'";

# The same run survives three ends: fast shutdown, immediate, a worker killed
$node->safe_psql($db, "SELECT wf_start('long', id => 'long'), wf_start('nap', '{\"seconds\": 1}', id => 'nap'), wf_start('ask', id => 'ask')");
ok($node->poll_query_until($db, $in_sleep), 'a step takes long');
my $waiter = $node->background_psql($db, on_error_stop => 0);
$waiter->query_until(qr/waiting/, "\\echo waiting\nSELECT wf_result('long');\n");
my $took = elapsed(sub { $node->stop('fast') });
cmp_ok($took, '<', 1.5, sprintf('fast shutdown does not wait for it (%.2f s)', $took));
eval { $waiter->quit };

$node->start;
ok($node->poll_query_until($db, $in_sleep), 'after the restart the step is tried again');
is(wait_result($node, $db, 'nap'), '"awake"', 'a timer fires that fell due while the server was down');
$node->stop('immediate');

$node->start;
ok($node->poll_query_until($db, $in_sleep), 'so it is after an immediate shutdown');
my $postmaster_start = $node->safe_psql($db, 'SELECT pg_postmaster_start_time()');
my $pid = $node->safe_psql($db, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'");
$node->safe_psql($db, 'INSERT INTO gate DEFAULT VALUES');
kill_process($pid);
is(wait_result_again($node, $db, 'long'), '"done"', 'a worker is killed in the midst of the step: the run goes on and ends');
is( $node->safe_psql($db, "SELECT step, count(*) FROM effects WHERE id = 'long' GROUP BY 1 ORDER BY 1"),
	"0|1\n1|1\n2|1\n3|1", 'with each effect there once');
is($node->safe_psql($db, 'SELECT pg_postmaster_start_time()'), $postmaster_start, 'the postmaster survived');
$node->safe_psql($db, "SELECT wf_signal('ask', 'answer', '7')");
is(wait_result($node, $db, 'ask'), '7', 'a waiting run goes on after all of it');

# Each of the processes can be ended by an operator, and another one comes
foreach my $kind ('scheduler', 'launcher', 'worker')
{
	$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 0.5}', id => 'without $kind')");
	is( $node->safe_psql($db, "SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
			WHERE backend_type = 'durable $kind' AND (datname = '$db' OR '$kind' = 'launcher')"),
		't', "the $kind is ended");
	$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'one without $kind')");
	is(wait_result($node, $db, "without $kind"), '"awake"', 'a timer fires');
	is(wait_result($node, $db, "one without $kind"), '2', 'a start is run');
	ok($node->poll_query_until($db, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'durable $kind'"), "there is a $kind again");
}

# Shutdown in the midst of many short turns
$node->safe_psql($db, "SELECT count(wf_start('one', jsonb_build_object('n', n), id => 'many ' || n)) FROM generate_series(1, 5000) n");
$took = elapsed(sub { $node->stop('fast') });
cmp_ok($took, '<', 1.5, sprintf('fast shutdown during a backlog (%.2f s)', $took));
$node->start;
ok($node->poll_query_until($db, "SELECT count(*) = 5000 FROM wf_executions WHERE workflow_id LIKE 'many %' AND status = 'completed'"),
	'the backlog is finished after the restart') or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT id) FROM effects WHERE id LIKE 'many %'"), '5000|5000', 'each step once');

# Workers that fail: a role whose settings no worker can start with
$node->safe_psql($db, 'CREATE ROLE sane LOGIN');
my $offset;
my $starts = "SELECT wf_start('one', '{\"n\": 1}', id => current_user || ' one')";
foreach my $setting ("local_preload_libraries = 'no_such_library'", "session_preload_libraries = 'no_such_library'")
{
	my $role = $setting =~ /^local/ ? 'broken_local' : 'broken_session';

	$node->safe_psql($db, "CREATE ROLE $role LOGIN; SET ROLE $role; $starts; RESET ROLE; ALTER ROLE $role SET $setting");
}
$node->safe_psql($db, $starts, extra_params => [ '-U', 'sane' ]);
is(wait_result($node, $db, 'sane one', '5 s', extra_params => [ '-U', 'sane' ]), '2', 'other roles are not concerned');
$node->stop('fast');
$node->append_conf('postgresql.conf', "log_min_messages = debug1");
$offset = -s $node->logfile;
$node->start;

# Each start that took no turn doubles the delay before the next: 0, 1, 2, 4 ... seconds
$node->safe_psql($db, "CREATE ROLE locked LOGIN; SET ROLE locked; $starts; RESET ROLE;");
$node->safe_psql($db, "ALTER ROLE locked NOLOGIN; SELECT wf_start('one', '{\"n\": 1}', id => 'wake up')");
$node->safe_psql($db, 'CREATE ROLE limited LOGIN');
$node->safe_psql($db, "REVOKE CONNECT ON DATABASE $db FROM PUBLIC; SET ROLE limited; $starts");
my $since = time();
ok(until_true(sub { count_in_log($node, qr/FATAL:  permission denied for database/, $offset) >= 3 }), 'a worker that may not connect is tried again');
my $attempts = count_in_log($node, qr/FATAL:  permission denied for database/, $offset);
$took = time() - $since;
cmp_ok($took, '>', 2.5, "but not at once: $attempts times in $took s");
cmp_ok(count_in_log($node, qr/FATAL/, $offset), '<', 25, 'the log is not full of it');
is( $node->safe_psql($db, "SELECT count(*) FROM wf_stuck WHERE owner = 'limited'::regrole AND why ~* 'connect'"),
	'1', 'wf_stuck tells why');
$node->safe_psql($db, "GRANT CONNECT ON DATABASE $db TO PUBLIC");
is(wait_result($node, $db, 'limited one', '20 s'), '2', 'and it runs when the cause is mended');

# A scheduler that fails does not spin either
$node->safe_psql($db, "ALTER DATABASE $db SET default_transaction_read_only = on");
$node->restart;
$offset = -s $node->logfile;
my $writable = { extra_params => [ '-c', 'SET default_transaction_read_only = off' ] };
$node->safe_psql($db, "SET default_transaction_read_only = off; SELECT wf_start('nap', '{\"seconds\": 0.2}', id => 'in a read-only database')");
is(wait_result($node, $db, 'in a read-only database', '5 s'), '"awake"', 'the engine works where sessions are read-only by default');
cmp_ok(count_in_log($node, qr/starting background worker process "durable scheduler/, $offset), '<', 10, 'its scheduler does not spin');
$node->safe_psql('postgres', "ALTER DATABASE $db RESET default_transaction_read_only");

$node->safe_psql('postgres', "ALTER DATABASE $db ALLOW_CONNECTIONS false");
$offset = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'durable scheduler' AND datname = '$db'");
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
cmp_ok(count_in_log($node, qr/starting background worker process "durable scheduler/, $offset), '<', 10,
	'a scheduler that cannot connect does not spin');
$node->safe_psql('postgres', "ALTER DATABASE $db ALLOW_CONNECTIONS true");
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 0.2}', id => 'connected again')");
is(wait_result($node, $db, 'connected again', '20 s'), '"awake"', 'and it is back when it can');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal (?!9)/, 'no crash in the log but the one wanted');
$node->stop('immediate');
done_testing();
