# Queued activities are run by activity workers: functions with their
# completion in one commit, procedures in many.  Several run at once, none holds
# up another, and whatever happens to one of them is noticed at once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = durable_node('main', "autovacuum = off\ndurable.max_activity_workers = 3\n");
my $db = 'app';
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable activity worker'";
my $asleep = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable activity worker' AND wait_event = 'PgSleep'";

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE stamps (id text, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION stamp(id text) RETURNS text LANGUAGE sql AS 'INSERT INTO stamps VALUES ($1) RETURNING $1';
-- sleeps in its first attempts
CREATE FUNCTION doze(id text, attempts int DEFAULT 1, seconds float8 DEFAULT 60) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES (id, (wf_activity_info()->>'attempt')::int);
	IF (wf_activity_info()->>'attempt')::int <= attempts THEN
		PERFORM pg_sleep(seconds);
	END IF;
	RETURN wf_activity_info()->>'attempt';
END $$;
-- never quick
CREATE FUNCTION stuck(id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES (id, 1);
	PERFORM pg_sleep(60);
END $$;
-- quick, but for one
CREATE FUNCTION mostly_quick(n int, slow int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES ('mostly quick', n);
	IF n = slow THEN
		PERFORM hold('slow', 'slow');
	END IF;
	RETURN n;
END $$;
-- cleans up when it is told to cancel itself
CREATE PROCEDURE tidy(id text) LANGUAGE plpgsql AS $$
DECLARE
	stop boolean := false;
BEGIN
	LOOP
		INSERT INTO effects VALUES (id, 1);
		BEGIN
			PERFORM wf_heartbeat();
		EXCEPTION WHEN SQLSTATE 'WF003' THEN
			stop := true;
		END;
		EXIT WHEN stop;
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
	DELETE FROM effects e WHERE e.id = tidy.id;
	INSERT INTO effects VALUES (id, CASE WHEN wf_activity_cancelled() THEN -1 ELSE -2 END);
	COMMIT;
	RAISE SQLSTATE 'WF003' USING MESSAGE = 'tidied up';
END $$;
SQL

sub open_gate
{
	my ($gate) = @_;

	return $node->safe_psql($db, "INSERT INTO gates VALUES ('$gate')");
}

# A function and a procedure
start_act($node, $db, 'function', 'stamp', input => "'{\"id\": \"function\"}'::jsonb");
is(wait_result($node, $db, 'function'), '"function"', 'an activity worker runs a queued function');
open_gate('procedure');
start_act($node, $db, 'procedure', 'chunks', input => "'{\"id\": \"procedure\", \"gate\": \"procedure\"}'::jsonb");
is(wait_result($node, $db, 'procedure'), '', 'and a procedure');
is($node->safe_psql($db, "SELECT string_agg(step::text, ',' ORDER BY at) FROM effects WHERE id = 'procedure'"), '1,0', 'all of it');
is(attempts_of($node, $db, $_), '1|completed|', "one attempt of the $_") foreach 'function', 'procedure';
is( $node->safe_psql($db, "SELECT count(*) FROM wf_attempts WHERE worker ~ '^activity worker [0-9]+\$'"),
	'2', 'which tells who ran it');
is( $node->safe_psql($db, "SELECT DISTINCT kind, role FROM wf_workers WHERE kind LIKE 'activity%'"),
	'activity_worker|postgres', 'wf_workers has the activity worker');

# Effect and completion are one commit.  No worker takes the completion out of
# the mailbox.  The first activity of a worker runs alone, the others in a batch.
set_conf($node, 'durable.max_activity_workers = 0');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM ($workers) n WHERE count > 0"), 'max_activity_workers = 0: activity workers leave');
my @ids = map { "stamp $_" } 1 .. 5;
start_act($node, $db, $_, 'stamp', input => "'{\"id\": \"$_\"}'::jsonb") foreach @ids;
ok($node->poll_query_until($db, "SELECT count(*) = 5 FROM wf_activities WHERE mode = 'queued' AND state = 'scheduled'"), 'activities wait');
is($node->safe_psql($db, 'SELECT task_queue, mode, depth, running FROM wf_task_queues'), '|queued|5|0', 'wf_task_queues has them');
is($node->safe_psql($db, "SELECT count(*) FROM stamps WHERE id LIKE 'stamp%'"), '0', 'and nothing runs');
set_conf($node, 'durable.max_workers = 0');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'the workers leave');
set_conf($node, 'durable.max_activity_workers = 3');
ok($node->poll_query_until($db, 'SELECT count(*) = 5 FROM durable.message'), 'activities end where there are activity workers again')
  or diag_engine($node, $db);
is( $node->safe_psql($db, "SELECT count(DISTINCT s.id) FROM stamps s JOIN wf_executions e ON e.workflow_id = s.id
		JOIN durable.message m ON m.run_id = e.run_id AND m.xmin = s.xid::xid WHERE s.id LIKE 'stamp%'"),
	'5', 'effect and completion of each are of one transaction')
  or diag($node->safe_psql($db, 'SELECT id, s.xid, m.xmin FROM stamps s JOIN wf_executions ON workflow_id = id LEFT JOIN durable.message m USING (run_id)'));
is($node->safe_psql($db, 'SELECT count(*) FROM durable.activity'), '0', 'which also deleted their rows');
set_conf($node, 'durable.max_workers = 4');
is(wait_result($node, $db, $_), "\"$_\"", "$_ ends") foreach @ids;

# Several at once, and workflows go on meanwhile
start_act($node, $db, "hold $_", 'hold', input => "'{\"id\": \"hold $_\"}'::jsonb") foreach 1 .. 5;
ok($node->poll_query_until($db, "SELECT count(*) = 3 FROM wf_activities WHERE state = 'started'"), 'three run at once')
  or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT state, count(*) FROM wf_activities GROUP BY 1 ORDER BY 1"), "scheduled|2\nstarted|3", 'and two wait');
is($node->safe_psql($db, 'SELECT depth, running FROM wf_task_queues'), '2|3', 'so says wf_task_queues');
is($node->safe_psql($db, $workers), '3', 'as many activity workers as durable.max_activity_workers');
is($node->safe_psql($db, "SELECT count(*) FROM wf_attempts WHERE outcome = 'started' AND duration IS NULL"), '3', 'wf_attempts has attempts that run');
$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'meanwhile')");
is(wait_result($node, $db, 'meanwhile'), '2', 'workflows go on meanwhile');
open_gate('gate');
is(wait_result($node, $db, "hold $_"), '1', "hold $_ ends") foreach 1 .. 5;
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT id) FROM effects WHERE id LIKE 'hold%'"), '5|5', 'each took effect once');

# A slow one holds up neither those behind it nor those in a batch with it
$node->safe_psql($db, "SELECT count(wf_start('act', jsonb_build_object('activity', 'mostly_quick', 'input', jsonb_build_object('n', n, 'slow', 0)))) FROM generate_series(1, 20) n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM durable.execution"), 'a function is known to be quick');
$node->safe_psql($db, "TRUNCATE effects; SELECT count(wf_start('act', jsonb_build_object('activity', 'mostly_quick', 'input', jsonb_build_object('n', n, 'slow', 5)),
	id => 'quick ' || n)) FROM generate_series(1, 30) n");
