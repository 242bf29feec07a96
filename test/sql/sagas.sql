-- wf_compensate: what undoes the steps of a workflow that does not complete.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE log (n serial, what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO log (what) VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION undo(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO log (what) VALUES ('undo ' || what) RETURNING what $$;
CREATE FUNCTION break(why text DEFAULT 'broken') RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', why; END $$;
CREATE FUNCTION said() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(what, ', ' ORDER BY n) FROM log $$;
CREATE FUNCTION what(what text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT jsonb_build_object('what', what) $$;

-- A trip of three bookings; then it ends as told.
CREATE FUNCTION trip(then_what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR part IN 1 .. 3 LOOP
    PERFORM wf_compensate('undo', what('booking ' || part));
    PERFORM wf_activity('act', what('booking ' || part));
  END LOOP;
  CASE then_what
    WHEN 'complete' THEN NULL;
    WHEN 'fail' THEN RAISE EXCEPTION 'no money left';
    WHEN 'break' THEN PERFORM wf_activity('break');
    WHEN 'sleep' THEN PERFORM wf_sleep('1 hour');
    WHEN 'signal' THEN PERFORM wf_wait_signal('go', timeout => '2 hours');
    WHEN 'queued' THEN PERFORM wf_activity('act', what('far away'), task_queue => 'q', cancellation => 'wait');
    WHEN 'retry' THEN PERFORM wf_activity('break', retry => wf_retry(initial_interval => '1 hour'));
    WHEN 'stubborn' THEN
      BEGIN
        PERFORM wf_sleep('1 hour');
      EXCEPTION WHEN OTHERS OR query_canceled THEN
        PERFORM wf_activity('act', what('carry on'));
      END;
  END CASE;
  RETURN 'home';
END $$;

-- It completes: nothing is undone. It fails: all is, the last first, and that is its outcome.
SELECT count(wf_start('trip', jsonb_build_object('then_what', w), id => 's-' || w)) FROM unnest('{complete}'::text[]) w;
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT wf_start('trip', '{"then_what": "fail"}', id => 's-fail') \gset
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT * FROM events('s-fail');
SELECT wf_start('trip', '{"then_what": "break"}', id => 's-break') \gset
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT * FROM runs('s-%');
SELECT error->>'type', error->>'sqlstate', error->'cause'->>'message' FROM wf_executions WHERE workflow_id = 's-break';

-- Once more, when steps would be taken in place.
SELECT count(wf_start('trip', '{"then_what": "complete"}', id => 'p-' || n)) FROM generate_series(1, 4) n;
CALL wf_work();
TRUNCATE log;
SELECT count(wf_start('trip', '{"then_what": "fail"}', id => 'p-fail')) ;
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT * FROM runs('p-fail');

-- Cancelled at each kind of wait.
SELECT count(wf_start('trip', jsonb_build_object('then_what', w), id => 'c-' || w)) FROM unnest('{sleep,signal,retry}'::text[]) w;
CALL wf_work();
TRUNCATE log;
SELECT * FROM runs('c-%');
SELECT wf_cancel('c-sleep', 'changed my mind');
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT wf_cancel('c-signal'), wf_cancel('c-retry');
CALL wf_work();
SELECT * FROM runs('c-%');
SELECT count(*) FILTER (WHERE what LIKE 'undo%') AS undone, count(*) FROM log;
SELECT * FROM events('c-sleep') WHERE n > 8;
TRUNCATE log;

-- Terminated: nothing is undone.
SELECT wf_start('trip', '{"then_what": "sleep"}', id => 'x') \gset
CALL wf_work();
TRUNCATE log;
SELECT wf_terminate('x');
CALL wf_work();
SELECT said();

-- Run timeout and execution timeout, at each kind of wait; the code cannot catch them.
SELECT count(wf_start('trip', jsonb_build_object('then_what', w), id => 't-' || w, run_timeout => '10 min')) FROM unnest('{sleep,signal,queued,retry,stubborn}'::text[]) w;
SELECT count(wf_start('trip', jsonb_build_object('then_what', w), id => 'e-' || w, execution_timeout => '10 min')) FROM unnest('{sleep,stubborn}'::text[]) w;
CALL wf_work();
TRUNCATE log;
SELECT workflow_id, compensates FROM durable.execution WHERE workflow_id ~ '^[te]-' ORDER BY 1;
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('t-%');
SELECT * FROM runs('e-%');
SELECT what, count(*) FROM log GROUP BY 1 ORDER BY 1;
SELECT * FROM events('t-stubborn') WHERE n > 7;
SELECT * FROM events('t-retry') WHERE n > 7;
SELECT * FROM events('e-sleep') WHERE n > 8;
SELECT count(*) AS timers FROM wf_timers;
SELECT count(*) AS activities FROM wf_activities;
TRUNCATE log;
-- The same at waits for handles; of activities started, those awaited are told.
CREATE FUNCTION handles(cancellation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('handles'));
  PERFORM wf_await_all(ARRAY[wf_start_timer('1 hour'), wf_start_activity('a', task_queue => 'q', cancellation => handles.cancellation), wf_signal_handle('s')]);
EXCEPTION WHEN OTHERS OR query_canceled THEN
  PERFORM wf_run_compensations();
END $$;
SELECT count(wf_start('handles', jsonb_build_object('cancellation', c), id => 'hs-' || c, run_timeout => '10 min')) FROM unnest('{try_cancel,wait,abandon}'::text[]) c;
CALL wf_work();
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('hs-%');
SELECT said();
SELECT * FROM events('hs-wait') WHERE n > 3;
TRUNCATE log;
-- And at a child, which is not waited for.
CREATE FUNCTION lingers() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_shield();
  PERFORM wf_sleep('1 day');
END $$;
CREATE FUNCTION parent() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('parent'));
  PERFORM wf_child('lingers', id => 'child', cancellation => 'wait');
END $$;
SELECT wf_start('parent', id => 'elder', run_timeout => '10 min') \gset
CALL wf_work();
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT workflow_id, status FROM wf_executions WHERE workflow_id IN ('elder', 'child') ORDER BY 1;
SELECT said();
TRUNCATE log;
-- Without compensations no code runs, as ever.
CREATE FUNCTION plain() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('plain'));
  PERFORM wf_clear_compensations();
  PERFORM wf_sleep('1 hour');
END $$;
SELECT wf_start('plain', id => 'plain', run_timeout => '10 min') \gset
CALL wf_work();
SELECT compensates FROM durable.execution;
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM events('plain');
-- A result that came together with the timeout is not forgotten.
CREATE FUNCTION pay() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', what('payment'), task_queue => 'bank');
  PERFORM wf_compensate('undo', what('payment'));
  PERFORM wf_sleep('1 hour');
END $$;
SELECT wf_start('pay', id => 'pay', run_timeout => '10 min') \gset
SELECT wf_start('pay', id => 'unpaid', run_timeout => '10 min') \gset
CALL wf_work();
SELECT wf_complete_activity(task_token, '"paid"') FROM wf_poll_activities('bank', 10) WHERE workflow_id = 'pay';
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('%pa%');
SELECT n, event FROM events('pay') WHERE n > 1;
SELECT said();
TRUNCATE log;

-- A compensation that fails is retried until it succeeds, and nothing stops it.
CREATE SEQUENCE tries;
CREATE FUNCTION hard_undo(good_at int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') < good_at THEN RAISE EXCEPTION 'not yet'; END IF;
  RETURN undo('the hard one');
END $$;
CREATE FUNCTION hard(how jsonb, then_what text DEFAULT 'fail') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('first'), summary => 'put it back');
  PERFORM wf_compensate('hard_undo', '{"good_at": 4}', mode => how->>'mode', retry => how->'retry');
  PERFORM wf_compensate('undo', what('last'));
  IF then_what = 'fail' THEN RAISE EXCEPTION 'on the whole'; END IF;
  PERFORM wf_sleep('1 hour');
END $$;
SELECT wf_start('hard', '{"how": {}}', id => 'h-inline', execution_timeout => '2 s') \gset
CALL wf_work();
SELECT said();
SELECT * FROM runs('h-inline');
SELECT activity, state, attempt, max_attempts FROM wf_activities;
SELECT wf_cancel('h-inline');
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT * FROM runs('h-inline');
SET durable.clock_offset = '5s';
CALL wf_work();
SET durable.clock_offset = '20s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('h-inline');
SELECT said();
SELECT * FROM events('h-inline');
TRUNCATE log;
ALTER SEQUENCE tries RESTART;
SELECT wf_start('hard', '{"how": {"mode": "queued"}}', id => 'h-queued') \gset
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
SET durable.clock_offset = '5s';
CALL wf_work();
SET durable.clock_offset = '20s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('h-queued');
SELECT said();
TRUNCATE log;
-- A policy of the call replaces that. What fails for good is told, and the others still run.
ALTER SEQUENCE tries RESTART;
SELECT wf_start('hard', '{"how": {"retry": {"max_attempts": 2, "initial_interval": "0"}}}', id => 'h-given-up') \gset
SELECT wf_start('hard', '{"how": {"mode": "queued", "retry": {"max_attempts": 1}}, "then_what": "wait"}', id => 'h-timeout', run_timeout => '1 min') \gset
CALL wf_work();
SELECT said();
SELECT * FROM runs('h-given-up');
SELECT error->>'message' AS message, f->>'activity' AS activity, f->>'message' AS failure, f->>'attempt' AS attempt
FROM wf_executions, jsonb_array_elements(error->'compensation_failures') f WHERE workflow_id = 'h-given-up';
TRUNCATE log;
ALTER SEQUENCE tries RESTART;
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT said();
SELECT status, error->>'message' AS message, f->>'activity' AS activity, f->>'message' AS failure, f->>'retry_state' AS state
FROM wf_executions, jsonb_array_elements(error->'compensation_failures') f WHERE workflow_id = 'h-timeout';
TRUNCATE log;

-- By hand, and some of them by hand.
CREATE FUNCTION by_hand(then_what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('outer'));
  BEGIN
    PERFORM wf_compensate('undo', what('inner'), mode => 'queued');
    IF then_what = 'bad' THEN PERFORM wf_compensate('break', retry => wf_retry(1)); END IF;
    PERFORM wf_activity('break');
  EXCEPTION WHEN SQLSTATE 'WF001' THEN
    PERFORM wf_run_compensations();
    PERFORM wf_activity('act', what('another way'));
  END;
  PERFORM wf_compensate('undo', what('the other way'));
  IF then_what = 'fail' THEN RAISE EXCEPTION 'that too'; END IF;
  RETURN 'well';
END $$;
SELECT wf_start('by_hand', '{"then_what": "go on"}', id => 'b-go on') \gset
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT wf_start('by_hand', '{"then_what": "fail"}', id => 'b-fail') \gset
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT wf_start('by_hand', '{"then_what": "bad"}', id => 'b-bad') \gset
CALL wf_work();
SELECT said();
TRUNCATE log;
SELECT * FROM runs('b-%');
SELECT jsonb_path_query_array(error->'cause'->'compensation_failures', '$[*].message') FROM wf_executions WHERE workflow_id = 'b-bad';

-- By hand, too, nothing interrupts them: what came meanwhile counts at the next wait.
CREATE FUNCTION slowly(then_what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('one'));
  PERFORM wf_compensate('undo', what('two'), task_queue => 'slow');
  BEGIN
    RAISE EXCEPTION 'by hand';
  EXCEPTION WHEN raise_exception THEN
    PERFORM wf_run_compensations();
  END;
  PERFORM wf_compensate('undo', what('three'));
  IF then_what = 'wait' THEN PERFORM wf_sleep('1 hour'); END IF;
  RETURN 'well';
END $$;
SELECT count(wf_start('slowly', jsonb_build_object('then_what', w), id => w || '-cancelled')) FROM unnest('{wait,return}'::text[]) w;
SELECT count(wf_start('slowly', jsonb_build_object('then_what', w), id => w || '-timeout', run_timeout => '1 min')) FROM unnest('{wait,return}'::text[]) w;
CALL wf_work();
SELECT count(wf_cancel(workflow_id)) FROM wf_executions WHERE workflow_id LIKE '%-cancelled';
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT workflow_id, status, waiting_for FROM wf_executions WHERE workflow = 'slowly' ORDER BY 1;
SELECT said();
SELECT count(wf_complete_activity(task_token, 'null')) FROM wf_poll_activities('slow', 10);
CALL wf_work();
RESET durable.clock_offset;
SELECT workflow_id, status, result, error->>'message' AS error FROM wf_executions WHERE workflow = 'slowly' ORDER BY 1;
SELECT what, count(*) FROM log GROUP BY 1 ORDER BY 1;
TRUNCATE log;

-- A handler may deal with a cancellation; then there is nothing left to undo.
CREATE FUNCTION forgiving() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('it'));
  PERFORM wf_sleep('1 hour');
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_run_compensations();
  RETURN 'never mind';
END $$;
SELECT wf_start('forgiving', id => 'forgiving') \gset
CALL wf_work();
SELECT wf_cancel('forgiving');
CALL wf_work();
SELECT * FROM runs('forgiving');
SELECT said();
TRUNCATE log;

-- The workflow's own retry comes after its compensations.
SELECT wf_start('trip', '{"then_what": "fail"}', id => 'again', retry => wf_retry(2)) \gset
CALL wf_work();
SELECT said();
SET durable.clock_offset = '2s';
CALL wf_work();
RESET durable.clock_offset;
SELECT said();
SELECT * FROM runs('again');
TRUNCATE log;
SELECT wf_start('trip', '{"then_what": "sleep"}', id => 'late', run_timeout => '1 min', retry => wf_retry(2)) \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT * FROM runs('late');
SELECT said();
SELECT wf_terminate('late');
RESET durable.clock_offset;
TRUNCATE log;

-- Code that changes in the middle of it is told, and nothing is undone on its account.
-- (The run keeps its own text, but not that of the functions it calls.)
CREATE FUNCTION changing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM changing_body(); END $$;
CREATE FUNCTION changing_body() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('one'));
  PERFORM wf_compensate('undo', what('two'), task_queue => 'far');
  RAISE EXCEPTION 'changing';
