-- The test kit: a transaction of its own, with its clock and mocks.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SET datestyle = 'ISO';
CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES (what);
  RETURN 'did ' || what;
END $$;
CREATE FUNCTION sleeper(days int) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', jsonb_build_object('what', days));
  PERFORM wf_sleep(make_interval(days => days));
  RETURN wf_now();
END $$;
CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('stage', '"waiting"');
  RETURN wf_wait_signal('go', timeout => '7 days');
END $$;
CREATE FUNCTION forever() RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_wait_signal('go') $$;

-- Outside of a test nothing of it can be called.
SELECT fails($$SELECT wf_test_run('waits')$$);
SELECT fails($$SELECT wf_test_mock('act')$$);
SELECT fails($$SELECT wf_test_signal_at('1 day', 'x', 'go')$$);
SELECT fails($$SELECT wf_test_advance('1 day')$$);
SELECT fails($$SELECT wf_test_work()$$);
SELECT fails($$SELECT * FROM wf_test_calls('act')$$);
SELECT fails($$SELECT wf_test_elapsed()$$);
-- Nor does it begin without a transaction block, or with a time that is none.
SELECT wf_test_begin();
BEGIN; SELECT wf_test_begin(NULL); ROLLBACK;
BEGIN; SELECT wf_test_begin('infinity'); ROLLBACK;

-- Real runs: one with a timer that is due in the test's future, one with mail, one with an activity in a queue.
SELECT wf_start('sleeper', '{"days": 1}', id => 'real-timer') \gset
CALL wf_work();
SELECT wf_start('waits', id => 'real-mail') \gset
SELECT start_job('real-task', '{"mode": "queued", "name": "act", "input": {"what": "real"}}') \gset
CALL wf_work(max_turns => 1);
CREATE VIEW engine AS
  SELECT (SELECT count(*) FROM durable.execution) AS open, (SELECT count(*) FROM durable.closed) AS closed,
    (SELECT count(*) FROM durable.history) AS history, (SELECT count(*) FROM durable.message) AS mail,
    (SELECT count(*) FROM durable.timer) AS timers, (SELECT count(*) FROM durable.activity) AS activities,
    (SELECT count(*) FROM done) AS done;
SELECT * FROM engine \gset before_

-- Time passes in no time; all is there to look at; and is gone after the rollback.
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_run('sleeper', '{"days": 100}', id => 'test');
SELECT wf_test_elapsed();
SELECT * FROM wf_test_calls('act');
SELECT count(*) FROM done WHERE what = '100';
SELECT h.event_type, h.at FROM wf_history('test') h;
-- The real ones have not moved.
SELECT id, status, waiting_for FROM runs('real%');
SELECT count(*) FROM durable.timer t WHERE t.fire_at < '2030-01-01';
ROLLBACK;
SELECT e.*, e.open = :before_open AND e.closed = :before_closed AND e.history = :before_history AND e.mail = :before_mail
  AND e.timers = :before_timers AND e.activities = :before_activities AND e.done = :before_done AS untouched FROM engine e;
-- The clock is the real one again, and so are the ids of runs.
SELECT wf_start('waits', id => 'real-later') AS later \gset
SELECT run_id < :'later' AS in_order, started_at BETWEEN now() - interval '1 min' AND now() + interval '1 min' AS by_the_clock
FROM wf_executions WHERE workflow_id IN ('real-timer', 'real-later');

-- It cannot be committed, nor prepared.
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_run('sleeper', '{"days": 1}', id => 'test');
COMMIT;
BEGIN;
SELECT wf_test_begin('2030-01-01');
PREPARE TRANSACTION 'test';
SELECT * FROM runs('test');
-- But where the test was rolled back to before its beginning, nothing is left to refuse.
BEGIN;
SAVEPOINT a;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_run('sleeper', '{"days": 1}', id => 'test');
ROLLBACK TO a;
SELECT fails($$SELECT wf_test_work()$$);
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT wf_test_begin('2030-01-01');
RELEASE a;
COMMIT;

