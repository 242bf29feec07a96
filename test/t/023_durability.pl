# What somebody was told outlives a crash, though not every commit waits for the
# disk before it is seen.  The WAL writer is stopped here, so nothing is on disk
# that nobody has waited for.

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
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(e.workflow_id || ' ' || e.status || coalesce(' ' || a.state || ' ' || a.attempt, ''), ', ' ORDER BY e.workflow_id)
	FROM wf_executions e LEFT JOIN wf_activities a USING (run_id)
$$;
SQL

my $wal_writer = stop_wal_writer($node, $db);

# All at once
sub kill_all
{
	kill 'KILL', (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0], $wal_writer;
	kill_postmaster($node);
	return;
}

sub crash
{
	my $seen;

	kill_all();
	$node->start;
	$seen = $node->safe_psql($db, 'SELECT seen()');
	$wal_writer = stop_wal_writer($node, $db);
	return $seen;
}

# A start by itself
$node->safe_psql($db, "SELECT wf_start('ask', id => 'ask')");
is(crash(), 'ask running', 'a start that has returned');

# A task in somebody's hands: its turn only asked for it, and did not wait.  The
# session has done all that before, so that it writes nothing but this.
start_act($node, $db, 'first', 'it', task_queue => "'first'");
my ($turn_on_disk, $token) = split /\n/, $node->safe_psql($db, <<'SQL');
CALL wf_work();
SELECT task_token AS first FROM wf_poll_activities('first') \gset
SELECT wf_start('act', '{"activity": "it", "task_queue": "q"}', id => 'act') AS run \gset
CALL wf_work();
SELECT pg_current_wal_insert_lsn() AS turn \gset
SELECT pg_current_wal_flush_lsn() >= :'turn' AS turn_on_disk \gset
SELECT task_token FROM wf_poll_activities('q') \gset
SELECT :'turn_on_disk', pg_current_wal_flush_lsn() >= :'turn';
SELECT :'task_token';
SQL
is($turn_on_disk, 'f|t', 'a task is handed out when its turn is on disk, not before');
like(crash(), qr/^act running (started 1|scheduled 0), ask running, first running (started 1|scheduled 0)$/, 'the activity of a task that was handed out');

# The claim itself may be forgotten: it is the same attempt then
$token = $node->safe_psql($db, "SELECT task_token FROM wf_poll_activities('q')") || $token;
$node->safe_psql($db, "SELECT wf_complete_activity('$token', '5')");
like(crash(), qr/^act running, ask running, first/, 'a completion');

# The end of a run
$node->safe_psql($db, 'CALL wf_work()');
is(wait_result($node, $db, 'act'), '5', 'a result is told');
like(crash(), qr/^act completed, ask running, first/, 'and stays');
$node->safe_psql($db, "CALL wf_execute('one', '{\"n\": 1}', NULL, id => 'one')");
like(crash(), qr/, one completed$/, 'what wf_execute has told');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'one'"), '1', 'with its step');

# A commit that others are to have as well
kill_all();
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/far.sql", "SELECT wf_start('ask', id => 'far') IS NOT NULL;\n");
my $client = psql_client($node, $db, "$dir/far.sql", "$dir/far.out");
ok($node->poll_query_until($db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"),
	'a start waits for a synchronous standby') or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT count(*) FROM wf_executions WHERE workflow_id = 'far'"), '0', 'nobody sees it');
is(slurp_file("$dir/far.out"), '', 'and its client is told nothing');
is(wait_result($node, $db, 'act'), '5', 'what is there is told without waiting for anyone');
set_conf($node, "synchronous_standby_names = ''");
waitpid($client, 0);
is(slurp_file("$dir/far.out"), "t\n", 'before it is there');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal|past end of generated WAL/, 'no crash in the log');
$node->stop('immediate');
done_testing();
