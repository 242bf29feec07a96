# Background workers run workflows by themselves: they appear when there is
# something to do, in each database and for each role, and leave when there is
# not.  An idle engine issues no query.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = durable_node('main', "autovacuum = off\nmax_prepared_transactions = 2\n");
my $db = 'app';

create_database($node, $db);

# A start brings a worker, and the worker a result
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 41}', id => 'first')");
is(wait_result($node, $db, 'first'), '42', 'a worker runs what was started');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'first'"), '1', 'its step ran once');

# Who is there, and how it shows
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_workers WHERE kind = 'worker' AND state = 'idle'");
is( $node->safe_psql($db, "SELECT kind, database, role, state, turns > 0, last_turn_at IS NOT NULL
		FROM wf_workers WHERE database = '$db' ORDER BY kind"),
	"scheduler|$db||idle|f|f\nworker|$db|postgres|idle|t|t",
	'wf_workers has the scheduler and the worker')
  or diag_engine($node, $db);
is( $node->safe_psql($db, "SELECT backend_type, datname, CASE WHEN datname IS NOT NULL THEN application_name END, state
		FROM pg_stat_activity WHERE backend_type LIKE 'durable%' ORDER BY 1"),
	"durable launcher|||idle\ndurable scheduler|$db|durable scheduler|idle\ndurable worker|$db|durable worker|idle",
	'pg_stat_activity names all three, idle');
is( $node->safe_psql($db, "SELECT bool_and(wait_event_type IN ('Extension', 'Activity')) FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"),
	't', 'all three wait for something of ours');
is( $node->safe_psql($db, "SELECT bool_and(a.pid IS NOT NULL) FROM wf_workers w LEFT JOIN pg_stat_activity a USING (pid)"),
	't', 'pids of wf_workers are those of pg_stat_activity');

# While it works, a worker is busy.  An operator ends one: the step is undone,
# and another worker does it again
$node->safe_psql($db, "SELECT wf_start('plod', '{\"seconds\": 1}', id => 'busy')");
my $busy = "FROM wf_workers w JOIN pg_stat_activity a USING (pid) WHERE w.kind = 'worker' AND w.state = 'busy' AND a.state = 'active'";
ok($node->poll_query_until($db, "SELECT count(*) = 1 $busy AND wait_event = 'PgSleep'"), 'a busy worker shows as busy and active');
is($node->safe_psql($db, "SELECT pg_terminate_backend(pid, 5000) $busy"), 't', 'it is terminated');
is(wait_result($node, $db, 'busy'), '"done"', 'another one does its work');
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'slow'"), '1', 'and the step took effect once');

# LISTEN/NOTIFY
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION publish() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_set('stage', '"half"');
	PERFORM wf_wait_signal('on');
	RETURN 'published';
END $$;
SQL
my $listener = $node->background_psql($db);
my $heard = '';
sub hears
{
	my ($pattern) = @_;

	return until_true(sub {
		$heard .= $listener->query_safe('SELECT 1');
		return $heard =~ $pattern; });
}
$listener->query_safe("SELECT wf_listen_workflow('told')");
my $run = $node->safe_psql($db, "SELECT wf_start('publish', id => 'told')");
ok(hears(qr/Asynchronous notification "wf_\w+" with payload.*"$run".*"running"/), 'a listener hears of published state');
$heard = '';
$node->safe_psql($db, "SELECT wf_signal('told', 'on')");
ok(hears(qr/Asynchronous notification "wf_\w+" with payload.*"$run".*"completed"/), 'and of the end')
  or diag($heard);
$listener->quit;

# A worker that LISTENs would keep the notifications of the whole cluster
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION listen() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_listen('q'); RETURN 'listens'; END $$;
CREATE FUNCTION has_listen(mode text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('listen', mode => mode, retry => wf_retry(max_attempts => 1)); EXCEPTION WHEN SQLSTATE 'WF001' THEN RETURN to_jsonb(SQLERRM); END $$;
SQL
foreach my $mode ('inline', 'queued')
{
	$node->safe_psql($db, "SELECT wf_start('has_listen', '{\"mode\": \"$mode\"}', id => 'listens $mode')");
	is(wait_result($node, $db, "listens $mode"), '"cannot execute wf_listen() within a background process"', "an activity of a worker cannot LISTEN, $mode");
}

# Timers fire by themselves, signals wake
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 0.3}', id => 'nap')");
is(wait_result($node, $db, 'nap'), '"awake"', 'a timer fires by itself');
is( $node->safe_psql($db, "SELECT string_agg(step::text, ',' ORDER BY at),
		max(at) - min(at) BETWEEN '0.3 s' AND '5 s' FROM effects WHERE id = 'nap'"),
	'1,2|t', 'not early, not much later');
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 3600}', id => 'long nap')");
$node->safe_psql($db, "SELECT wf_start('nap', '{\"seconds\": 0.2}', id => 'short nap')");
is(wait_result($node, $db, 'short nap'), '"awake"', 'a timer that is due before the others wakes the scheduler');
$node->safe_psql($db, "SELECT wf_start('ask', id => 'ask')");
ok($node->poll_query_until($db, "SELECT waiting_for IS NOT NULL FROM wf_executions WHERE workflow_id = 'ask'"), 'a run waits for a signal');
$node->safe_psql($db, "SELECT wf_signal('ask', 'answer', '{\"yes\": 1}')");
is(wait_result($node, $db, 'ask'), '{"yes": 1}', 'a signal wakes it');

# A start is seen at COMMIT, and a rolled back one never was
$node->safe_psql($db, "BEGIN; SELECT wf_start('one', '{\"n\": 1}', id => 'undone'); ROLLBACK");
is(status_of($node, $db, 'undone'), '', 'a start that is rolled back leaves nothing');
$node->safe_psql($db, "BEGIN; SELECT wf_start('one', '{\"n\": 1}', id => 'prepared'); PREPARE TRANSACTION 'p'");
$node->safe_psql($db, "COMMIT PREPARED 'p'");
is(wait_result($node, $db, 'prepared'), '2', 'a start by a prepared transaction is seen at COMMIT PREPARED');

# Delays and timeouts
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'delayed', start_delay => '0.5 s')");
is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = 'delayed'"), '0', 'start_delay: not at once');
is(wait_result($node, $db, 'delayed'), '2', 'start_delay: but then');
is( $node->safe_psql($db, "SELECT e.at - x.started_at >= '0.5 s' FROM effects e JOIN wf_executions x ON x.workflow_id = e.id WHERE id = 'delayed'"),
	't', 'start_delay: not early');
$node->safe_psql($db, "SELECT wf_start('ask', id => 'run_timeout', run_timeout => '0.3 s'),
	wf_start('ask', id => 'execution_timeout', execution_timeout => '0.3 s')");
foreach my $id ('run_timeout', 'execution_timeout')
{
	like(wait_result($node, $db, $id), qr/timed out/, "$id: wf_result tells");
	is(status_of($node, $db, $id), 'timed_out', "$id: the status");
}

# Activity retry: a sequence counts the attempts, as it is not rolled back
$node->safe_psql($db, <<'SQL');
CREATE SEQUENCE attempts;
CREATE FUNCTION flaky() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('attempts') < 3 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	INSERT INTO effects VALUES ('flaky', 1);
	RETURN 'at last';
END $$;
CREATE FUNCTION insist() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('flaky', retry => wf_retry(max_attempts => 5, initial_interval => '50 ms'));
END $$;
SELECT wf_start('insist', id => 'insist');
SQL
is(wait_result($node, $db, 'insist'), '"at last"', 'an activity is retried');
is($node->safe_psql($db, "SELECT last_value, (SELECT count(*) FROM effects WHERE id = 'flaky') FROM attempts"),
	'3|1', 'as often as needed, and its effect is there once');

# Several databases, each with processes of its own
create_database($node, 'app2');
create_database($node, 'app3');
$node->safe_psql($_, "SELECT wf_start('one', '{\"n\": 1}', id => 'here')") foreach 'app2', 'app3';
is(wait_result($node, $_, 'here'), '2', "runs in $_") foreach 'app2', 'app3';
is( $node->safe_psql($db, "SELECT string_agg(database, ',' ORDER BY database) FROM wf_workers WHERE kind = 'scheduler'"),
	'app,app2,app3', 'a scheduler for each database, and none where the extension is not');

# Several roles: steps run as the role that started the workflow
$node->safe_psql($db, <<'SQL');
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO alice, bob;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT session_user || ''/'' || current_user';
CREATE FUNCTION whoami() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('who'); END $$;
SQL
foreach my $role ('alice', 'bob')
{
	$node->safe_psql($db, "SELECT wf_start('whoami', id => 'who $role')", extra_params => [ '-U', $role ]);
	is(wait_result($node, $db, "who $role", undef, extra_params => [ '-U', $role ]), "\"$role/$role\"", "$role is $role");
	ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_workers WHERE role::text = '$role'"), "$role has a worker");
}
is($node->safe_psql($db, 'SELECT count(*) FROM wf_executions', extra_params => [ '-U', 'alice' ]), '1',
	'a role sees its own runs only');

# SIGHUP: no workers, and workers again
$node->append_conf('postgresql.conf', 'durable.max_workers = 0');
$node->reload;
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'max_workers = 0: the workers leave');
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'halted')");
is($node->safe_psql($db, "SELECT why ~ 'durable.max_workers is 0' FROM wf_stuck WHERE workflow_id = 'halted'"), 't', 'wf_stuck tells why nothing runs');
$node->append_conf('postgresql.conf', 'durable.max_workers = 4');
$node->reload;
is(wait_result($node, $db, 'halted'), '2', 'max_workers = 4: work goes on');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');