-- Ordinary calls work on runs of the test.
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_start('waits', id => 'a') IS NOT NULL AS started;
SELECT wf_start('waits', id => 'b') IS NOT NULL AS started;
SELECT wf_start('waits', id => 'c') IS NOT NULL AS started;
SELECT wf_start('waits', id => 'd', start_delay => '10 days') IS NOT NULL AS started;
SELECT * FROM runs('_');
SELECT wf_test_work();
SELECT * FROM runs('_');
SELECT wf_query('a', 'stage'), wf_query('a', '__stack')->>'waiting_since' AS since;
SELECT fire_at FROM wf_timers WHERE workflow_id = 'a';
SELECT wf_signal('a', 'go', '1');
SELECT wf_cancel('b');
SELECT wf_test_signal_at('3 days', 'c', 'go', '"later"');
SELECT wf_test_advance('2 days');
SELECT * FROM runs('_');
SELECT wf_result('a');
SELECT fails($$SELECT wf_result('b')$$);
-- Who asks for a result has time pass.
SELECT fails($$SELECT wf_result('c', timeout => '12 hours')$$);
SELECT wf_test_elapsed();
SELECT wf_result('c');
SELECT wf_test_elapsed();
SELECT wf_test_advance('1 month');
SELECT wf_test_elapsed();
SELECT id, status, result FROM runs('_');
SELECT closed_at FROM wf_executions WHERE workflow_id = 'd';
ROLLBACK;

-- What fails, and what never ends, says so.
CREATE FUNCTION fails_to() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no way'; END $$;
CREATE FUNCTION is_random() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
  RETURN random();
END $$;
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT fails($$SELECT wf_test_run('fails_to', id => 'a')$$);
SELECT fails($$SELECT wf_test_run('is_random', id => 'a')$$);
SELECT fails($$SELECT wf_test_run('forever', id => 'a')$$);
SELECT fails($$SELECT wf_test_run('forever', id => 'a', run_timeout => '1 day')$$);
SELECT wf_test_elapsed();
SELECT fails($$SELECT wf_test_run('no_such')$$);
SELECT fails($$SELECT wf_result('real-mail', timeout => '0')$$);
-- A run that is closed can be read after its failure if the failure is not raised by what ran it.
SELECT wf_start('fails_to', id => 'b', retry => wf_retry(max_attempts => 3)) IS NOT NULL AS started;
SELECT wf_test_advance('10 s');
SELECT * FROM runs('_');
SELECT fails($$SELECT wf_result('b')$$);
-- A signal that finds nobody
SELECT wf_test_signal_at('1 day', 'nobody', 'go');
SELECT fails($$SELECT wf_test_advance('2 days')$$);
ROLLBACK;

-- Mocks of steps: no function is called, and there need not be any.
CREATE FUNCTION calls(name text, n int DEFAULT 1, retry jsonb DEFAULT NULL, start_to_close interval DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]'; state text; message text; detail text;
BEGIN
  FOR i IN 1..n LOOP
    BEGIN
      r := r || jsonb_build_array(wf_activity(name, jsonb_build_object('what', i), retry => retry, start_to_close => start_to_close));
    EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      r := r || jsonb_build_object('state', state, 'message', message, 'detail', detail::jsonb - 'context');
    END;
  END LOOP;
  RETURN r;
