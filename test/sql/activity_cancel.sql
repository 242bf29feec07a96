-- Cancellation of activities: what a cancelled workflow does (try_cancel, wait, abandon), and how its activities hear of it.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION pending() RETURNS TABLE (id text, state text, attempt int, details jsonb) LANGUAGE sql AS $$
  SELECT workflow_id, state, attempt, heartbeat_details FROM wf_activities ORDER BY workflow_id
$$;
-- A workflow that tells how its activity ended, and then cleans up by another one.
CREATE FUNCTION cleans_up(cancellation text, options jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE detail text; r jsonb; clean jsonb;
BEGIN
  RETURN jsonb_build_object('done', wf_activity('work', task_queue => 'q', cancellation => cancellation, heartbeat => (options->>'heartbeat')::interval));
EXCEPTION WHEN SQLSTATE 'WF003' OR SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  r := jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM, 'detail', detail, 'requested', wf_cancel_requested());
  PERFORM wf_shield();
  clean := wf_activity('clean', task_queue => 'q');
  RETURN r || jsonb_build_object('clean', clean);
END $$;
CREATE FUNCTION start_all(prefix text) RETURNS void LANGUAGE sql AS $$
  SELECT wf_start('cleans_up', jsonb_build_object('cancellation', c), id => prefix || ' ' || c) FROM unnest('{try_cancel,wait,abandon}'::text[]) c
$$;
CREATE TABLE task (workflow_id text, activity text, token text);
CREATE FUNCTION take_all() RETURNS void LANGUAGE sql AS $$ INSERT INTO task SELECT workflow_id, activity, task_token FROM wf_poll_activities('q', 100, 'w') $$;
CREATE FUNCTION token(id text, activity text DEFAULT 'work') RETURNS text LANGUAGE sql AS $$
  SELECT token FROM task t WHERE t.workflow_id = id AND t.activity = token.activity
$$;

-- Not started yet: a request cancels it at once. Whoever abandons it leaves it there.
SELECT start_all('new') \gset
CALL wf_work();
SELECT wf_cancel(workflow_id, 'no need') FROM wf_executions WHERE status = 'running' \g (tuples_only)
CALL wf_work();
SELECT workflow_id, activity, state FROM wf_activities ORDER BY 1, 2;
SELECT id, status, waiting_for FROM runs('new%');
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q', 100, activities => '{clean}') \g (tuples_only)
CALL wf_work();
SELECT id, status, result FROM runs('new%');
-- An abandoned one lives no longer than its run.
SELECT count(*) FROM wf_poll_activities('q', 10);
SELECT * FROM events('new try_cancel');
SELECT * FROM events('new wait');
SELECT * FROM events('new abandon');

-- Running: it hears of the request by its next heartbeat. try_cancel goes on at once, wait waits for its end, abandon asks nothing.
SELECT start_all('running') \gset
CALL wf_work();
SELECT take_all() \gset
SELECT workflow_id, h.* FROM task, wf_heartbeat_activity(token, '"before"') h ORDER BY 1;
SELECT count(wf_cancel(workflow_id, 'no need')) FROM wf_executions WHERE status = 'running';
CALL wf_work();
SELECT workflow_id, activity, state FROM wf_activities ORDER BY 1, 2;
SELECT id, status, waiting_for FROM runs('running%');
SELECT workflow_id, h.* FROM task, wf_heartbeat_activity(token) h ORDER BY 1;
-- A request is made once, however often one cancels.
SELECT wf_cancel('running wait', 'again');
CALL wf_work();
SELECT wf_cancelled_activity(token('running wait'), '{"stopped at": 7}') \g (tuples_only)
SELECT wf_cancelled_activity(token('running try_cancel')) \g (tuples_only)
-- Without a request an activity cannot cancel itself.
SELECT fails(format('SELECT wf_cancelled_activity(%L)', token('running abandon')));
CALL wf_work();
SELECT workflow_id, activity, state FROM wf_activities ORDER BY 1, 2;
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q', 100, activities => '{clean}') \g (tuples_only)
CALL wf_work();
SELECT id, status, result FROM runs('running%');
SELECT * FROM events('running try_cancel');
SELECT * FROM events('running wait');
SELECT * FROM events('running abandon');
SELECT workflow_id, activity, a.attempt, outcome, failure FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id LIKE 'running%' ORDER BY 1, 2;
SELECT replace(fails(format('SELECT wf_cancelled_activity(%L)', token('running wait'))), token('running wait'), '<token>');

-- Asked to cancel itself it may do otherwise: complete,
TRUNCATE task;
SELECT start_all('otherwise') \gset
CALL wf_work();
SELECT take_all() \gset
SELECT count(wf_cancel(workflow_id)) FROM wf_executions WHERE status = 'running';
CALL wf_work();
SELECT wf_complete_activity(token('otherwise wait'), '"all the same"') \g (tuples_only)
-- which of the one that went on nobody sees.
SELECT wf_complete_activity(token('otherwise try_cancel'), '"all the same"') \g (tuples_only)
SELECT wf_complete_activity(token('otherwise abandon'), '"all the same"') \g (tuples_only)
CALL wf_work();
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q', 100, activities => '{clean}') \g (tuples_only)
CALL wf_work();
SELECT id, status, result FROM runs('otherwise%');
SELECT event, attributes - 'input' AS attributes FROM events('otherwise try_cancel');
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages;
-- or fail: then there is no further attempt,
SELECT wf_start('cleans_up', '{"cancellation": "wait"}', id => 'fails') \gset
CALL wf_work();
TRUNCATE task;
SELECT take_all() \gset
SELECT wf_cancel('fails') \gset
CALL wf_work();
SELECT wf_fail_activity(token('fails'), 'Broken', 'while it stopped') \g (tuples_only)
CALL wf_work();
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
SELECT wf_result('fails');
-- or not be heard of any more: the timeout ends it, and it is not retried either.
SELECT wf_start('cleans_up', '{"cancellation": "wait", "options": {"heartbeat": "10 s"}}', id => 'lost') \gset
CALL wf_work();
SELECT take_all() \gset
SELECT wf_cancel('lost') \gset
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '11s';
CALL wf_work();
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
SELECT wf_result('lost');
RESET durable.clock_offset;

