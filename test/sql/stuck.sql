-- Errors that fail the turn, not the workflow: the run stays open, shows in wf_stuck, and goes on once the code is mended.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION stuck() RETURNS TABLE (id text, why text, sqlstate text, hint text, failures int, next_try text) LANGUAGE sql AS $$
  SELECT workflow_id, why, error->>'sqlstate', error->>'hint', failures, CASE WHEN next_try > now() THEN 'later' ELSE 'now' END FROM wf_stuck ORDER BY 1
$$;

-- A fenced call
CREATE FUNCTION fenced() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "before"}');
  PERFORM random();
  RETURN wf_activity('act', '{"what": "after"}');
END $$;
SELECT wf_start('fenced', id => 'fenced') \gset
CALL wf_work();
SELECT * FROM stuck();
SELECT status, error->>'message' AS error, error->>'context' AS context FROM wf_executions WHERE workflow_id = 'fenced';
SELECT d->'turn_failures' AS failures, d->'turn_error'->>'sqlstate' AS state FROM wf_describe('fenced') d;
-- What was done before it stays done, and is not done again at the next try.
SELECT * FROM done;
-- The tries come at growing intervals.
CALL wf_work();
SELECT failures FROM wf_stuck;
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT failures FROM wf_stuck;
SET durable.clock_offset = '3s';
CALL wf_work();
SELECT failures FROM wf_stuck;
SET durable.clock_offset = '5s';
CALL wf_work();
SELECT failures FROM wf_stuck;
-- A signal is kept meanwhile, and does not hasten it.
SELECT wf_signal('fenced', 'hello') \gset
CALL wf_work();
SELECT failures FROM wf_stuck;
-- Mended, it goes on.
CREATE OR REPLACE FUNCTION fenced() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "before"}');
  PERFORM wf_random();
  RETURN wf_activity('act', '{"what": "after"}');
END $$;
SET durable.clock_offset = '1h';
CALL wf_work();
SELECT * FROM runs('fenced');
SELECT * FROM stuck();
SELECT * FROM done;
SELECT n, event FROM events('fenced');
RESET durable.clock_offset;
TRUNCATE done;

-- Nondeterminism: the changed code gives other commands than those recorded.  The run keeps the workflow's own
-- text (versions.sql), but not that of the functions it calls.
CREATE FUNCTION flow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN flow_body(); END $$;
CREATE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_sleep('1 min');
  RETURN wf_wait_signal('go');
END $$;
CREATE FUNCTION act2(what text) RETURNS text LANGUAGE sql AS $$ SELECT 'did ' || what $$;
SELECT wf_start('flow', id => 'flow') \gset
CALL wf_work();
-- another activity,
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act2', '{"what": "one"}');
  PERFORM wf_sleep('1 min');
  RETURN wf_wait_signal('go');
END $$;
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT * FROM stuck();
-- another kind,
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('1 min');
  RETURN wf_wait_signal('go');
END $$;
SET durable.clock_offset = '4min';
CALL wf_work();
SELECT * FROM stuck();
-- an end before the recorded commands are through,
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('act', '{"what": "one"}');
END $$;
SET durable.clock_offset = '10min';
CALL wf_work();
SELECT * FROM stuck();
-- an error before that,
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'new check';
END $$;
SET durable.clock_offset = '20min';
CALL wf_work();
SELECT * FROM stuck();
-- even if the code swallows it.
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    PERFORM wf_activity('act2', '{"what": "one"}');
  EXCEPTION WHEN OTHERS THEN RETURN '"swallowed"';
  END;
END $$;
SET durable.clock_offset = '30min';
CALL wf_work();
SELECT * FROM stuck();
-- Restored, it goes on; the activity ran once.
CREATE OR REPLACE FUNCTION flow_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_sleep('1 min');
  RETURN wf_wait_signal('go');
END $$;
SET durable.clock_offset = '60min';
CALL wf_work();
SELECT * FROM stuck();
SELECT wf_signal('flow', 'go', '"went on"') \gset
CALL wf_work();
SELECT * FROM runs('flow');
SELECT * FROM done;
SELECT n, event FROM events('flow');
RESET durable.clock_offset;

-- A function that was dropped before the first turn, and comes back
CREATE FUNCTION here() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
SELECT wf_start('here', id => 'here') \gset
DROP FUNCTION here();
SELECT wf_signal('here', 'go', '"back"') \gset
CALL wf_work();
SELECT * FROM stuck();
CREATE FUNCTION here() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
SET durable.clock_offset = '10s';
CALL wf_work();
SELECT * FROM runs('here');
RESET durable.clock_offset;
-- Another signature that takes the input will do: the function is known by its name.
SELECT wf_start('here', id => 'here2') \gset
DROP FUNCTION here();
CREATE FUNCTION here(more int DEFAULT 7) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(more, wf_wait_signal('go')); END $$;
SELECT wf_signal('here2', 'go', '"signed"') \gset
CALL wf_work();
SELECT * FROM runs('here2');

-- Code that never reaches a wait
CREATE FUNCTION loops() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOOP NULL; END LOOP; END $$;
SELECT wf_start('loops', id => 'loops') \gset
SET durable.turn_timeout = '100ms';
CALL wf_work();
RESET durable.turn_timeout;
SELECT * FROM stuck();

-- A stuck run can be cancelled only by mended code, but terminated at once.
SELECT wf_terminate('loops', 'hopeless');
SELECT * FROM stuck();
-- A stuck run delays no others.
SELECT wf_start('loops', id => 'loops') \gset
SELECT wf_start('act2', '{"what": "it"}', id => 'fine') \gset
SET durable.turn_timeout = '100ms';
CALL wf_work();
SELECT status, result FROM wf_executions WHERE workflow_id = 'fine';
