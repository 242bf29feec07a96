-- wf_child: outcomes, ids, policies, cancellation, retries, nesting.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- What is left behind, when all is done: nothing.
CREATE FUNCTION left_behind() RETURNS TABLE (executions bigint, messages bigint, timers bigint, activities bigint) LANGUAGE sql AS $$
  SELECT (SELECT count(*) FROM durable.execution), (SELECT count(*) FROM durable.message),
    (SELECT count(*) FROM durable.timer), (SELECT count(*) FROM durable.activity)
$$;
-- Events without ids that differ.
CREATE FUNCTION family(id text) RETURNS TABLE (n bigint, event text, attributes jsonb) LANGUAGE sql AS $$
  SELECT e.n, e.event, regexp_replace(e.attributes::text, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<uuid>', 'g')::jsonb #- '{failure,cause,context}'
  FROM events(id) e
$$;
-- How a child's failure looks to its parent.
CREATE FUNCTION try_child(workflow text, input jsonb DEFAULT '{}', id text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text;
BEGIN
  RETURN wf_child(workflow, input, id, coalesce(options->>'policy', 'terminate'), coalesce(options->>'on_closed', 'allow'),
    run_timeout => (options->>'run_timeout')::interval, execution_timeout => (options->>'execution_timeout')::interval,
    start_delay => (options->>'start_delay')::interval, retry => options->'retry', cancellation => coalesce(options->>'cancellation', 'wait'));
EXCEPTION WHEN SQLSTATE 'WF003' OR SQLSTATE 'WF004' THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  IF detail = '' THEN detail := NULL; END IF;
  RETURN jsonb_build_object('state', state, 'message', message, 'detail', (detail::jsonb - 'run_id' #- '{context}') || '{}');
END $$;

-- The result, and what parent and child know of each other.
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS $$ SELECT 2 * n $$;
CREATE FUNCTION parent(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('double', jsonb_build_object('n', n), id => 'kid');
END $$;
SELECT wf_start('parent', '{"n": 21}', id => 'p') \gset
CALL wf_work();
SELECT * FROM runs();
SELECT * FROM family('p');
SELECT * FROM family('kid');
SELECT workflow_id, parent_workflow_id, parent_run_id = :'wf_start' AS of_this_run FROM wf_executions WHERE workflow_id = 'kid';
SELECT wf_describe('kid')->'parent_workflow_id' AS parent, wf_describe('p')->'children' AS children;
SELECT * FROM left_behind();
-- Without an id the child's run id is its workflow id; its function is found in the settings of the parent.
CREATE FUNCTION who() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('1 min');
  RETURN jsonb_build_object('own id', wf_info()->>'workflow_id' = wf_info()->>'run_id', 'parent', wf_info()->'parent_workflow_id',
    'parent_run', wf_info()->>'parent_run_id' IS NOT NULL, 'attempt', wf_info()->'attempt', 'tz', current_setting('TimeZone'));
END $$;
SET TimeZone = 'Asia/Tokyo';
SELECT wf_start('try_child', '{"workflow": "who"}', id => 'asks') \gset
RESET TimeZone;
CALL wf_work();
SELECT waiting_for, waiting_at FROM wf_executions WHERE workflow_id = 'asks';
SELECT c->'command' AS command, c->'workflow' AS workflow, c->'status' AS status, c->>'run_id' = c->>'workflow_id' AS same
  FROM jsonb_array_elements(wf_describe('asks')->'children') c;
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('asks');

-- Every way to end badly.
CREATE FUNCTION bad(how text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF how = 'fail' THEN RAISE EXCEPTION 'broken' USING ERRCODE = 'P0042'; END IF;
  IF how = 'divide' THEN PERFORM wf_sql('SELECT 1/0'); END IF;
  RETURN wf_wait_signal('never');
END $$;
CREATE FUNCTION try_bad(how text, kid text, options jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
  AS $$ SELECT try_child('bad', jsonb_build_object('how', how), kid, options) $$;
SELECT count(wf_start('try_bad', jsonb_build_object('how', how, 'kid', 'kid-' || how, 'options',
    CASE how WHEN 'run_timeout' THEN '{"run_timeout": "1 min"}' WHEN 'execution_timeout' THEN '{"execution_timeout": "1 min"}' ELSE '{}' END::jsonb),
  id => 'bad-' || how)) FROM unnest('{fail,divide,terminate,delete,cancel,run_timeout,execution_timeout}'::text[]) how;
CALL wf_work();
SELECT * FROM runs('bad-%');
SELECT wf_terminate('kid-terminate', 'enough'), wf_delete('kid-delete'), wf_cancel('kid-cancel', 'not you');
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, jsonb_pretty(result) AS result FROM runs('bad-%');
SELECT * FROM left_behind();

-- What cannot be started: no function, no right, an input that does not fit, an id in use.
CREATE PROCEDURE no_function() LANGUAGE sql AS $$ $$;
SELECT wf_start('try_child', '{"workflow": "missing", "id": "m"}', id => 'no-1') \gset
SELECT wf_start('try_child', '{"workflow": "no_function"}', id => 'no-2') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"m": 1}}', id => 'no-3') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": "x"}}', id => 'no-4') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 1}, "id": "no-5"}', id => 'no-5') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 1}, "id": "kid", "options": {"on_closed": "reject"}}', id => 'no-6') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 1}, "id": "kid-fail", "options": {"on_closed": "allow_failed_only"}}', id => 'yes-1') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 1}, "id": "kid", "options": {"on_closed": "allow_failed_only"}}', id => 'no-7') \gset
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 1}, "id": "kid"}', id => 'yes-2') \gset
CALL wf_work();
SELECT id, status, result->>'state' AS state, result->>'message' AS message, result->'detail'->>'type' AS type, result->'detail'->>'sqlstate' AS sqlstate FROM runs('no-_');
SELECT id, status, result FROM runs('yes-_');
SELECT * FROM family('no-1');
SELECT * FROM family('no-5');
SELECT * FROM left_behind();

