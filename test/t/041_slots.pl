# Few background workers, and more databases than that: schedulers that have
# nothing to do make room, come again for their deadlines, and whoever gave its
# place away gets one again.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

# the launcher and two more
my $node = durable_node('main', <<'CONF');
autovacuum = off
max_logical_replication_workers = 0
max_parallel_workers_per_gather = 0
max_worker_processes = 3
durable.worker_idle_timeout = '1 h'
CONF
my @dbs = map { "db$_" } 1 .. 4;

create_database($node, $_) foreach @dbs;
$node->safe_psql($_, "SELECT wf_start('nap', '{\"seconds\": 0.3}', id => 'nap')") foreach @dbs;
is(wait_result($node, $_, 'nap'), '"awake"', "$_: a step, a timer, a step") or diag_engine($node, $_) foreach @dbs;
start_act($node, $_, 'act', 'effect', input => '\'{"id": "act", "step": 7}\'::jsonb') foreach @dbs;
is(wait_result($node, $_, 'act'), '7', "$_: a queued activity") or diag_engine($node, $_) foreach @dbs;

# An update is committed by the scheduler, which may be away
$node->safe_psql('db1', <<'SQL');
CREATE FUNCTION asks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
	SELECT * INTO u FROM wf_next_update();
	PERFORM wf_reply(u.update_id, u.args);
	RETURN u.args;
END $$;
SELECT wf_start('asks', id => 'asks');
SQL
is($node->safe_psql('db1', "SELECT wf_update('asks', 'q', '{\"n\": 5}', timeout => '15 s')"), '{"n": 5}', 'an update')
  or diag_engine($node, 'db1');

# A backlog, whose worker gives its place to another database in the middle
$node->safe_psql('db1', "SELECT count(wf_start('plod', '{\"seconds\": 0.005}', id => 'plod ' || n)) FROM generate_series(1, 400) n");
foreach my $n (1 .. 3)
{
	foreach my $db (@dbs[1 .. 3])
	{
		$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": $n}', id => 'one $n')");
		is(wait_result($node, $db, "one $n"), $n + 1, "$db, $n: beside a backlog") or diag_engine($node, $db);
	}
}
ok($node->poll_query_until('db1', "SELECT count(*) = 0 FROM wf_executions WHERE status = 'running'"), 'the backlog comes to its end')
  or diag_engine($node, 'db1');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