# Idle workers leave
$node->append_conf('postgresql.conf', "durable.worker_idle_timeout = 100");
$node->reload;
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'last')");
is(wait_result($node, $db, 'last'), '2', 'a run with a short idle timeout');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'idle workers leave');
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 2}', id => 'after')");
is(wait_result($node, $db, 'after'), '3', 'and come back');
for my $i (1 .. 20)
{
	# starts that meet a worker on its way out
	$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": $i}', id => 'edge $i')");
	usleep(95_000 + $i * 1000);
}
is(wait_result($node, $db, "edge $_"), $_ + 1, "start $_ around a worker's exit") foreach 1, 20;
ok($node->poll_query_until($db, "SELECT count(*) = 20 FROM wf_executions WHERE workflow_id LIKE 'edge %' AND status = 'completed'"), 'all of those finish');

# An idle engine does nothing: no transaction, no statement, no CPU time
$node->safe_psql($db, "SELECT wf_start('ask', id => 'idle ask'), wf_start('nap', '{\"seconds\": 7200}', id => 'idle nap')");
ok($node->poll_query_until($db, "SELECT count(*) = 2 FROM wf_executions WHERE workflow_id LIKE 'idle %' AND waiting_for IS NOT NULL"), 'runs wait');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'for hours, so the worker leaves');
my $seen = "SELECT (SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database WHERE datname = '$db'),
	string_agg(concat_ws(' ', pid, backend_type, backend_start, xact_start, query_start, state_change), E'\n' ORDER BY pid)
	FROM pg_stat_activity WHERE backend_type LIKE 'durable%'";
