# max_worker_processes leaves room for a single worker, whatever there is to do
# in two databases: it goes from one to the other, and from workflows to their
# activities, without waiting for anyone's idle timeout.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $node = durable_node('main', <<'CONF');
autovacuum = off
max_logical_replication_workers = 0
max_parallel_workers_per_gather = 0
max_worker_processes = 4
durable.worker_idle_timeout = '1 h'
CONF
my $free = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable scheduler'";

# the launcher, a scheduler each, and one to spare
create_database($node, $_) foreach qw(east west);
ok($node->poll_query_until('east', "SELECT ($free) = 2"), 'both databases have a scheduler') or diag_engine($node, 'east');

foreach my $n (1 .. 3)
{
	foreach my $db (qw(east west))
	{
		$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": $n}', id => 'one $n')");
		is(wait_result($node, $db, "one $n"), $n + 1, "$db, $n: its idle worker leaves for the other database")
		  or diag_engine($node, $db);
	}
}

start_act($node, 'east', 'act', 'effect', input => '\'{"id": "act", "step": 7}\'::jsonb');
is(wait_result($node, 'east', 'act'), '7', 'the worker leaves for an activity, and the other way round') or diag_engine($node, 'east');

# Both kinds busy in both databases: everyone gets on
$node->safe_psql($_, "SELECT count(wf_start('plod', '{\"seconds\": 0.05}', id => 'plod ' || n)) FROM generate_series(1, 20) n")
  foreach qw(east west);
start_act($node, 'west', "act $_", 'effect', input => "'{\"id\": \"act\", \"step\": $_}'::jsonb") foreach 1 .. 5;
foreach my $db (qw(east west))
{
	ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_executions WHERE status = 'running'"), "all of $db is done")
	  or diag_engine($node, $db);
}
is($node->safe_psql('west', "SELECT count(*), count(DISTINCT step) FROM effects WHERE id = 'act'"), '5|5', 'once each');
is(count_in_log($node, qr/WARNING:  durable found no free background worker/), 1, 'the log says it once a minute, not each time');

# The extension leaves a database: its scheduler's place serves the other's work
$node->safe_psql('east', 'DROP EXTENSION durable');
# (the other one's may be away as well, with nothing to do)
ok($node->poll_query_until('west', "SELECT ($free) <= 1"), 'a database without the extension needs none');
$node->safe_psql('west', "SELECT wf_start('one', '{\"n\": 9}', id => 'after')");
is(wait_result($node, 'west', 'after'), '10', 'and work goes on');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
