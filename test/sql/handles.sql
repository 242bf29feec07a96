-- Handles: several things at once, and waiting for all or one of them.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION doubled(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION refuse(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not %', n USING ERRCODE = 'P4242'; END $$;

-- All of them: results in the order of the handles.
CREATE FUNCTION all_of(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE hs wf_handle[];
BEGIN
  FOR i IN 1..n LOOP hs := hs || wf_start_activity('doubled', jsonb_build_object('n', i)); END LOOP;
  RETURN to_jsonb(wf_await_all(hs));
END $$;
SELECT wf_start('all_of', '{"n": 5}', id => 'five') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_result('five', '0'), wf_result('five', '0') = '[2, 4, 6, 8, 10]' AS in_order;
SELECT event_type, count(*) FROM wf_history('five') GROUP BY 1 ORDER BY 1;
SELECT wf_start('all_of', '{"n": 0}', id => 'none') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_result('none', '0');

-- The code runs once for the wait, however many ends there are.
SELECT wf_start('all_of', '{"n": 300}', id => 'many') IS NOT NULL AS started;
CALL wf_work();
SELECT jsonb_array_length(wf_result('many', '0'));
SELECT count(*) AS turns_that_ran_code FROM durable.history h JOIN wf_executions e USING (run_id) WHERE e.workflow_id = 'many' AND h.ran;

-- What it waits for can be seen.
CREATE FUNCTION outside() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE hs wf_handle[];
BEGIN
  FOR i IN 1..3 LOOP hs := hs || wf_start_activity('ask', jsonb_build_object('n', i), task_queue => 'people', activity_id => 'ask ' || i); END LOOP;
  RETURN to_jsonb(wf_await_all(hs));
END $$;
SELECT wf_start('outside', id => 'outside') IS NOT NULL AS started;
CALL wf_work();
SELECT waiting_for, waiting_at FROM wf_executions WHERE workflow_id = 'outside';
SELECT wait_set, wait_left FROM durable.execution;
SELECT count(*) FROM wf_poll_activities('people', 10);
SELECT wf_complete_activity_by_id('outside', 'ask 2', '"b"');
CALL wf_work();
SELECT wait_set, wait_left FROM durable.execution;
SELECT wf_complete_activity_by_id('outside', 'ask 1', '"a"'), wf_complete_activity_by_id('outside', 'ask 3', '"c"');
CALL wf_work();
SELECT wf_result('outside', '0');

-- The first failure ends the wait; the others go on. To settle is to wait for all, whatever way they end.
CREATE FUNCTION one_fails() RETURNS text LANGUAGE plpgsql AS $$
DECLARE hs wf_handle[]; caught text;
BEGIN
  hs := ARRAY[wf_start_activity('ask', task_queue => 'people', activity_id => 'late'),
              wf_start_activity('refuse', '{"n": 7}', retry => wf_retry(1))];
  BEGIN
    PERFORM wf_await_all(hs);
  EXCEPTION WHEN SQLSTATE 'WF001' THEN
    caught := sqlerrm;
  END;
  PERFORM wf_set('caught', to_jsonb(caught));
  RETURN caught || ', then ' || wf_await_all(hs, settle => true)::text;
END $$;
SELECT wf_start('one_fails', id => 'fails') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_query('fails', 'caught');
SELECT count(*) FROM wf_poll_activities('people', 10);
SELECT wf_complete_activity_by_id('fails', 'late', '"at last"');
CALL wf_work();
SELECT wf_result('fails', '0');

-- The first of several: a timer, a signal, an activity.
CREATE FUNCTION race(patience interval) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  hs wf_handle[] := ARRAY[wf_start_timer(patience), wf_signal_handle('go'),
                          wf_start_activity('ask', task_queue => 'people', activity_id => 'ask')];
  first int;
  done boolean[];
BEGIN
  first := wf_await_any(hs);
  done := ARRAY(SELECT wf_done(h) FROM unnest(hs) h);
  IF first <> 1 THEN PERFORM wf_cancel_handle(hs[1]); END IF;
  IF first <> 3 THEN PERFORM wf_cancel_handle(hs[3]); END IF;
  RETURN jsonb_build_object('first', first, 'done', done, 'result', wf_await(hs[first]), 'then', ARRAY(SELECT wf_done(h) FROM unnest(hs) h));
END $$;
SELECT wf_start('race', '{"patience": "1 hour"}', id => 'race ' || n) IS NOT NULL AS started FROM generate_series(1, 3) n;
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('people', 10);
SELECT wf_signal('race 2', 'go', '"signal"'), wf_complete_activity_by_id('race 3', 'ask', '"activity"');
CALL wf_work();
SELECT wf_result('race 2', '0'), wf_result('race 3', '0');
SET durable.clock_offset = 3600000;
CALL wf_work();
SELECT wf_result('race 1', '0');
RESET durable.clock_offset;
SELECT event_type FROM wf_history('race 2');

-- Two handles of one signal stand for two signals.
CREATE FUNCTION two_signals() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  hs wf_handle[] := ARRAY[wf_signal_handle('s'), wf_signal_handle('s'), wf_start_timer('1 day')];
  r jsonb;
BEGIN
  r := to_jsonb(wf_await_all(hs[1:2]));
  RETURN r || to_jsonb(wf_await(hs[1])) || wf_wait_signal('s');
END $$;
SELECT wf_start('two_signals', id => 'twice') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_signal('twice', 's', '1');
CALL wf_work();
SELECT wf_signal('twice', 's', '2');
CALL wf_work();
SELECT wf_signal('twice', 's', '3');
CALL wf_work();
SELECT wf_result('twice', '0');

-- wf_map, also a few at a time.
CREATE FUNCTION mapped(n int, width int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_map('doubled', (SELECT jsonb_agg(jsonb_build_object('n', i)) FROM generate_series(1, n) i), max_parallel => width);
END $$;
SELECT wf_start('mapped', '{"n": 7, "width": 2}', id => 'narrow'), wf_start('mapped', '{"n": 7, "width": null}', id => 'wide') \gset ignored_
CALL wf_work();
SELECT wf_result('narrow', '0'), wf_result('wide', '0');
SELECT max(running) FROM (
  SELECT sum(CASE event_type WHEN 'activity_scheduled' THEN 1 WHEN 'activity_completed' THEN -1 ELSE 0 END) OVER (ORDER BY event_id) AS running
  FROM wf_history('narrow')) r;
CREATE FUNCTION maps_badly() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_map('refuse', '[{"n": 1}, {"n": 2}]', max_parallel => 1, retry => wf_retry(1)); END $$;
SELECT wf_start('maps_badly', id => 'maps badly') IS NOT NULL AS started;
CALL wf_work();
SELECT error->>'message' FROM wf_executions WHERE workflow_id = 'maps badly';

-- Cancellation of the workflow cancels what it waits for.
SELECT wf_start('outside', id => 'cancelled') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_cancel('cancelled');
CALL wf_work();
SELECT status FROM wf_executions WHERE workflow_id = 'cancelled';
SELECT event_type, count(*) FROM wf_history('cancelled') GROUP BY 1 ORDER BY 1;

-- Cancelled while it waits for the first of several, one of which wants its end to be waited for: the wait goes on, and the timer ends it. That
-- activity's own end, which comes later, must not change that at the replays after it.
CREATE FUNCTION first_of(cancellation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  patient wf_handle := wf_start_activity('outside', task_queue => 'patient', cancellation => cancellation);
  r text;
BEGIN
  BEGIN
    r := wf_await_any(ARRAY[patient, wf_start_timer('10 min')]);
    PERFORM wf_sleep('10 min');
  EXCEPTION WHEN SQLSTATE 'WF003' THEN r := concat(r, ' cancelled');
  END;
  PERFORM wf_wait_signal('go');
  RETURN r || wf_wait_signal('go');
END $$;
SELECT count(wf_start('first_of', jsonb_build_object('cancellation', c), id => 'first-' || c)) FROM unnest('{wait,try_cancel,abandon}'::text[]) c;
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('patient', 3);
SELECT count(wf_cancel('first-' || c)) FROM unnest('{wait,try_cancel,abandon}'::text[]) c;
CALL wf_work();
SET durable.clock_offset = '11min';
CALL wf_work();
SELECT wf_complete_activity_by_id('first-wait', '1', '"at last"');
SELECT count(wf_signal('first-' || c, 'go')) FROM unnest('{wait,try_cancel,abandon}'::text[]) c, generate_series(1, 2);
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('first-%');
SELECT workflow_id, why FROM wf_stuck;

-- What is wrong with a call.
CREATE FUNCTION wrong(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  CASE what
    WHEN 'foreign' THEN PERFORM wf_await('activity 3');
    WHEN 'syntax' THEN PERFORM wf_await('task 3'::wf_handle);
    WHEN 'null' THEN PERFORM wf_await(NULL);
    WHEN 'nulls' THEN PERFORM wf_await_all(ARRAY[NULL::wf_handle]);
    WHEN 'nothing' THEN PERFORM wf_await_any('{}');
    WHEN 'inline' THEN PERFORM wf_start_activity('doubled', mode => 'inline');
    WHEN 'no array' THEN PERFORM wf_map('doubled', '{}');
    WHEN 'no room' THEN PERFORM wf_map('doubled', '[]', max_parallel => 0);
    WHEN 'no function' THEN PERFORM wf_await(wf_start_activity('no_such_function'));
  END CASE;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT wf_start('wrong', jsonb_build_object('what', w), id => w) IS NOT NULL AS started
FROM unnest('{foreign,syntax,"null",nulls,nothing,inline,"no array","no room","no function"}'::text[]) w;
CALL wf_work();
SELECT workflow_id, result FROM wf_executions WHERE workflow = 'wrong' ORDER BY 1;
SELECT wf_await('timer 1');
