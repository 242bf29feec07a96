# Task queues over restarts: what is in them, its order, what counts as running,
# and what waits for a limit is all in the tables.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = durable_node('main', "autovacuum = off\ndurable.max_workers = 1\n");
my $db = 'app';

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE claims (n serial, queue text, activity text, workflow_id text, token text, attempt int);
-- what a worker does, with a note of the order in which it gets tasks
CREATE FUNCTION take(queue text, max int, wait interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
	WITH c AS (INSERT INTO claims (queue, activity, workflow_id, token, attempt)
		SELECT queue, activity, workflow_id, task_token, attempt FROM wf_poll_activities(queue, max, 'w', wait => wait) RETURNING *)
	SELECT coalesce(string_agg(workflow_id, ' ' ORDER BY n), '') FROM c
$$;
CREATE FUNCTION complete(id text) RETURNS void LANGUAGE sql AS $$
	SELECT wf_complete_activity((SELECT token FROM claims WHERE workflow_id = id ORDER BY n DESC LIMIT 1), to_jsonb(id))
$$;
CREATE FUNCTION task(queue text, id text, priority int DEFAULT 3, key text DEFAULT NULL, weight float8 DEFAULT 1, more jsonb DEFAULT '{}')
RETURNS uuid LANGUAGE sql AS $$
	SELECT wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', queue) || more, id => id,
		priority => priority, fairness_key => key, fairness_weight => weight)
