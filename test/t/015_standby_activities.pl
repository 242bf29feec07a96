# Activities over the promotion of a standby: queued functions and procedures in
# the middle, tasks in the hands of external workers, a backlog, limits and
# retries to come all go on there.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $primary = durable_node('primary', "durable.max_activity_workers = 2\n", init => [ allows_streaming => 1 ]);

create_database($primary, $db);
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# In the server: a function and a procedure in the middle, and one that waits
# for its next attempt
start_act($primary, $db, 'function', 'hold', input => "'{\"id\": \"function\"}'::jsonb", retry => "wf_retry(initial_interval => '50 ms')");
start_act($primary, $db, 'procedure', 'chunks', input => "'{\"id\": \"procedure\"}'::jsonb", retry => "wf_retry(initial_interval => '50 ms')");
ok($primary->poll_query_until($db, "SELECT count(*) = 2 FROM wf_activities WHERE state = 'started'
	HAVING (SELECT count(*) > 3 FROM effects WHERE id = 'procedure')"), 'a function and a procedure run');
# With external workers: one that will be back, one that will not, a failure
# that is to be tried again, tasks with priorities, and one that meets a limit
my $outside = "SELECT wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', ";
$primary->safe_psql($db, join(";\n",
	"$outside 'q1'), id => 'kept')",
	"$outside 'q2', 'heartbeat', '1.5 s', 'retry', wf_retry(initial_interval => '50 ms')), id => 'lost')",
	"$outside 'q3', 'retry', wf_retry(initial_interval => '2 s')), id => 'failed')",
	"SELECT wf_set_task_queue('q4', max_concurrent_per_key => 1)",
	"$outside 'q4'), id => 'key ' || n, fairness_key => 'key') FROM generate_series(1, 2) n",
	"$outside 'q5'), id => 'low ' || n, priority => 5) FROM generate_series(1, 3) n",
	"$outside 'q5'), id => 'high ' || n, priority => 1) FROM generate_series(1, 3) n"));
ok($primary->poll_query_until($db, "SELECT count(*) = 11 FROM wf_activities WHERE mode = 'external'"), 'external activities are scheduled');
my %token = map { $_ => $primary->safe_psql($db, "SELECT task_token FROM wf_poll_activities('$_', 10)") } qw(q1 q2 q3 q4);
$primary->safe_psql($db, "SELECT wf_heartbeat_activity('$token{q2}', '{\"at\": 5}')");
$primary->safe_psql($db, "SELECT wf_fail_activity('$token{q3}', 'busy', 'come again')");
# whatever may be lost in a crash is flushed by this
$primary->safe_psql($db, 'CREATE TABLE flush ()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));

# On the standby one can look
my $states = "SELECT workflow_id, state, attempt FROM wf_activities WHERE workflow_id !~ '^(low|high)' ORDER BY 1";
is($standby->safe_psql($db, $states), "failed|backoff|1\nfunction|started|1\nkept|started|1\nkey 1|started|1\nkey 2|limited|0\nlost|started|1\nprocedure|started|1",
	'wf_activities can be read on the standby');
is($standby->safe_psql($db, "SELECT depth, running FROM wf_task_queues WHERE task_queue = 'q5'"), '6|0', 'so can wf_task_queues');
is($standby->safe_psql($db, "SELECT outcome FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = 'failed'"), 'failed', 'and wf_attempts');
foreach my $call ("wf_poll_activities('q5')", "wf_listen('q5')", "wf_listen_workflow('kept')", "wf_complete_activity('$token{q1}')", "wf_heartbeat_activity('$token{q1}')")
{
	my ($rc, $out, $err) = $standby->psql($db, "SELECT $call");
	like($err, qr/ERROR:  cannot execute .* (in a read-only transaction|during recovery)/, $call =~ s/\(.*/() is refused as usual/r);
}
is($standby->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"), '0', 'no process is there');

# Promotion
kill_postmaster($primary);
$standby->promote;
ok($standby->poll_query_until($db, "SELECT count(*) = 2 FROM wf_activities WHERE mode = 'queued' AND state = 'started' AND attempt = 2"),
	'after promotion the function and the procedure are tried again') or diag_engine($standby, $db);
is(attempts_of($standby, $db, $_), "1|timed_out|worker_lost\n2|started|", "the worker of the $_ is known to be lost") foreach 'function', 'procedure';
$standby->safe_psql($db, "INSERT INTO gates VALUES ('gate')");
is(wait_result($standby, $db, 'function'), '2', 'the function ends');
is(wait_result($standby, $db, 'procedure'), '', 'so does the procedure');
is($standby->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'function'"), '1', 'the function took effect once');
is($standby->safe_psql($db, "SELECT count(*) = count(DISTINCT step), count(*) = max(step) + 1 FROM effects WHERE id = 'procedure'"),
	't|t', 'each chunk of the procedure is there once, none is missing');

# External workers come back, or do not
$standby->safe_psql($db, "SELECT wf_complete_activity('$token{q1}', '\"kept\"')");
is(wait_result($standby, $db, 'kept'), '"kept"', 'a task that a worker has taken before is completed there');
is($standby->safe_psql($db, "SELECT attempt, heartbeat_details FROM wf_poll_activities('q2', wait => '10 s')"), '2|{"at": 5}',
	'one whose worker is lost comes again, with the details of its heartbeat') or diag_engine($standby, $db);
my ($rc, $out, $err) = $standby->psql($db, "SELECT wf_complete_activity('$token{q2}')");
like($err, qr/no longer yours/, 'and is no longer the lost one\'s');
is($standby->safe_psql($db, "SELECT attempt FROM wf_poll_activities('q3', wait => '10 s')"), '2', 'a retry falls due');
is($standby->safe_psql($db, "SELECT count(*) FROM wf_poll_activities('q4', 10)"), '0', 'a limit holds');
$standby->safe_psql($db, "SELECT wf_complete_activity('$token{q4}')");
is($standby->safe_psql($db, "SELECT workflow_id FROM wf_poll_activities('q4', 10, wait => '10 s')"), 'key 2', 'until there is room');
is($standby->safe_psql($db, "SELECT string_agg(split_part(workflow_id, ' ', 1), ' ') FROM wf_poll_activities('q5', 10)"),
	'high high high low low low', 'the backlog comes by priority');
$standby->safe_psql($db, "SELECT wf_complete_activity_by_id(workflow_id, 'it') FROM wf_activities WHERE state = 'started'");
ok($standby->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'all workflows end') or diag_engine($standby, $db);
is($standby->safe_psql($db, "SELECT count(*) FROM durable.$_"), '0', "nothing is left in durable.$_") foreach 'activity', 'message';
is($standby->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');

unlike(log_since($standby), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$standby->stop('immediate');
done_testing();