-- Start later.
SELECT wf_start('try_child', '{"workflow": "double", "input": {"n": 4}, "id": "later", "options": {"start_delay": "1 min"}}', id => 'waits-for-later') \gset
CALL wf_work();
SELECT * FROM runs('later');
SELECT * FROM events('later');
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('%later');

-- Retries of the child are the child's: its parent hears of the last.
CREATE FUNCTION third() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_info()->>'attempt')::int < 3 THEN RAISE EXCEPTION 'attempt %', wf_info()->'attempt'; END IF;
  RETURN wf_info()->'attempt';
END $$;
SELECT wf_start('try_child', '{"workflow": "third", "id": "third", "options": {"retry": {"initial_interval": "1s"}}}', id => 'retry-1') \gset
SELECT wf_start('try_child', '{"workflow": "third", "id": "second", "options": {"retry": {"max_attempts": 2}}}', id => 'retry-2') \gset
CALL wf_work();
SET durable.clock_offset = '10s';
CALL wf_work();
SET durable.clock_offset = '30s';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, attempt, result - 'detail' AS result, error FROM runs('retry-_');
SELECT id, status, attempt, result, error FROM runs('%d') WHERE id IN ('second', 'third');
SELECT event, attributes - 'workflow_id' AS attributes FROM family('retry-2');

