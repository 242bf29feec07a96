# The clock is set, by an hour, back and forward, under a server that runs: what
# waits for no timer goes on; what was begun as a span ends when that has elapsed,
# or when it has come due by a clock set forward, once; what is to be done at a
# time waits for that time.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $db = 'postgres';
my $node = durable_node('set', <<'CONF', start => 0);
autovacuum = off
durable.max_workers = 3
CONF

start_with_clock($node);
create_database($node, $db);
sub sql { return $node->safe_psql($db, shift); }

sql(<<'SQL');
CREATE FUNCTION at_time(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_sleep_until(at);
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	RETURN 'awake';
END $$;
CREATE FUNCTION listens(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	PERFORM wf_wait_signal('answer', make_interval(secs => seconds));
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 2));
	RETURN 'heard nothing';
END $$;
CREATE FUNCTION asks_for_update(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_next_update('u', make_interval(secs => seconds));
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	RETURN 'no update';
END $$;
-- a signal, a sleep
CREATE FUNCTION ask_nap(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_wait_signal('answer');
	PERFORM wf_sleep(make_interval(secs => seconds));
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	RETURN 'awake';
END $$;
-- fails at its first attempt
CREATE FUNCTION flaky(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (wf_activity_info()->>'attempt')::int < 2 THEN RAISE EXCEPTION 'not yet'; END IF;
	INSERT INTO effects VALUES (id, 1);
	RETURN 'done';
END $$;
CREATE FUNCTION tries(seconds float8, how text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('flaky', jsonb_build_object('id', wf_info()->>'workflow_id'), mode => how,
		retry => wf_retry(initial_interval => make_interval(secs => seconds)));
END $$;
SQL

# All that is meant as a span of so many seconds, each under an id with this prefix
sub begin_spans
{
	my ($prefix, $seconds) = @_;

	sql(<<"SQL");
SELECT wf_start(w, jsonb_build_object('seconds', $seconds), id => '$prefix ' || w) FROM unnest('{nap,listens,asks_for_update}'::text[]) w;
SELECT wf_start('tries', jsonb_build_object('seconds', $seconds, 'how', how), id => '$prefix tries ' || how) FROM unnest('{inline,queued}'::text[]) how;
SELECT wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', '$prefix', 'start_to_close', make_interval(secs => $seconds),
	'retry', wf_retry(initial_interval => '0')), id => '$prefix lease');
SELECT wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', '$prefix', 'heartbeat', make_interval(secs => $seconds),
	'retry', wf_retry(initial_interval => '0')), id => '$prefix heartbeat');
SELECT wf_start('act', jsonb_build_object('activity', 'x', 'task_queue', '$prefix nobody', 'schedule_to_close', make_interval(secs => $seconds)), id => '$prefix schedule');
SELECT wf_start('ask', id => '$prefix run timeout', run_timeout => make_interval(secs => $seconds));
SELECT wf_start('one', '{"n": 1}', id => '$prefix delay', start_delay => make_interval(secs => $seconds));
SQL
	ok($node->poll_query_until($db, "SELECT count(*) = 2 FROM wf_activities WHERE state = 'backoff' AND workflow_id LIKE '$prefix %'"), "$prefix: attempts have failed");
	my $tasks = 0;
	ok(until_true(sub { $tasks += sql("SELECT count(*) FROM wf_poll_activities('$prefix', 10)"); $tasks == 2 }), 'tasks are taken');
	ok($node->poll_query_until($db, "SELECT count(*) = 6 FROM wf_timers WHERE workflow_id LIKE '$prefix %'"), 'timers are set')
	  or diag(sql("SELECT * FROM wf_timers"));
	return;
}

# What has become of them
sub ends
{
	my ($prefix) = @_;

	return sql(<<"SQL");
SELECT string_agg(format('%s: %s', replace(workflow_id, '$prefix ', ''), CASE WHEN workflow_id ~ '(lease|heartbeat)\$' THEN
	(SELECT a.attempt || ' ' || a.state FROM wf_activities a WHERE a.run_id = e.run_id) ELSE e.status END), ', ' ORDER BY workflow_id)
FROM wf_executions e WHERE workflow_id LIKE '$prefix %'
SQL
}

