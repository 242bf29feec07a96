# Nobody is told what a crash could take back: those who call find it on disk
# when they have their answer.  The WAL writer is stopped here, so nothing is on
# disk that nobody has waited for.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
my $node = durable_node('main', <<'CONF', init => [ allows_streaming => 1 ]);
autovacuum = off
durable.max_workers = 0
durable.max_activity_workers = 0
CONF
create_database($node, $db);

my $on_disk = <<'SQL';
-- is the WAL on disk up to there?  At the begin of a page that is behind a header.
CREATE FUNCTION on_disk(lsn pg_lsn) RETURNS bool LANGUAGE sql VOLATILE AS
	'SELECT pg_current_wal_flush_lsn() >= lsn - CASE WHEN (lsn - ''0/0'') % 8192 = 24 THEN 24 ELSE 0 END';
SQL
$node->safe_psql($db, $on_disk . <<'SQL');
-- what a statement returns, or its error
CREATE FUNCTION told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE statement INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
-- WAL up to so many bytes into the next page
CREATE FUNCTION fill_page(bytes int) RETURNS pg_lsn LANGUAGE plpgsql AS $$
DECLARE
	at int;
BEGIN
	FOR i IN 1 .. 100 LOOP
		at := (pg_current_wal_insert_lsn() - '0/0')::numeric % 8192;
		EXIT WHEN at = bytes;
		-- 24 bytes of header, 2 or 5 of the data's, 24 of the message's, 1 of its prefix
		PERFORM pg_logical_emit_message(false, '', repeat('x', CASE WHEN at < 7000 THEN 200 ELSE
			8192 - at + bytes - 24 - 24 - 5 - 24 - 1 END));
	END LOOP;
	RETURN pg_current_wal_insert_lsn();
END $$;
-- the WAL writer's work: all before its page
CREATE FUNCTION page_on_disk(lsn pg_lsn) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	page pg_lsn := lsn - (lsn - '0/0') % 8192;
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN pg_current_wal_flush_lsn() >= page;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN pg_current_wal_flush_lsn() = page;
END $$;
SQL

# What is last in the WAL may be the start of a run by others, with its end at the
# very begin of a page.  The WAL writer, by itself, writes whole pages.
foreach my $bytes (24, 32, 40, 48)
{
	is($node->safe_psql($db, <<"SQL"), "t\nt\nt", "a run that exists, $bytes bytes into a page");
SELECT wf_start('ask', id => 'ask', on_running => 'use_existing') AS run \\gset
SELECT wf_start('ask', id => 'ask', on_running => 'use_existing') AS run \\gset
SELECT fill_page($bytes) AS lsn \\gset
SELECT (:'lsn'::pg_lsn - '0/0')::numeric % 8192 = $bytes;
SELECT page_on_disk(:'lsn');
SELECT wf_start('ask', id => 'ask', on_running => 'use_existing') AS run \\gset
SELECT on_disk(:'lsn');
SQL
}

my $wal_writer = stop_wal_writer($node, $db);

# What is not on disk before a statement, and is after it
sub told_on_disk
{
	my ($statement, $answer, $name) = @_;

	$statement =~ s/'/''/g;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($db, <<"SQL"), "$answer|t", $name);
SELECT pg_current_wal_insert_lsn() AS lsn \\gset
SELECT told('$statement'), on_disk(:'lsn');
SQL
}

# By a worker that is to cancel itself: the turn that wants it did not wait
start_act($node, $db, 'beat', 'it', task_queue => "'beat'", cancellation => "'wait'");
my $token = $node->safe_psql($db, <<'SQL');
CALL wf_work();
SELECT task_token FROM wf_poll_activities('beat');
SQL
$node->safe_psql($db, "SELECT wf_cancel('beat')");
$node->safe_psql($db, 'CALL wf_work()');
told_on_disk("SELECT cancel_requested FROM wf_heartbeat_activity('$token')", 'true', 'a request to cancel');

# By one whose attempt is over: the scheduler does not wait either
start_act($node, $db, 'late', 'it', task_queue => "'late'", start_to_close => "'50 ms'", retry => q('{"max_attempts": 1}'::jsonb));
$token = $node->safe_psql($db, <<'SQL');
CALL wf_work();
SELECT task_token FROM wf_poll_activities('late');
SQL
ok($node->poll_query_until($db, "SELECT NOT EXISTS (SELECT FROM wf_activities WHERE workflow_id = 'late')"), 'an attempt times out')
  or diag_engine($node, $db);