-- Between two attempts: cancelled at once.
TRUNCATE task;
SELECT start_all('backoff') \gset
CALL wf_work();
SELECT take_all() \gset
SELECT wf_fail_activity(token, next_retry_delay => '1 hour') FROM task \g (tuples_only)
SELECT * FROM pending();
SELECT count(wf_cancel(workflow_id)) FROM wf_executions WHERE status = 'running';
CALL wf_work();
SELECT workflow_id, activity, state FROM wf_activities ORDER BY 1, 2;
SELECT wf_complete_activity(task_token, '"clean"') FROM wf_poll_activities('q', 100) \g (tuples_only)
CALL wf_work();
SELECT id, status, result FROM runs('backoff%');

-- The request comes while the workflow is elsewhere: an activity that is done is done; one that is called after it raises at once.
CREATE FUNCTION in_turn() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('first', task_queue => 'q');
  PERFORM wf_activity('second', task_queue => 'q');
  RETURN 'both';
END $$;
SELECT wf_start('in_turn', id => 'in turn') \gset
CALL wf_work();
SELECT wf_complete_activity(task_token) FROM wf_poll_activities('q') \g (tuples_only)
SELECT wf_cancel('in turn') \gset
CALL wf_work();
SELECT status, error FROM runs('in turn');
SELECT event, attributes->>'activity' AS activity FROM events('in turn');
-- Cancelled before its first turn it schedules nothing.
SELECT wf_start('in_turn', id => 'at once') \gset
SELECT wf_cancel('at once') \gset
CALL wf_work();
SELECT event FROM events('at once');
-- Shielded, the activity goes on; the request waits for it.
CREATE FUNCTION shielded() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_shield();
  PERFORM wf_activity('first', task_queue => 'q');
  PERFORM wf_shield(false);
  PERFORM wf_activity('second', task_queue => 'q');
  RETURN 'both';
END $$;
SELECT wf_start('shielded', id => 'shielded') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_cancel('shielded') \gset
CALL wf_work();
SELECT * FROM wf_heartbeat_activity(:'t');
SELECT wf_complete_activity(:'t') \g (tuples_only)
CALL wf_work();
SELECT event, attributes->>'activity' AS activity FROM events('shielded');

-- By id
SELECT wf_start('cleans_up', '{"cancellation": "wait"}', id => 'by id') \gset
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q');
SELECT wf_cancel('by id') \gset
CALL wf_work();
SELECT * FROM wf_heartbeat_activity_by_id('by id', '1');
SELECT wf_cancelled_activity_by_id('by id', '1', '"by id"') \g (tuples_only)
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q');
SELECT wf_complete_activity_by_id('by id', '2', '"clean"') \g (tuples_only)
CALL wf_work();
SELECT wf_result('by id');

-- SQL activities, queued: cancelled at once where they do not run.
CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES (what); RETURN what; END $$;
SELECT start_job('sql', '{"name": "act", "input": {"what": "never"}, "mode": "queued", "cancellation": "wait"}') \gset
CALL wf_work(max_turns => 1);
SELECT wf_cancel('sql') \gset
CALL wf_work(max_turns => 1);
SELECT status FROM runs('sql');
SELECT event FROM events('sql');
SELECT * FROM done;
-- A procedure that is asked to cancel itself hears of it by wf_activity_cancelled(), or by an error of its next heartbeat. (Here it does the asking itself.)
CREATE PROCEDURE cancels(id text, INOUT result text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES (id || ': ' || wf_activity_cancelled());
  PERFORM wf_heartbeat('"before"');
  COMMIT;
  UPDATE durable.activity SET cancel_requested = true;
  COMMIT;
  INSERT INTO done VALUES (id || ': undone');
  PERFORM wf_heartbeat('"after"');
  result := 'not reached';
END $$;
SELECT start_job('asked', '{"name": "cancels", "input": {"id": "asked"}, "mode": "queued"}') \gset
CALL wf_work();
SELECT id, status, error FROM runs('asked');
SELECT * FROM events('asked');
SELECT * FROM done;
-- Caught, it may clean up, and end as it likes.
TRUNCATE done;
CREATE PROCEDURE cleans(id text, INOUT result text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE durable.activity SET cancel_requested = true;
  COMMIT;
  BEGIN
    PERFORM wf_heartbeat();
  EXCEPTION WHEN SQLSTATE 'WF003' THEN
    INSERT INTO done VALUES (id || ': cleaned, ' || wf_activity_cancelled());
  END;
  COMMIT;
  result := 'cleaned';
END $$;
SELECT start_job('cleans', '{"name": "cleans", "input": {"id": "cleans"}, "mode": "queued"}') \gset
CALL wf_work();
SELECT id, status, result FROM runs('cleans');
SELECT * FROM done;

SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
