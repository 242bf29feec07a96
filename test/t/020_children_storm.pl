# Children under SIGKILL: while parents start children, wait for them together,
# signal each other and are terminated, the postmaster is killed again and
# again.  In the end every child of every parent has done its step once, each
# parent knows each result, and nothing is left.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = $ENV{DURABLE_KILLS} || 6;
my $parents = 20 * $kills;
my $children = 50;
my $seed = $ENV{DURABLE_SEED} || 20261121;
my $db = 'family';

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', <<'CONF');
durable.max_workers = 3
max_connections = 30
CONF
create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE effect (parent text, child text, n int);
CREATE FUNCTION leave(parent text, child text, n int) RETURNS void LANGUAGE sql AS 'INSERT INTO effect VALUES ($1, $2, $3)';
-- leaves its mark before or after a sleep, tells its parent, and fails if its number says so
CREATE FUNCTION kid(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	mark jsonb := jsonb_build_object('parent', wf_info()->>'parent_workflow_id', 'child', wf_info()->>'workflow_id', 'n', n);
BEGIN
	IF n % 5 = 0 THEN PERFORM wf_sleep('0.2 sec'); END IF;
	PERFORM wf_activity('leave', mark);
	IF n % 7 = 0 THEN PERFORM wf_signal_external(wf_info()->>'parent_workflow_id', 'kid', to_jsonb(n)); END IF;
	IF n % 11 = 0 THEN RAISE EXCEPTION 'failed %', n; END IF;
	RETURN n;
END $$;
CREATE FUNCTION parent(count int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	h wf_handle[];
	r jsonb[];
	heard int := 0;
BEGIN
	FOR i IN 1..count LOOP h := h || wf_start_child('kid', jsonb_build_object('n', i)); END LOOP;
	r := wf_await_all(h, settle => true);
	WHILE wf_poll_signal('kid') IS NOT NULL LOOP heard := heard + 1; END LOOP;
	RETURN jsonb_build_object('sum', (SELECT sum(x::int) FROM unnest(r) x), 'heard', heard);
END $$;
-- is terminated with children and grandchildren that wait
CREATE FUNCTION doomed(depth int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF depth = 0 THEN RETURN wf_wait_signal('never'); END IF;
	PERFORM wf_start_child('doomed', jsonb_build_object('depth', depth - 1)) FROM generate_series(1, 3);
	RETURN wf_wait_signal('never');
END $$;
SQL

my $open = 0;
for my $kill (1 .. $kills)
{
	$node->safe_psql($db, "SELECT count(wf_start('parent', '{\"count\": $children}', id => 'p$kill-' || n)) FROM generate_series(1, $parents / $kills) n");
	$node->safe_psql($db, "SELECT wf_start('doomed', '{\"depth\": 3}', id => 'd$kill')");
	usleep(rand(200_000));
	$node->safe_psql($db, "SELECT wf_terminate('d$kill')") if rand() < 0.7;
	$open += $node->safe_psql($db, "SELECT count(*) FROM durable.execution");
	kill_postmaster($node);
	$node->start;
}
$node->safe_psql($db, "SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE workflow_id LIKE 'd_' AND status = 'running'");
note("$open runs were open when the server was killed");
ok(until_true(sub { $node->safe_psql($db, "SELECT NOT EXISTS (SELECT 1 FROM durable.execution)") eq 't' }), 'all runs have ended')
  or diag($node->safe_psql($db, "SELECT workflow, waiting_for, turn_failures, count(*) FROM durable.execution GROUP BY 1, 2, 3"));

my $sum = 0;
$sum += $_ % 11 ? $_ : 0 for 1 .. $children;
is($node->safe_psql($db, "SELECT result, count(*) FROM wf_executions WHERE workflow_id LIKE 'p%' GROUP BY 1"),
	"{\"sum\": $sum, \"heard\": " . int($children / 7) . "}|$parents", 'each parent has every result and every signal once');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT (parent, n)), count(DISTINCT child) FROM effect"),
	join('|', ($parents * $children) x 3), 'each child has done its step once');
is($node->safe_psql($db, "SELECT status, count(*) FROM wf_executions WHERE workflow = 'kid' GROUP BY 1 ORDER BY 1"),
	'completed|' . $parents * ($children - int($children / 11)) . "\nfailed|" . $parents * int($children / 11), 'children ended as they should');
is($node->safe_psql($db, "SELECT count(*) FROM wf_executions WHERE workflow = 'doomed' AND status <> 'terminated'"), '0',
	'children of terminated parents are terminated');
is($node->safe_psql($db, "SELECT (SELECT count(*) FROM durable.message) + (SELECT count(*) FROM durable.timer)"), '0', 'nothing is left');
is($node->safe_psql($db, "SELECT count(*) FROM wf_stuck"), '0', 'nothing is stuck');
$node->stop;
done_testing();