END $$;
SELECT wf_start('changing', id => 'changing') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION changing_body() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
SELECT wf_complete_activity(task_token, 'null') FROM wf_poll_activities('far');
CALL wf_work();
SELECT * FROM runs('changing');
CREATE OR REPLACE FUNCTION changing_body() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 s'); END $$;
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT * FROM runs('changing');
CREATE OR REPLACE FUNCTION changing_body() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'changing'; END $$;
SET durable.clock_offset = '10s';
CALL wf_work();
SELECT * FROM runs('changing');
SELECT said();
CREATE OR REPLACE FUNCTION changing_body() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('undo', what('one'));
  PERFORM wf_compensate('undo', what('two'), task_queue => 'far');
  RAISE EXCEPTION 'changing';
END $$;
SET durable.clock_offset = '1min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('changing');
SELECT said();
TRUNCATE log;

-- A compensation that does not exist is told when it is registered.
CREATE FUNCTION careless() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_compensate('nothing_of_the_kind');
  PERFORM wf_activity('act', what('too early'));
END $$;
SELECT wf_start('careless', id => 'careless') \gset
CALL wf_work();
SELECT * FROM runs('careless');
SELECT said();
SELECT wf_terminate('careless');

SELECT fails($$SELECT wf_compensate('undo')$$);
SELECT fails($$SELECT wf_run_compensations()$$);
SELECT count(*) AS open FROM durable.execution;
SELECT count(*) AS messages FROM durable.message;