$$;
-- one at a time, as the limit of its queue says
CREATE TABLE spans (id text, started timestamptz, ended timestamptz);
CREATE FUNCTION span(id text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
BEGIN
	PERFORM pg_sleep(0.15);
	INSERT INTO spans VALUES (id, started, clock_timestamp());
END $$;
SQL

sub sql { return $node->safe_psql($db, shift); }

sub queue_is
{
	my ($queue, $columns, $expected, $name) = @_;

	return is(sql("SELECT $columns FROM wf_task_queues WHERE task_queue = '$queue'"), $expected, $name);
}

# A backlog in the order of its start: low priority first, then two fairness
# keys weighted 2:1, one after the other, then high priority
sql(join ";\n",
	"SELECT count(task('mixed', 'low ' || n, 5)) FROM generate_series(1, 20) n",
	"SELECT count(task('mixed', 'b ' || n, 3, 'b', 1)) FROM generate_series(1, 250) n",
	"SELECT count(task('mixed', 'a ' || n, 3, 'a', 2)) FROM generate_series(1, 500) n",
	"SELECT count(task('mixed', 'high ' || n, 1)) FROM generate_series(1, 20) n");

# Three at a time; one of those will time out
sql("SELECT wf_set_task_queue('three', max_concurrent => 3)");
sql("SELECT task('three', 'three 1', more => '{\"start_to_close\": \"8 s\", \"retry\": {\"initial_interval\": \"10 ms\"}}')");
sql("SELECT task('three', 'three ' || n) FROM generate_series(2, 6) n");
# One at a time for each key: the others of a key are parked
sql("SELECT wf_set_task_queue('keyed', max_concurrent_per_key => 1)");
sql("SELECT task('keyed', 'x' || n, key => 'x') FROM generate_series(1, 5) n");
sql("SELECT task('keyed', 'y' || n, key => 'y') FROM generate_series(1, 2) n");
# Five a second for each key
sql("SELECT wf_set_task_queue('rated', per_key_rate_limit => 5)");
sql("SELECT task('rated', 'r' || n, key => 'r') FROM generate_series(1, 4) n");
# A queue of SQL activities in which all wait for their key's rate: nothing in it has a place
sql("SELECT wf_set_task_queue('parked', per_key_rate_limit => 1, mode => 'queued')");
sql("CREATE FUNCTION parks(n int) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RETURN wf_activity(''effect'', jsonb_build_object(''id'', ''parked'', ''step'', n), mode => ''queued'', task_queue => ''parked'', fairness_key => ''k''); END'");
sql("SELECT count(wf_start('parks', jsonb_build_object('n', n), id => 'parked ' || n)) FROM generate_series(1, 3) n");
ok($node->poll_query_until($db, "SELECT count(*) FILTER (WHERE state = 'limited') = 2 AND count(*) = 2 FROM wf_activities WHERE task_queue = 'parked'"), 'the others of a key are parked');
set_conf($node, 'durable.max_activity_workers = 0');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'activity worker'"), 'no worker is left');
# Queued activities, while no worker is there
set_conf($node, 'durable.max_activity_workers = 0');
sql("SELECT wf_set_task_queue(NULL, max_concurrent => 1, mode => 'queued')");
start_act($node, $db, "span $_", 'span', input => "'{\"id\": \"span $_\"}'::jsonb", retry => "wf_retry(initial_interval => '10 ms')") foreach 1 .. 4;

ok($node->poll_query_until($db, 'SELECT count(*) = 813 FROM durable.activity'), 'tasks are in their queues') or diag_engine($node, $db);
# What falls due while the server is down
sql(join ";\n",
	"SELECT task('due', 'not started', more => '{\"schedule_to_close\": \"2 s\"}')",
	"SELECT task('due', 'retried', more => '{\"retry\": {\"initial_interval\": \"1.8 s\"}}')");
is(sql("SELECT take('due', 1, '1 s'), take('due', 1, '1 s')"), 'not started|retried', 'two tasks start');
sql("SELECT wf_fail_activity(token) FROM claims WHERE workflow_id = 'retried'");
is(sql("SELECT take('three', 10)"), 'three 1 three 2 three 3', 'max_concurrent: three of six start');
is(sql("SELECT take('keyed', 10)"), 'x1 y1', 'max_concurrent_per_key: one of each key starts');
is(sql("SELECT take('rated', 10)"), 'r1', 'per_key_rate_limit: one starts');
sql("UPDATE claims SET queue = queue");		# whose commit flushes theirs

# Rows in the order of their runs: what runs is counted before what waits for it
sql('CLUSTER durable.activity USING activity_pkey');

# The server goes down, for two seconds
$node->stop('immediate');
sleep(2);
$node->start;
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_workers WHERE kind = 'scheduler'");
queue_is('mixed', 'depth, running', '790|0', 'the backlog is there');
queue_is('three', 'depth, running, max_concurrent', '3|3|3', 'what was started still runs');
queue_is('keyed', 'depth, running, limited', '0|2|5', 'and what waits for its key\'s limit is limited');
is(sql("SELECT string_agg(workflow_id, ' ' ORDER BY workflow_id) FROM wf_activities WHERE state = 'limited' AND task_queue = 'keyed'"),
	'x2 x3 x4 x5 y2', 'so says wf_activities');
like(wait_result($node, $db, 'not started'), qr/schedule_to_close/, 'a timeout that was over meanwhile');
is(sql("SELECT take('due', 10, '3 s')"), 'retried', 'a retry that fell due meanwhile');

# What runs counts as running
is(sql("SELECT take('three', 10)"), '', 'max_concurrent: nothing starts as long as three run');
sql("SELECT complete('three 2')");
is(wait_result($node, $db, 'three 2'), '"three 2"', 'a task started before the restart completes after it');
is(sql("SELECT take('three', 10)"), 'three 4', 'then another one starts');
is(sql("SELECT take('three', 10)"), '', 'and no more');
is(sql("SELECT take('three', 10, '10 s')"), 'three 5', 'one that times out makes room too');
sql("SELECT complete('three 3'), complete('three 4'), complete('three 5')");
is(join(' ', sort split / (?=three)/, sql("SELECT take('three', 10, '5 s')")), 'three 1 three 6', 'the others come at last');
is(sql("SELECT max(attempt) FROM claims WHERE workflow_id = 'three 1'"), '2', 'the one that timed out in its second attempt');
sql("SELECT complete('three 1'), complete('three 6')");

# Parked tasks go on when their key may
is(sql("SELECT take('keyed', 10)"), '', 'max_concurrent_per_key: nothing starts as long as one of each key runs');
sql("SELECT complete('x1')");
is(sql("SELECT take('keyed', 10)"), 'x2', 'one of the key starts when one has completed');
foreach my $n (2 .. 4)
{
	sql("SELECT complete('x$n')");
	is(sql("SELECT take('keyed', 10, '5 s')"), 'x' . ($n + 1), 'so it goes on');
}
sql("SELECT complete('x5'), complete('y1')");
is(sql("SELECT take('keyed', 10, '5 s')"), 'y2', 'for the other key too');
sql("SELECT complete('y2')");
queue_is('keyed', 'depth, running, limited', '0|0|0', 'nothing is left');
sql("SELECT complete('r1')");
foreach my $n (2 .. 4)
{
	is(sql("SELECT take('rated', 10, '5 s')"), "r$n", 'per_key_rate_limit: parked tasks come when their time has come');
	sql("SELECT complete('r$n')");
}

# The order of the backlog, over a second restart in the middle of it
is(sql("SELECT take('mixed', 100)") =~ s/ \d+//gr =~ s/(high )+/high /r =~ s/ .*//r, 'high', 'high priority comes first');
is(sql("SELECT count(*) FROM claims WHERE queue = 'mixed' AND workflow_id LIKE 'high %' AND n <= (SELECT min(n) + 19 FROM claims WHERE queue = 'mixed')"), '20', 'all of it');
$node->restart;
queue_is('mixed', 'depth, running', '690|100', 'the rest is there after another restart');
# a tenant that comes now, with a single task
sql("SELECT task('mixed', 'c', 3, 'c')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'c'"), 'another tenant comes');
sql("SELECT take('mixed', 70)") foreach 1 .. 10;
is(sql("SELECT count(*), count(DISTINCT workflow_id) FROM claims WHERE queue = 'mixed'"), '791|791', 'each is claimed once');
is( sql("SELECT string_agg(p, ' ' ORDER BY first) FROM (SELECT CASE WHEN workflow_id ~ '^[abc]' THEN 'middle' ELSE split_part(workflow_id, ' ', 1) END AS p,
		min(n) AS first, max(n) - min(n) + 1 AS span, count(*) AS count FROM claims WHERE queue = 'mixed' GROUP BY 1) c WHERE span = count"),
	'high middle low', 'by priority');
my $ahead = sql("SELECT count(*) FROM claims WHERE queue = 'mixed' AND n < (SELECT n FROM claims WHERE workflow_id = 'c')
	AND n > (SELECT min(n) + 99 FROM claims WHERE queue = 'mixed')");
cmp_ok($ahead, '<', 10, "the tenant that came with a single task waited for $ahead others of 690");
my $worst = sql("SELECT max(abs(a - total * 2 / 3.0) / total) FROM (SELECT count(*) FILTER (WHERE workflow_id LIKE 'a %') OVER w AS a, count(*) OVER w AS total
	FROM claims WHERE queue = 'mixed' AND workflow_id ~ '^[ab] ' WINDOW w AS (ORDER BY n)) s WHERE total > 200");
cmp_ok($worst, '<', 0.05, sprintf('keys weighted 2:1 were claimed 2:1, at any prefix of more than 200 within %.1f%%', $worst * 100));
sql("SELECT count(complete(workflow_id)) FROM claims WHERE queue = 'mixed'");
ok($node->poll_query_until($db, "SELECT count(*) = 791 FROM wf_executions WHERE workflow_id ~ '^(a|b|high|low) |^c' AND status = 'completed'"), 'all of them complete');

# Queued activities that wait for the rate of their key are found after a restart
ok(sql("SELECT count(*) = 2 FROM wf_activities WHERE task_queue = 'parked'"), 'parked tasks of a queue of SQL activities are there');
# Queued activities: the queue's limit holds over a crash
is(sql("SELECT depth, running FROM wf_task_queues WHERE mode = 'queued' AND task_queue IS NULL"), '4|0', 'queued activities wait as they did');
set_conf($node, 'durable.max_activity_workers = 3');
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE mode = 'queued' AND state = 'started'"), 'one of them runs');
kill_postmaster($node);
$node->start;
ok($node->poll_query_until($db, 'SELECT count(*) = 4 FROM spans'), 'all of them run after a crash') or diag_engine($node, $db);
ok($node->poll_query_until($db, "SELECT count(*) = 4 FROM wf_executions WHERE workflow_id LIKE 'span %' AND status = 'completed'"), 'and complete');
is(sql('SELECT count(*), count(DISTINCT id) FROM spans'), '4|4', 'each once');
ok($node->poll_query_until($db, "SELECT count(*) = 3 FROM wf_executions WHERE workflow_id LIKE 'parked %' AND status = 'completed'"), 'parked ones go on by themselves')
  or diag_engine($node, $db);
is(sql('SELECT count(*) FROM spans a JOIN spans b ON a.id < b.id AND a.started < b.ended AND b.started < a.ended'), '0', 'one at a time, as max_concurrent says');
is(sql("SELECT count(*) FROM wf_attempts WHERE failure->>'type' = 'worker_lost'"), '1', 'the one that was cut short is known');

sql("SELECT complete('retried')");
ok($node->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'nothing is left open') or diag_engine($node, $db);
is(sql("SELECT count(*) FROM durable.$_"), '0', "nothing is left in durable.$_") foreach 'activity', 'message';
# More queues than shared memory has room for: those of queued activities come first
sql("SELECT count(wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', 'crowd ' || i), id => 'crowd ' || i)) FROM generate_series(1, 2100) i");
ok($node->poll_query_until($db, 'SELECT count(*) = 2100 FROM wf_activities'), '2,100 task queues have a task each');
set_conf($node, 'durable.max_activity_workers = 0');
sql("CREATE FUNCTION one_of_many(q text) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RETURN wf_activity(''effect'', ''{\"id\": \"many\", \"step\": 1}'', mode => ''queued'', task_queue => q); END'");
sql("SELECT count(wf_start('one_of_many', jsonb_build_object('q', 'many ' || i), id => 'many ' || i)) FROM generate_series(1, 40) i");
ok($node->poll_query_until($db, 'SELECT count(*) = 2140 FROM wf_activities'), 'and so have 40 of activity workers');
set_conf($node, 'durable.max_activity_workers = 3');
$node->restart;
ok($node->poll_query_until($db, "SELECT count(*) = 40 FROM wf_executions WHERE workflow_id LIKE 'many %' AND status = 'completed'"),
	'which run, however many others there are') or diag_engine($node, $db);
is(sql("SELECT take('crowd ' || i, 1) FROM unnest('{1,1000,2100}'::int[]) i"), "crowd 1\ncrowd 1000\ncrowd 2100", 'and the others give their tasks to who asks');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('fast');
done_testing();