sub cpu
{
	my $ticks = 0;

	foreach my $pid (split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"))
	{
		my @fields = split / /, (slurp_file("/proc/$pid/stat") =~ s/.*\) //sr);
		$ticks += $fields[11] + $fields[12];
	}
	return $ticks;
}
# the sessions above report their statistics as they end, and the patrol looks once more
ok(until_true(sub { my $before = $node->safe_psql('postgres', $seen); usleep(700_000); $before eq $node->safe_psql('postgres', $seen) }),
	'the engine comes to rest');
my ($before, $ticks) = ($node->safe_psql('postgres', $seen), cpu());
sleep(2);
is($node->safe_psql('postgres', $seen), $before, 'an idle engine issues no query');
cmp_ok(cpu() - $ticks, '<=', 1, 'and uses no CPU');
$node->safe_psql($db, "SELECT wf_signal('idle ask', 'answer', '1')");
is(wait_result($node, $db, 'idle ask'), '1', 'and is there when called');

# One worker for many roles: a backlog of one does not starve the others.  The
# backlog alone would take longer than the test may wait.
$node->safe_psql($db, <<'SQL');
DO $$ BEGIN FOR i IN 1..8 LOOP EXECUTE format('CREATE ROLE tenant%s LOGIN', i); END LOOP; END $$;
CREATE FUNCTION chew() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('slow', '{"seconds": 0.02, "step": 1}');
	RETURN 'chewed';
END $$;
SQL
$node->append_conf('postgresql.conf', "durable.max_workers = 1\ndurable.worker_idle_timeout = '60 s'");
$node->reload;
my $chewed = "(SELECT count(*) FROM effects WHERE id = 'slow')";
$node->safe_psql($db, 'TRUNCATE effects');
$node->safe_psql($db, "SELECT count(wf_start('chew')) FROM generate_series(1, 5000)", extra_params => [ '-U', 'alice' ]);
ok($node->poll_query_until($db, "SELECT $chewed > 0"), 'a backlog is being worked on');
$node->safe_psql($db, "SELECT count(wf_start('one', jsonb_build_object('n', n), id => current_user || ' ' || n)) FROM generate_series(1, 5) n",
	extra_params => [ '-U', "tenant$_" ]) foreach 1 .. 8;
ok($node->poll_query_until($db, "SELECT count(*) = 40 FROM wf_executions WHERE owner::text LIKE 'tenant%' AND status = 'completed'"),
	'eight other roles are served by the one worker allowed')
  or diag_engine($node, $db);
cmp_ok($node->safe_psql($db, "SELECT $chewed"), '<', 5000, 'before the backlog is done');
my $so_far = $node->safe_psql($db, "SELECT $chewed");
ok($node->poll_query_until($db, "SELECT $chewed > $so_far"), 'and the backlog goes on') or diag_engine($node, $db);
cmp_ok($node->safe_psql($db, "SELECT count(*) FROM wf_workers WHERE kind = 'worker'"), '<=', 1, 'with one worker at a time');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