told_on_disk("SELECT wf_complete_activity('$token')", 'WF013', 'an attempt that is over');

# By a client whose update somebody else has sent, who waits: so did the scheduler
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/update.sql", "SELECT wf_update('ask', 'tell', update_id => 'u', timeout => '1 s');\n");
my $client = psql_client($node, $db, "$dir/update.sql", "$dir/update.out");
ok($node->poll_query_until($db, "SELECT EXISTS (SELECT FROM wf_updates WHERE update_id = 'u')"), 'an update is sent');
told_on_disk("SELECT wf_update('ask', 'tell', update_id => 'u', wait_for => 'admitted')", '', 'an update that was sent before');
waitpid($client, 0);

# By a client of a child that was locked when its parent closed, and that the
# scheduler has terminated later
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION quiet() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM wf_wait_signal(''go''); END';
CREATE FUNCTION parent() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_start_child('quiet', id => 'kid');
	PERFORM wf_wait_signal('go');
END $$;
SELECT wf_start('parent', id => 'parent');
CALL wf_work();
SQL
append_to_file("$dir/hold.sql", "BEGIN; SELECT wf_signal('kid', 'other'); SELECT pg_sleep(1); ROLLBACK;\n");
$client = psql_client($node, $db, "$dir/hold.sql", "$dir/hold.out");
ok($node->poll_query_until($db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"), 'a child is locked');
$node->safe_psql($db, "SELECT wf_signal('parent', 'go')");
$node->safe_psql($db, 'CALL wf_work()');
is(status_of($node, $db, 'parent') . ' ' . status_of($node, $db, 'kid'), 'completed running', 'and goes on after its parent');
waitpid($client, 0);
ok($node->poll_query_until($db, "SELECT status = 'terminated' FROM wf_executions WHERE workflow_id = 'kid'"), 'but not for long')
  or diag_engine($node, $db);
told_on_disk("SELECT wf_result('kid')", 'WF012', 'a child that was terminated');

# By a client whose update is never answered
$node->safe_psql($db, <<'SQL');
SELECT wf_start('quiet', id => 'quiet');
SELECT wf_update('quiet', 'tell', update_id => 'u', wait_for => 'admitted');
CALL wf_work();
SQL
append_to_file("$dir/wait.sql", "SELECT told('SELECT wf_update(''quiet'', ''tell'', update_id => ''u'')');\n");
$client = psql_client($node, $db, "$dir/wait.sql", "$dir/wait.out");
ok($node->poll_query_until($db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT told%' AND wait_event_type = 'Extension')"),
	'a client waits for the answer');
$node->safe_psql($db, "SELECT wf_signal('quiet', 'go')");
set_conf($node, "synchronous_standby_names = 'nobody'");
append_to_file("$dir/work.sql", "SELECT pg_sleep(0.2);\nCALL wf_work();\n");
my $worker = psql_client($node, $db, "$dir/work.sql", "$dir/work.out");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), 'which is not told before the standbys know')
  or diag_engine($node, $db);
is(slurp_file("$dir/wait.out"), '', 'that there is none');
set_conf($node, "synchronous_standby_names = ''");
waitpid($_, 0) foreach $client, $worker;
is(slurp_file("$dir/wait.out"), "WF012\n", 'but then');

unlike(log_since($node), qr/PANIC|TRAP|past end of generated WAL|not satisfied/, 'no crash in the log');

kill 'KILL', $wal_writer;
$node->stop('immediate');

# Without shared memory nobody knows what others have committed
$node = durable_node('bare', "autovacuum = off\nshared_preload_libraries = ''\n");
create_database($node, $db);
$node->safe_psql($db, $on_disk);
$wal_writer = stop_wal_writer($node, $db);
start_act($node, $db, 'first', 'it', task_queue => "'first'");
start_act($node, $db, 'act', 'it', task_queue => "'q'");
$node->safe_psql($db, 'CALL wf_work()');
is($node->safe_psql($db, <<'SQL'), 'f|t', 'a task without shared_preload_libraries');
SELECT task_token AS token FROM wf_poll_activities('first') \gset
SELECT pg_current_wal_insert_lsn() AS lsn \gset
SELECT on_disk(:'lsn') AS before \gset
SELECT task_token AS token FROM wf_poll_activities('q') \gset
SELECT :'before', on_disk(:'lsn');
SQL
kill 'KILL', $wal_writer;
$node->stop('immediate');
done_testing();