END $$;
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_mock('act', '"mocked"', times => 2);
SELECT wf_test_run('calls', '{"name": "act", "n": 3}');
SELECT * FROM done WHERE what <> '1';
SELECT * FROM wf_test_calls('act');
-- In the order given, then the one for all calls; of these the last
SELECT wf_test_mock('act', '"all"');
SELECT wf_test_mock('act', '"each"');
SELECT wf_test_mock('act', '"first"', times => 1);
SELECT wf_test_mock('act', '"second"', times => 1);
SELECT wf_test_mock('act', '"three"', input => '{"what": 3}');
SELECT wf_test_run('calls', '{"name": "act", "n": 4}');
-- A type, a SQLSTATE; without one of these it is a result, and that may be null
SELECT wf_test_mock('ghost', error => 'out_of_stock', message => 'no more', details => '{"left": 0}', times => 1);
SELECT wf_test_mock('ghost', error => '23505', message => 'there is one', times => 1);
SELECT wf_test_mock('ghost', error => 'FATAL', times => 1);
SELECT wf_test_mock('ghost');
SELECT jsonb_pretty(wf_test_run('calls', '{"name": "ghost", "n": 4}'));
-- By the policy's rules
SELECT wf_test_mock('ghost', error => 'busy', times => 2);
SELECT wf_test_mock('ghost', '"at last"', times => 1);
SELECT wf_test_run('calls', jsonb_build_object('name', 'ghost', 'retry', wf_retry(initial_interval => '1 min')), id => 'again');
SELECT wf_test_elapsed();
SELECT a.attempt, outcome, a.started_at, failure->>'type' AS type FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = 'again' ORDER BY 1;
SELECT wf_test_mock('ghost', error => 'busy', times => 1);
SELECT wf_test_run('calls', jsonb_build_object('name', 'ghost', 'retry', wf_retry(non_retryable => '{busy}'))) #>> '{0,message}' AS failed;
SELECT wf_test_mock('ghost', error => 'lost', non_retryable => true, times => 1);
SELECT wf_test_run('calls', jsonb_build_object('name', 'ghost', 'retry', wf_retry())) #>> '{0,message}' AS failed;
SELECT wf_test_mock('ghost', error => '40001', times => 1);
SELECT wf_test_run('calls', '{"name": "ghost"}');
-- It may take its time, or too long.
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_mock('ghost', '"slow"', delay => '2 h');
SELECT wf_test_run('calls', '{"name": "ghost"}'), wf_test_elapsed();
SELECT jsonb_pretty(wf_test_run('calls', '{"name": "ghost", "start_to_close": "1 h"}'));
SELECT wf_test_elapsed();
SELECT wf_test_mock('ghost', times_out => 'start_to_close');
SELECT wf_test_run('calls', '{"name": "ghost", "start_to_close": "30 min"}') #>> '{0,message}' AS failed, wf_test_elapsed();
ROLLBACK;
-- What makes no sense
BEGIN;
SELECT wf_test_begin();
SELECT fails($$SELECT wf_test_mock(NULL)$$);
SELECT fails($$SELECT wf_test_mock('a', times => 0)$$);
SELECT fails($$SELECT wf_test_mock('a', error => '')$$);
SELECT fails($$SELECT wf_test_mock('a', '1', error => 'x')$$);
SELECT fails($$SELECT wf_test_mock('a', message => 'x')$$);
SELECT fails($$SELECT wf_test_mock('a', times_out => 'lunch')$$);
SELECT fails($$SELECT wf_test_mock('a', times_out => 'heartbeat', delay => '1 s')$$);
SELECT fails($$SELECT wf_test_mock('a', delay => '-1 s')$$);
SELECT fails($$SELECT wf_test_advance('-1 s')$$);
SELECT fails($$SELECT wf_test_signal_at('-1 s', 'a', 'go')$$);
ROLLBACK;