my $ended = 'asks_for_update: completed, delay: completed, heartbeat: 1 scheduled, lease: 1 scheduled, listens: completed, nap: completed,'
  . ' run timeout: timed_out, schedule: failed, tries inline: completed, tries queued: completed';

# Each effect once
sub effects
{
	my ($prefix) = @_;

	return sql("SELECT string_agg(format('%s %s', replace(id, '$prefix ', ''), step), ', ' ORDER BY id, step) FROM effects WHERE id LIKE '$prefix %'");
}

my $once = 'asks_for_update 1, delay 1, listens 1, listens 2, nap 1, nap 2, run timeout 1, tries inline 1, tries queued 1';

# Back
my $begun = time();
begin_spans('back', 12);
sql(<<'SQL');
SELECT wf_start('at_time', jsonb_build_object('at', clock_timestamp() + interval '3 s'), id => 'at a time');
SELECT wf_start('ask', id => 'asked');
SELECT wf_start('ask_nap', '{"seconds": 2}', id => 'asked, then sleeps');
SQL
ok($node->poll_query_until($db, "SELECT count(*) = 3 FROM wf_executions WHERE workflow_id IN ('at a time', 'asked', 'asked, then sleeps') AND waiting_for IS NOT NULL"), 'others wait');
my $at = sql("SELECT fire_at FROM wf_timers WHERE workflow_id = 'at a time'");
set_clock(-3600);
my $set = time();
cmp_ok($set - $begun, '<', 11, 'that took less time than they last');
sql("SELECT wf_start('one', '{\"n\": 1}', id => 'new'); SELECT wf_start('nap', '{\"seconds\": 2}', id => 'new nap')");
sql("SELECT wf_signal('asked', 'answer', '1'); SELECT wf_signal('asked, then sleeps', 'answer')");
is(wait_result($node, $db, 'new'), '2', 'back: a new workflow runs');
is(wait_result($node, $db, 'asked'), '1', 'a signal arrives');
is(wait_result($node, $db, 'new nap'), '"awake"', 'a new sleep ends');
is(wait_result($node, $db, 'asked, then sleeps'), '"awake"', 'so does one in a workflow that has seen the time before');
cmp_ok(time() - $set, '<', 2 + 5, 'all that within 5 seconds');
my $is;
until_true(sub { ($is = ends('back')) eq $ended }, 12 + 5 - (time() - $begun));
is($is, $ended, 'spans end when they have elapsed, and 5 seconds at most');
is(effects('back'), $once, 'once');
is(sql("SELECT fire_at FROM wf_timers WHERE workflow_id = 'at a time'"), $at, 'what is to come at a time does so');
is(sql("SELECT status FROM wf_executions WHERE workflow_id = 'at a time'"), 'running', 'which is in an hour now');
is(count_in_log($node, qr/the clock was set back by 3[56]\d{5} ms/), 1, 'the log tells');

# Forward again
begin_spans('forward', 1800);
sql("SELECT wf_start('nap', '{\"seconds\": 7200}', id => 'two hours')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_timers WHERE workflow_id = 'two hours'"), 'a sleep of two hours begins');
my $two_hours = sql("SELECT fire_at FROM wf_timers WHERE workflow_id = 'two hours'");
set_clock(0);
$set = time();
until_true(sub { ($is = ends('forward')) eq $ended }, 10);
is($is, $ended, 'forward: what has come due falls due');
cmp_ok(time() - $set, '<', 5 + 3, 'within 5 seconds');
is(effects('forward'), $once, 'once');
is(wait_result($node, $db, 'at a time'), '"awake"', 'so does what was to come at a time');

# And back: a span that was begun before is not ended before it has elapsed
set_clock(-3600);
sql("SELECT wf_start('nap', '{\"seconds\": 1}', id => 'last')");
is(wait_result($node, $db, 'last'), '"awake"', 'back again: a new sleep ends');
ok(until_true(sub { count_in_log($node, qr/the clock was set back by/) == 2 }), 'which was seen');
is(sql("SELECT fire_at FROM wf_timers WHERE workflow_id = 'two hours'"), $two_hours, 'what was begun by this time has stayed');
is(sql('SELECT count(*) FROM wf_stuck'), 0, 'nothing is stuck');
$node->stop;
done_testing();