-- A parent that does not catch it fails with it; a chain of them.
CREATE FUNCTION chain(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF n = 0 THEN RAISE EXCEPTION 'at the end'; END IF;
  RETURN wf_child('chain', jsonb_build_object('n', n - 1), id => 'chain-' || n - 1);
END $$;
SELECT wf_start('chain', '{"n": 3}', id => 'chain-3') \gset
CALL wf_work();
SELECT id, status, error FROM runs('chain-_');
SELECT error->>'sqlstate' AS sqlstate, error->>'type' AS type, error->'cause'->>'workflow_id' AS child,
  error->'cause'->'cause'->>'workflow_id' AS grandchild FROM wf_executions WHERE workflow_id = 'chain-3';

-- Policies: what becomes of open children, three levels deep, however the parent ends.
CREATE FUNCTION rests(policy text, depth int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF depth > 0 THEN
    PERFORM wf_child('rests', jsonb_build_object('policy', policy, 'depth', depth - 1),
      id => (wf_info()->>'workflow_id') || '/' || policy, parent_close_policy => policy);
  END IF;
  PERFORM wf_wait_signal('go');
  RETURN 'went';
END $$;
CREATE FUNCTION ends(how text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_child('rests', jsonb_build_object('policy', wf_info()->'memo'->>'policy', 'depth', 1),
    id => (wf_info()->>'workflow_id') || '/', parent_close_policy => wf_info()->'memo'->>'policy', cancellation => 'abandon');
  RETURN 'no';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  IF how = 'complete' THEN RETURN 'yes'; END IF;
  IF how = 'fail' THEN RAISE EXCEPTION 'failed'; END IF;
  RAISE;
END $$;
SELECT count(wf_start('ends', jsonb_build_object('how', how), id => how || '-' || policy, memo => jsonb_build_object('policy', policy),
    run_timeout => CASE WHEN how = 'timeout' THEN '1min'::interval END))
  FROM unnest('{complete,fail,cancel,timeout,terminate}'::text[]) how, unnest('{terminate,cancel,abandon}'::text[]) policy;
CALL wf_work();
SELECT status, count(*) FROM wf_executions WHERE workflow_id ~ '^(complete|fail|cancel|timeout|terminate)-' GROUP BY 1;
SELECT bool_and(CASE WHEN workflow_id ~ 'terminate-' THEN wf_terminate(workflow_id) ELSE wf_cancel(workflow_id) END)
  FROM wf_executions WHERE workflow_id ~ '^(complete|fail|cancel|terminate)-[a-z]*$' AND status = 'running';
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, waiting_for, result, error FROM runs('%') WHERE id ~ '^(complete|fail|cancel|timeout|terminate)-';
SELECT * FROM family('timeout-terminate/');
SELECT * FROM family('timeout-cancel/');
-- Abandoned ones go on, and nobody is told.
SELECT count(wf_signal(workflow_id, 'go')) FROM wf_executions WHERE status = 'running' AND workflow_id !~ '/$';
CALL wf_work();
SELECT count(wf_signal(workflow_id, 'go')) FROM wf_executions WHERE status = 'running';
CALL wf_work();
SELECT * FROM runs('%/abandon');
SELECT * FROM left_behind();

-- Cancelling a parent that waits for a child, by each cancellation type.
CREATE FUNCTION stubborn(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('never');
  RETURN 'no';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  IF what = 'finish' THEN RETURN 'finished: ' || SQLERRM; END IF;
  PERFORM wf_wait_signal('go');
  RAISE;
END $$;
CREATE FUNCTION boss(what text, type text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb;
BEGIN
  r := try_child('stubborn', jsonb_build_object('what', what), (wf_info()->>'workflow_id') || '/kid', jsonb_build_object('cancellation', type, 'policy', 'abandon'));
  RETURN r || jsonb_build_object('requested', wf_cancel_requested());
END $$;
SELECT count(wf_start('boss', jsonb_build_object('what', what, 'type', type), id => 'boss-' || type || '-' || what))
  FROM unnest('{wait,wait_requested,try_cancel,abandon}'::text[]) type, unnest('{finish,raise}'::text[]) what;
CALL wf_work();
SELECT count(wf_cancel(id, 'stop')) FROM runs('boss-%') WHERE id !~ '/';
CALL wf_work();
SELECT id, status, waiting_for, result FROM runs('boss-%');
SELECT * FROM family('boss-wait-raise');
SELECT * FROM family('boss-abandon-raise');
SELECT count(wf_signal(workflow_id, 'go')) FROM wf_executions WHERE status = 'running' AND workflow_id ~ 'boss.*/' AND workflow_id !~ 'abandon';
CALL wf_work();
SELECT id, status, waiting_for, result FROM runs('boss-wait-%');
SELECT * FROM family('boss-wait-raise');
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';
-- Not caught, the parent is cancelled.
CREATE FUNCTION plain_boss() RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_child('stubborn', '{"what": "raise"}', 'plain-kid') $$;
SELECT wf_start('plain_boss', id => 'plain-boss') \gset
CALL wf_work();
SELECT wf_cancel('plain-boss', 'all of you');
CALL wf_work();
SELECT wf_signal('plain-kid', 'go');
CALL wf_work();
SELECT * FROM runs('plain-%');

-- A large input and a large result have a row of their own on both sides.
CREATE FUNCTION blow(t text) RETURNS text LANGUAGE sql AS $$ SELECT t || t $$;
CREATE FUNCTION big() RETURNS int LANGUAGE sql AS $$
  SELECT length(wf_child('blow', jsonb_build_object('t', repeat('x', 20000)), id => 'big-kid') #>> '{}')
$$;
SELECT wf_start('big', id => 'big') \gset
CALL wf_work();
SELECT id, status, length(result::text) FROM runs('big%');
SELECT e.workflow_id, count(*), sum(length(p.data::text)) FROM durable.payload p JOIN wf_executions e USING (run_id) GROUP BY 1 ORDER BY 1;
SELECT wf_delete('big-kid');
SELECT event, left(attributes::text, 60) FROM family('big') WHERE event LIKE 'child%';

-- Many children of one parent, one after the other, and their order.
CREATE FUNCTION many(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE s int := 0;
BEGIN
  FOR i IN 1..n LOOP s := s + wf_child('double', jsonb_build_object('n', i))::int; END LOOP;
  RETURN s;
END $$;
SELECT wf_start('many', '{"n": 60}', id => 'many') \gset
CALL wf_work();
SELECT * FROM runs('many');

-- Priority and fairness go to the child unless it has its own.
CREATE FUNCTION ranked() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('x', task_queue => 'q'); END $$;
CREATE FUNCTION ranks(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF n = 1 THEN RETURN wf_child('ranked'); END IF;
  IF n = 2 THEN RETURN wf_child('ranked', priority => 1, fairness_key => 'b'); END IF;
  RETURN wf_child('ranked', priority => 3, fairness_key => 'a', fairness_weight => 2);
END $$;
SELECT count(wf_start('ranks', jsonb_build_object('n', n), id => 'ranks-' || n, priority => 4, fairness_key => 'a', fairness_weight => 5)) FROM generate_series(1, 3) n;
CALL wf_work();
SELECT e.parent_workflow_id, a.priority, a.fairness_key, a.fairness_weight FROM wf_activities a JOIN wf_executions e USING (run_id) ORDER BY 1;
SELECT count(wf_terminate(id)) FROM runs('ranks-_');
SELECT * FROM left_behind();

-- Bad arguments, and outside workflow code.
SELECT fails($$SELECT wf_child('double')$$);
SELECT fails($$SELECT wf_signal_external('x', 'y')$$);
SELECT fails($$SELECT wf_cancel_external('x')$$);
CREATE FUNCTION bad_argument(statement text) RETURNS text LANGUAGE sql AS $$ SELECT fails(statement) $$;
SELECT count(wf_start('bad_argument', jsonb_build_object('statement', s), id => 'argument-' || n)) FROM unnest(ARRAY[
  $$SELECT wf_child('double', parent_close_policy => 'maybe')$$, $$SELECT wf_child('double', cancellation => 'now')$$,
  $$SELECT wf_child('double', memo => '1')$$, $$SELECT wf_child(NULL)$$, $$SELECT wf_child('double', on_closed => NULL)$$,
  $$SELECT wf_child('double', run_timeout => '-1s')$$, $$SELECT wf_signal_external('x', NULL)$$, $$SELECT wf_cancel_external('')$$]) WITH ORDINALITY x(s, n);
CALL wf_work();
SELECT id, status, result FROM runs('argument-%');

-- Code that changed its mind: the run keeps what it began with.
CREATE OR REPLACE FUNCTION parent(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('bad', '{"how": "wait"}', id => 'fickle-kid');
END $$;
SELECT wf_start('parent', '{"n": 1}', id => 'fickle') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION parent(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('double', jsonb_build_object('n', n));
END $$;
SELECT wf_terminate('fickle-kid');
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck;
SELECT id, status, error FROM runs('fickle');
SELECT wf_delete('fickle');
SELECT * FROM left_behind();

-- A child knows its parent's id also when the parent has been deleted: what it asked for with it is replayed.
CREATE FUNCTION orphan() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_signal_external(wf_info()->>'parent_workflow_id', 'hello');
  PERFORM wf_wait_signal('go');
  RETURN wf_info()->>'parent_workflow_id';
END $$;
CREATE FUNCTION short_lived() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_start_child('orphan', id => 'orphan', parent_close_policy => 'abandon');
  RETURN wf_wait_signal('hello');
END $$;
SELECT wf_start('short_lived', id => 'short-lived') \gset
CALL wf_work();
SELECT wf_delete('short-lived');
SELECT wf_signal('orphan', 'go') \gset
CALL wf_work();
SELECT status, result, parent_workflow_id FROM wf_executions WHERE workflow_id = 'orphan';