ok($node->poll_query_until($db, "SELECT count(*) = 29 FROM wf_executions WHERE workflow_id LIKE 'quick %' AND status = 'completed'"),
	'29 quick ones end while one is slow') or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT workflow_id, state FROM wf_activities"), 'quick 5|started', 'which runs');
open_gate('slow');
is(wait_result($node, $db, 'quick 5'), '5', 'the slow one ends too');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT step) FROM effects WHERE id = 'mostly quick'"), '30|30', 'each took effect once');

# Several of a batch meet locks: one runs alone, and the others do not count as
# begun while it waits
$node->safe_psql($db, <<'SQL');
CREATE TABLE counters (i int PRIMARY KEY, n int DEFAULT 0);
INSERT INTO counters SELECT generate_series(0, 3);
CREATE FUNCTION bump(i int) RETURNS int LANGUAGE sql AS 'UPDATE counters c SET n = n + 1 WHERE c.i = bump.i RETURNING n';
CREATE FUNCTION bump_all(first int, last int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_map('bump', (SELECT jsonb_agg(jsonb_build_object('i', i % 4)) FROM generate_series(first, last) i), mode => 'queued',
		retry => wf_retry(max_attempts => 1));
END $$;
SQL
set_conf($node, "durable.batch_time = 200\ndurable.max_activity_workers = 1");
$node->safe_psql($db, "SELECT wf_start('bump_all', jsonb_build_object('first', 0, 'last', 0), id => 'warm ' || i) FROM generate_series(1, 9) i");
like(wait_result($node, $db, "warm $_"), qr/\d/, 'warm') foreach 1 .. 9;
my $locker = $node->background_psql($db);
$locker->query_safe('BEGIN; SELECT FROM counters WHERE i > 0 FOR UPDATE');
$node->safe_psql($db, "SELECT wf_start('bump_all', '{\"first\": 1, \"last\": 3}', id => 'locked')");
ok($node->poll_query_until($db, "SELECT count(*) >= 1 FROM wf_activities WHERE workflow_id = 'locked' AND state = 'started'"), 'one has begun');
is($node->safe_psql($db, "SELECT max(n) FROM (SELECT count(*) n FROM wf_activities WHERE state = 'started' GROUP BY worker) s"),
	'1', 'and no worker has begun two');
# has the scheduler look whether attempts are still in somebody's hands
$node->psql($db, 'ALTER EXTENSION durable UPDATE');
$locker->query_safe('COMMIT');
$locker->quit;
is(wait_result($node, $db, 'locked'), '[1, 1, 1]', 'each is run once');
set_conf($node, "durable.batch_time = 10\ndurable.max_activity_workers = 3");

# What a session ran before a crash is lost, though another one has its pid
set_conf($node, 'durable.max_activity_workers = 0');
my $namesake = $node->background_psql($db);
my $pid = $namesake->query_safe('SELECT pg_backend_pid()');
start_act($node, $db, 'namesake', 'stamp', input => "'{\"id\": \"namesake\"}'::jsonb", retry => 'wf_retry(max_attempts => 1)');
$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'namesake'");
$node->safe_psql($db, "UPDATE durable.activity SET place = NULL, lease = 1, attempt = 1, worker = 'session $pid', started_at = pg_postmaster_start_time() - interval '1 minute'
	WHERE run_id = (SELECT run_id FROM wf_executions WHERE workflow_id = 'namesake')");
$node->psql($db, 'ALTER EXTENSION durable UPDATE');
like(wait_result($node, $db, 'namesake'), qr/worker_lost/, 'an attempt is not kept by a session that has the pid of one before the crash');
$namesake->quit;
set_conf($node, 'durable.max_activity_workers = 3');

# More tasks than workers: when the last is done, workers stay for the next
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION burst() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_map('slow', (SELECT jsonb_agg(jsonb_build_object('seconds', 0.02, 'step', i)) FROM generate_series(1, 12) i), mode => 'queued');
END $$;
SQL
foreach my $i (1 .. 8)
{
	$node->safe_psql($db, "SELECT wf_start('burst', id => 'burst $i')");
	wait_result($node, $db, "burst $i");
}
cmp_ok($node->safe_psql($db, "SELECT count(DISTINCT attributes->>'worker') FROM wf_executions e, wf_history(e.workflow_id) h WHERE workflow_id LIKE 'burst %' AND event_type = 'activity_completed'"),
	'<=', 8, 'no worker is started for each burst');

# start_to_close cancels the statement
start_act($node, $db, 'late', 'doze', input => "'{\"id\": \"late\"}'::jsonb", start_to_close => "'0.4 s'",
	retry => "wf_retry(initial_interval => '50 ms')");
is(wait_result($node, $db, 'late', '10 s'), '2', 'start_to_close: the statement is cancelled and another attempt made')
  or diag_engine($node, $db);
is(attempts_of($node, $db, 'late'), "1|timed_out|start_to_close\n2|completed|", 'wf_attempts tells');
is( $node->safe_psql($db, "SELECT a.duration BETWEEN '0.4 s' AND '1.4 s' FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = 'late' AND a.attempt = 1"),
	't', 'when it was due');
is($node->safe_psql($db, "SELECT string_agg(step::text, ',') FROM effects WHERE id = 'late'"), '2', 'what the first attempt did is undone');
is($node->safe_psql($db, $asleep), '0', 'nothing goes on of it');
start_act($node, $db, 'too late', 'doze', input => "'{\"id\": \"too late\", \"attempts\": 9}'::jsonb", start_to_close => "'0.2 s'",
	retry => "wf_retry(max_attempts => 2, initial_interval => '50 ms')");
like(wait_result($node, $db, 'too late', '10 s'), qr/start_to_close/, 'when the attempts are used up the workflow is told');
is(attempts_of($node, $db, 'too late'), "1|timed_out|start_to_close\n2|timed_out|start_to_close", 'after two of them');
is($node->safe_psql($db, "SELECT (error->>'sqlstate') FROM wf_executions WHERE workflow_id = 'too late'"), 'WF002', 'by WF002');
start_act($node, $db, 'never', 'doze', input => "'{\"id\": \"never\", \"attempts\": 9}'::jsonb", schedule_to_close => "'0.5 s'");
like(wait_result($node, $db, 'never', '10 s'), qr/schedule_to_close/, 'schedule_to_close cancels it too, for good');
is(attempts_of($node, $db, 'never'), '1|timed_out|schedule_to_close', 'without another attempt');

# A cancellation of the workflow
foreach my $cancellation ('try_cancel', 'wait')
{
	my $id = "cancelled by $cancellation";

	start_act($node, $db, $id, 'stuck', input => "'{\"id\": \"$id\"}'::jsonb", cancellation => "'$cancellation'");
	ok($node->poll_query_until($db, "SELECT ($asleep) = 1"), "$cancellation: a function sleeps");
	my $took = elapsed(sub {
		$node->safe_psql($db, "SELECT wf_cancel('$id')");
		ok($node->poll_query_until($db, "SELECT ($asleep) = 0"), 'and is interrupted by a cancellation'); });
	cmp_ok($took, '<', 1, sprintf('within a second (%.2f s)', $took))
	  or diag($node->safe_psql($db, "SELECT event_type, at FROM wf_history('$id')"));
	like(wait_result($node, $db, $id), qr/cancell?ed/, 'the workflow ends');
	is(status_of($node, $db, $id), 'cancelled', 'as cancelled');
	is($node->safe_psql($db, "SELECT count(*) FROM effects WHERE id = '$id'"), '0', 'what the function did is undone');
	is(attempts_of($node, $db, $id), '1|canceled|', 'wf_attempts has the attempt') if $cancellation eq 'wait';
}
my $beats = "SELECT count(*) > 3 FROM effects WHERE id = 'tidy'";
start_act($node, $db, 'tidy', 'tidy', input => "'{\"id\": \"tidy\"}'::jsonb", cancellation => "'wait'");
ok($node->poll_query_until($db, $beats), 'a procedure has heartbeats');
my $took = elapsed(sub {
	$node->safe_psql($db, "SELECT wf_cancel('tidy')");
	like(wait_result($node, $db, 'tidy'), qr/cancell?ed/, 'its workflow is cancelled'); });
cmp_ok($took, '<', 1, sprintf('within a second (%.2f s)', $took));
is($node->safe_psql($db, "SELECT step FROM effects WHERE id = 'tidy'"), '-1', 'the procedure got WF003 in wf_heartbeat() and cleaned up');
is(attempts_of($node, $db, 'tidy'), '1|canceled|', 'wf_attempts has the attempt');
start_act($node, $db, 'stopped', 'chunks', input => "'{\"id\": \"stopped\", \"gate\": \"never\"}'::jsonb");
ok($node->poll_query_until($db, "SELECT count(*) > 3 FROM effects WHERE id = 'stopped'"), 'another procedure has heartbeats');
$took = elapsed(sub {
	$node->safe_psql($db, "SELECT wf_terminate('stopped')");
	ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'activity worker' AND state = 'busy'"), 'a terminated workflow stops it'); });
cmp_ok($took, '<', 1, sprintf('within a second (%.2f s)', $took));
is($node->safe_psql($db, "SELECT count(*) FROM durable.activity"), '0', 'nothing is left of it');

# A worker is ended by an operator in the middle
foreach my $activity ('hold', 'chunks')
{
	my $id = "$activity lost";
	start_act($node, $db, $id, $activity, input => "'{\"id\": \"$id\", \"gate\": \"$id\"}'::jsonb", retry => "wf_retry(initial_interval => '50 ms')");
	ok($node->poll_query_until($db, "SELECT ($asleep) = 1" . ($activity eq 'chunks' ? " AND (SELECT count(*) > 3 FROM effects WHERE id = '$id')" : '')),
		"$activity runs");
	$took = elapsed(sub {
		$node->safe_psql($db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'durable activity worker' AND wait_event = 'PgSleep'");
		ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_attempts a WHERE outcome = 'timed_out' AND failure->>'type' = 'worker_lost' AND activity = '$activity'"),
			'its worker is terminated: that is noticed') or diag_engine($node, $db); });
	cmp_ok($took, '<', 1.5, sprintf('at once (%.2f s)', $took));
	ok($node->poll_query_until($db, "SELECT attempt = 2 FROM wf_activities WHERE state = 'started'"), 'another attempt is made') or diag_engine($node, $db);
	open_gate($id);
	is(wait_result($node, $db, $id), $activity eq 'hold' ? '2' : '', 'and completes');
	is(attempts_of($node, $db, $id), "1|timed_out|worker_lost\n2|completed|", 'wf_attempts has both');
}
is($node->safe_psql($db, "SELECT step FROM effects WHERE id = 'hold lost'"), '2', 'the first attempt of the function is undone');
is( $node->safe_psql($db, "SELECT count(*) = max(step) + 1, min(step), count(*) = count(DISTINCT step) FROM effects WHERE id = 'chunks lost'"),
	't|0|t', 'the procedure went on after its last chunk: none is missing, none is there twice');

# Statements that want a database, or the extension, for themselves
sub busy_database
{
	my ($name) = @_;

	create_database($node, $name);
	start_act($node, $name, 'hold', 'hold', input => "'{\"id\": \"hold\"}'::jsonb");
	start_act($node, $name, 'chunks', 'chunks', input => "'{\"id\": \"chunks\", \"gate\": \"gate\"}'::jsonb");
	ok($node->poll_query_until($name, "SELECT count(*) = 2 FROM wf_activities WHERE state = 'started'"), "activities run in $name");
	return;
}
set_conf($node, 'durable.max_activity_workers = 6');
busy_database('original');
quick_ok($node, 'postgres', 'CREATE DATABASE copy TEMPLATE original', 3, 'CREATE DATABASE ... TEMPLATE does not wait for activity workers');
ok($node->poll_query_until('original', "SELECT count(*) = 2 FROM wf_activities WHERE state = 'started' AND attempt > 1"), 'both are tried again')
  or diag_engine($node, 'original');
is($node->safe_psql('copy', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'copy' AND backend_type = 'durable activity worker'"), '0', 'but not in the copy');
$node->safe_psql('original', "INSERT INTO gates VALUES ('gate')");
like(wait_result($node, 'original', 'hold'), qr/^[23]$/, 'and the function ends');
is(wait_result($node, 'original', 'chunks'), '', 'and the procedure');
is($node->safe_psql('original', "SELECT count(*) = max(step) + 1, count(*) = count(DISTINCT step) FROM effects WHERE id = 'chunks'"), 't|t', 'each chunk once');
busy_database('victim');
quick_ok($node, 'victim', 'DROP EXTENSION durable', 3, 'DROP EXTENSION does not wait for them');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'victim' AND backend_type LIKE 'durable%'"),
	'and no process is left') or diag_engine($node, 'victim');
busy_database('victim2');
quick_ok($node, 'postgres', 'DROP DATABASE victim2', 3, 'DROP DATABASE does not wait for them');
$node->safe_psql('postgres', "DROP DATABASE $_") foreach 'copy', 'original', 'victim';

# Reload: a worker in the middle of an activity ends it first
start_act($node, $db, 'reload', 'hold', input => "'{\"id\": \"reload\", \"gate\": \"reload\"}'::jsonb");
ok($node->poll_query_until($db, "SELECT ($asleep) = 1"), 'an activity runs');
set_conf($node, 'durable.max_activity_workers = 0');
ok($node->poll_query_until($db, "SELECT ($workers) = 1"), 'max_activity_workers = 0: idle workers leave');
start_act($node, $db, 'waits', 'stamp', input => "'{\"id\": \"waits\"}'::jsonb");
open_gate('reload');
is(wait_result($node, $db, 'reload'), '1', 'a busy one ends what it does');
ok($node->poll_query_until($db, "SELECT ($workers) = 0"), 'and then leaves');
is($node->safe_psql($db, "SELECT state FROM wf_activities"), 'scheduled', 'what waits is left');

# Idle activity workers leave
set_conf($node, "durable.max_activity_workers = 2\ndurable.worker_idle_timeout = 200");
is(wait_result($node, $db, 'waits'), '"waits"', 'until there are workers again');
ok($node->poll_query_until($db, "SELECT ($workers) = 0"), 'an idle activity worker leaves');
for my $i (1 .. 15)
{
	# tasks that meet a worker on its way out
	start_act($node, $db, "edge $i", 'stamp', input => "'{\"id\": \"edge $i\"}'::jsonb");
	usleep(130_000 + $i * 5000);
}
ok($node->poll_query_until($db, "SELECT count(*) = 15 FROM wf_executions WHERE workflow_id LIKE 'edge %' AND status = 'completed'"),
	'tasks around the exit of a worker are run') or diag_engine($node, $db);

# Idle: with activities that wait for an external worker, for their timeouts,
# and for their next attempt, there is nothing to do
start_act($node, $db, 'idle 1', 'nobody', task_queue => "'nowhere'", schedule_to_close => "'1 hour'");
start_act($node, $db, 'idle 2', 'no_such_step', input => "'{}'::jsonb", retry => "wf_retry(initial_interval => '1 hour')");
$node->safe_psql($db, "CREATE FUNCTION fails() RETURNS void LANGUAGE sql AS 'SELECT 1/0'");
start_act($node, $db, 'idle 3', 'fails', retry => "wf_retry(initial_interval => '1 hour')");
ok($node->poll_query_until($db, "SELECT count(*) = 2 FROM wf_activities WHERE state IN ('scheduled', 'backoff')"), 'activities wait')
  or diag_engine($node, $db);
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind IN ('worker', 'activity worker')"), 'for hours, so all workers leave');
my $seen = "SELECT (SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database WHERE datname = '$db'),
	string_agg(concat_ws(' ', pid, backend_type, backend_start, xact_start, query_start, state_change), E'\n' ORDER BY pid)
	FROM pg_stat_activity WHERE backend_type LIKE 'durable%'";
ok(until_true(sub { my $before = $node->safe_psql('postgres', $seen); usleep(1_500_000); $before eq $node->safe_psql('postgres', $seen) }),
	'the engine comes to rest');
my $before = $node->safe_psql('postgres', $seen);
sleep(2);
is($node->safe_psql('postgres', $seen), $before, 'and uses no transaction');

is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