-- Activities of queues: external ones need a mock, functions are called, procedures cannot be.
CREATE PROCEDURE proc(what text) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CREATE SEQUENCE tries;
CREATE FUNCTION flaky(what text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_heartbeat(to_jsonb(nextval('tries')));
  INSERT INTO done VALUES ('flaky');
  IF currval('tries') < 3 THEN PERFORM wf_fail('not_yet', 'not yet'); END IF;
  RETURN wf_activity_info()->>'attempt';
END $$;
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT fails($$SELECT wf_test_run('job', '{"name": "charge", "task_queue": "q"}', id => 'j')$$);
SELECT fails($$SELECT wf_test_run('job', '{"name": "proc", "mode": "queued"}', id => 'j')$$);
SELECT wf_test_run('job', '{"name": "act", "mode": "queued", "input": {"what": "queued"}}');
SELECT wf_test_run('job', '{"name": "flaky", "mode": "queued"}', id => 'flaky');
SELECT count(*) FROM done WHERE what = 'flaky';
SELECT wf_test_elapsed();
SELECT a.attempt, outcome, a.started_at, ended_at, worker, failure->>'type' AS type FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = 'flaky' ORDER BY 1;
SELECT wf_test_mock('proc', '"no commit"');
SELECT wf_test_run('job', '{"name": "proc", "mode": "queued"}');
SELECT wf_test_mock('ghost', '"queued"');
SELECT wf_test_run('job', '{"name": "ghost", "mode": "queued"}');
SELECT wf_test_mock('charge', error => 'busy', times => 2);
SELECT wf_test_mock('charge', '{"paid": 1}');
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_mock('charge', error => 'busy', times => 2);
SELECT wf_test_mock('charge', '{"paid": 1}');
SELECT wf_test_run('job', '{"name": "charge", "task_queue": "q", "input": {"n": 1}}', id => 'charge');
SELECT wf_test_elapsed();
SELECT * FROM events('charge');
SELECT count(*) FROM wf_test_calls('charge');
SELECT wf_test_mock('charge', error => 'card_declined', message => 'declined', non_retryable => true);
SELECT jsonb_pretty(wf_test_run('job', '{"name": "charge", "task_queue": "q", "catch": true}'));
-- Without end
SELECT wf_test_mock('charge', error => 'busy', message => 'still busy');
SELECT fails($$SELECT wf_test_run('job', '{"name": "charge", "task_queue": "q"}', id => 'j')$$);
ROLLBACK;
-- Timeouts by the activity's own options, and mocks that take their time
CREATE FUNCTION timing_of(options jsonb) RETURNS TABLE (outcome text, elapsed interval) LANGUAGE plpgsql AS $$
DECLARE before interval = wf_test_elapsed();
BEGIN
  outcome := wf_test_run('job', '{"name": "charge", "task_queue": "q", "catch": true}' || options) #>> '{message}';
  elapsed := wf_test_elapsed() - before;
  RETURN NEXT;
END $$;
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_mock('charge', times_out => 'start_to_close');
SELECT * FROM timing_of('{"start_to_close": "10 min", "retry": {"max_attempts": 2}}');
SELECT * FROM timing_of('{"start_to_close": "10 min", "schedule_to_close": "25 min"}');
SELECT wf_test_mock('charge', times_out => 'heartbeat');
SELECT * FROM timing_of('{"heartbeat": "1 min", "retry": {"max_attempts": 1}}');
SELECT wf_test_mock('charge', times_out => 'schedule_to_start');
SELECT * FROM timing_of('{"schedule_to_start": "1 h"}');
SELECT wf_test_mock('charge', times_out => 'schedule_to_close');
SELECT * FROM timing_of('{"schedule_to_close": "3 h"}');
SELECT wf_test_mock('charge', '{"message": "paid"}', delay => '20 min');
SELECT * FROM timing_of('{}');
SELECT * FROM timing_of('{"start_to_close": "10 min", "retry": {"max_attempts": 1}}');
-- While it takes its time other things happen.
SELECT wf_start('job', '{"name": "charge", "task_queue": "q"}', id => 'slow') IS NOT NULL AS started;
SELECT wf_start('sleeper', '{"days": 1}', id => 'other') IS NOT NULL AS started;
SELECT wf_test_advance('5 min');
SELECT activity, state, attempt FROM wf_activities WHERE workflow_id = 'slow';
SELECT wf_terminate('slow');
SELECT wf_test_advance('1 day');
SELECT id, status FROM runs('other');
ROLLBACK;

-- Children are runs of the test too.
CREATE FUNCTION parent(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE handles wf_handle[];
BEGIN
  PERFORM wf_child('sleeper', '{"days": 3}', id => 'child');
  FOR i IN 1..n LOOP handles := handles || wf_start_child('sleeper', jsonb_build_object('days', i)); END LOOP;
  RETURN to_jsonb(wf_await_all(handles));
END $$;
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_mock('act');
SELECT wf_test_run('parent', '{"n": 3}'), wf_test_elapsed();
SELECT id, status, result FROM runs('child');
ROLLBACK;

-- A step that signals its own workflow
CREATE FUNCTION tell(id text) RETURNS void LANGUAGE sql AS $$ SELECT wf_signal(id, 'go', '"from myself"') $$;
CREATE FUNCTION talks_to_itself() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('tell', jsonb_build_object('id', wf_info()->>'workflow_id'));
  RETURN wf_poll_signal('go');
END $$;
BEGIN;
SELECT wf_test_begin();
SELECT wf_test_run('talks_to_itself');
ROLLBACK;

-- Savepoints: what a rolled back part did to runs is undone; its calls are known, and time goes on.
BEGIN;
SELECT wf_test_begin('2030-01-01');
SELECT wf_start('sleeper', '{"days": 1}', id => 'a') IS NOT NULL AS started;
SAVEPOINT a;
SELECT wf_result('a');
SELECT status FROM runs('a');
ROLLBACK TO a;
SELECT status FROM runs('a');
SELECT count(*) FROM wf_test_calls('act');
SELECT wf_test_elapsed();
SELECT wf_result('a');
SELECT wf_test_elapsed();
-- A second beginning forgets mocks, calls and runs.
SELECT wf_start('sleeper', '{"days": 1}', id => 'b') IS NOT NULL AS started;
SELECT wf_test_mock('act', '"mocked"');
SELECT wf_test_begin('2031-01-01');
SELECT wf_test_advance('2 days');
SELECT status, waiting_for FROM runs('b');
SELECT count(*) FROM wf_test_calls('act');
SELECT wf_test_run('calls', '{"name": "act"}');
ROLLBACK;

-- Runs have their own settings; those of the session stay as they are.
BEGIN;
SET LOCAL timezone = 'Europe/Berlin';
SELECT wf_test_begin('2030-01-01');
SELECT wf_start('sleeper', '{"days": 1}', id => 'a') IS NOT NULL AS started;
SET LOCAL timezone = 'Asia/Tokyo';
SELECT wf_result('a');
SHOW timezone;
ROLLBACK;

-- Any role can test, as itself only; isolation levels do not matter.
CREATE ROLE durable_tester;
GRANT USAGE, CREATE ON SCHEMA test TO durable_tester;
GRANT ALL ON done TO durable_tester;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SET LOCAL ROLE durable_tester;
SELECT wf_test_begin('2030-01-01');
SELECT wf_test_run('sleeper', '{"days": 1}');
SELECT wf_test_signal_at('1 day', 'real-mail', 'go');
SELECT fails($$SELECT wf_signal('real-mail', 'go')$$);
SELECT fails($$SELECT wf_test_advance('2 days')$$);
SELECT wf_start('sleeper', '{"days": 1}', id => 'a') IS NOT NULL AS started;
RESET ROLE;
SELECT fails($$SELECT wf_test_work()$$);
ROLLBACK;

-- Not from inside
CREATE FUNCTION tests(what int DEFAULT 0) RETURNS void LANGUAGE sql AS $$ SELECT wf_test_work() $$;
BEGIN;
SELECT wf_test_begin();
SELECT fails($$SELECT wf_test_run('tests')$$);
SELECT wf_test_run('calls', '{"name": "tests"}') #>> '{0,message}' AS message;
SELECT fails($$CALL wf_work()$$);
ROLLBACK;

-- Nothing is left,
REVOKE ALL ON SCHEMA test FROM durable_tester;
REVOKE ALL ON done FROM durable_tester;
DROP ROLE durable_tester;
-- and the real ones go on as if nothing had been.
SET durable.clock_offset = '2d';
CALL wf_work();
CALL wf_work();
SELECT id, status FROM runs('real%');
SELECT * FROM done;

-- Updates: sent in the test's transaction, and answered with time skipped
CREATE FUNCTION counter(n int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update();
    CASE u.name
      WHEN 'add' THEN n := n + (u.args->>'n')::int; PERFORM wf_reply(u.update_id, to_jsonb(n));
      WHEN 'later' THEN PERFORM wf_sleep('2 days'); PERFORM wf_reply(u.update_id, to_jsonb(n));
      WHEN 'renew' THEN PERFORM wf_reply(u.update_id), wf_continue_as_new(jsonb_build_object('n', n + 100));
      WHEN 'stop' THEN PERFORM wf_wait_signal('never'); RETURN n;
      ELSE PERFORM wf_reject(u.update_id, 'a counter knows no ' || u.name);
    END CASE;
  END LOOP;
END $$;
BEGIN;
SELECT wf_test_begin();
SELECT wf_start('counter', id => 'counter') IS NOT NULL AS started;
SELECT wf_update('counter', 'add', '{"n": 2}', update_id => 'a'), wf_update('counter', 'add', update_id => 'a') AS again;
SELECT wf_update_with_start('counter', 'counter', 'add', '{"n": 1}', update_id => 'b'), wf_update('counter', 'add', update_id => 'b') AS b;
SELECT fails($$SELECT wf_update('counter', 'sing')$$);
SELECT wf_update('counter', 'later', update_id => 'c', wait_for => 'accepted'), wf_test_elapsed() AS at_once;
SELECT wf_update('counter', 'later', update_id => 'c'), wf_test_elapsed() AS later;
SELECT fails($$SELECT wf_update('counter', 'later', update_id => 'd', timeout => '1 day')$$);
SELECT wf_update('counter', 'renew', wait_for => 'admitted');
SELECT wf_update('counter', 'add', '{"n": 5}') AS by_the_next_run;
SELECT fails($$SELECT wf_update('counter', 'stop', update_id => 'e')$$);
ROLLBACK;
-- The problem of a turn that failed comes out whole, whatever memory it took.
CREATE FUNCTION fails_at_length(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING errcode = '55P03', message = repeat('x', n), hint = repeat('y', n); END $$;
CREATE FUNCTION whole(n int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE message text; hint text;
BEGIN
  PERFORM wf_test_run('fails_at_length', jsonb_build_object('n', n));
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN sqlstate = '55P03' AND message ~ '^x+(\.\.\.)?$' AND hint ~ '^y+(\.\.\.)?$' AND left(message, 1000) = repeat('x', least(n, 1000));
END $$;
BEGIN;
SELECT wf_test_begin();
SELECT n, whole(n) FROM unnest('{10,900,3000,9000,16000,20000,30000,100000}'::int[]) n;
ROLLBACK;
