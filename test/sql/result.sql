-- wf_result, and WF012, WF015, WF016; CALL wf_execute.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION ok(v jsonb DEFAULT '1', unused int DEFAULT 0) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN v; END $$;
CREATE FUNCTION boom() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom' USING ERRCODE = 'AB123', HINT = 'a hint'; END $$;
CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;

-- One run for each way to end
SELECT wf_start('ok', '{"v": {"x": [1]}}', id => 'completed') \gset
SELECT wf_start('ok', '{"v": null}', id => 'null') \gset
SELECT wf_start('boom', id => 'failed') \gset
SELECT wf_start('waits', id => 'cancelled') \gset
SELECT wf_start('waits', id => 'terminated') \gset
SELECT wf_start('waits', id => 'timed out', run_timeout => '1 hour') \gset
SELECT wf_start('waits', id => 'timed out 2', execution_timeout => '1 hour') \gset
SELECT wf_start('waits', id => 'open') \gset
CALL wf_work();
SELECT wf_cancel('cancelled', 'not wanted'), wf_terminate('terminated', 'enough') \gset
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_result('completed'), wf_result('null') IS NULL AS "null";
-- What did not complete raises WF012; the detail has the status and the failure.
SELECT fails(format('SELECT wf_result(%L)', id)) FROM runs() WHERE status NOT IN ('completed', 'running');
SELECT fails($$SELECT wf_result('nobody')$$);

-- WF015 when it is still running after the timeout, also at once
SELECT fails($$SELECT wf_result('open', timeout => '20 ms')$$);
SELECT fails($$SELECT wf_result('open', timeout => '0')$$);
-- A closed run is not waited for.
SELECT wf_result('completed', timeout => '0');
-- WF016 when it was started in this very transaction and cannot have run
BEGIN;
SELECT wf_start('ok', id => 'mine') \gset
SELECT fails($$SELECT wf_result('mine', timeout => '10 s')$$);
SAVEPOINT s;
SELECT wf_start('ok', id => 'mine 2') \gset
SELECT fails($$SELECT wf_result('mine 2')$$);
ROLLBACK TO s;
SELECT fails($$SELECT wf_result('mine 2')$$);
COMMIT;
CALL wf_work();
SELECT wf_result('mine');
-- but not for a run that this transaction only signalled.
BEGIN;
SELECT wf_signal('open', 'go', '5') \gset
SELECT fails($$SELECT wf_result('open', timeout => '20 ms')$$);
COMMIT;
CALL wf_work();
SELECT wf_result('open');

-- The latest run counts, unless a run id says which one.
SELECT wf_start('ok', '{"v": "old"}', id => 'twice') AS old \gset
CALL wf_work();
SELECT wf_start('ok', '{"v": "new"}', id => 'twice') \gset
CALL wf_work();
SELECT wf_result('twice'), wf_result('twice', run_id => :'old');
SELECT fails(format($$SELECT wf_result('failed', run_id => %L)$$, :'old'));

-- A chain of retries is followed to its end, from any of its runs.
CREATE SEQUENCE tries;
CREATE FUNCTION try() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN nextval('tries'); END $$;
CREATE FUNCTION third() RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int = wf_activity('try');
BEGIN
  IF n < 3 THEN RAISE EXCEPTION 'not yet, %', n; END IF;
  RETURN 'attempt ' || (wf_info()->>'attempt');
END $$;
SELECT wf_start('third', id => 'chain', retry => wf_retry()) AS first \gset
CALL wf_work();
SELECT fails($$SELECT wf_result('chain', timeout => '0')$$), fails(format($$SELECT wf_result('chain', '0', %L)$$, :'first'));
SET durable.clock_offset = '5s';
CALL wf_work();
SET durable.clock_offset = '15s';
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_result('chain'), wf_result('chain', run_id => :'first');
SELECT setval('tries', 1, false) \gset
SELECT wf_start('third', id => 'short', retry => wf_retry(max_attempts => 2)) AS first \gset
CALL wf_work();
SET durable.clock_offset = '5s';
CALL wf_work();
RESET durable.clock_offset;
SELECT fails($$SELECT wf_result('short')$$), fails(format($$SELECT wf_result('short', run_id => %L)$$, :'first'));

-- CALL wf_execute: start, run and result in one call.
CALL wf_execute('ok', '{"v": {"a": 1}}');
CALL wf_execute('ok', '{"v": null}', id => 'exec');
CALL wf_execute('third', id => 'exec 2');
CALL wf_execute('boom', id => 'exec 3');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM runs('exec%');
-- An id that is taken; an existing run's result
CALL wf_execute('ok', id => 'exec', on_closed => 'reject');
SELECT wf_start('ok', '{"v": "there before"}', id => 'exec 4') \gset
\set VERBOSITY terse
CALL wf_execute('ok', id => 'exec 4');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
-- From PL/pgSQL, with the result in a variable
DO $$
DECLARE r jsonb;
BEGIN
  CALL wf_execute('ok', '{"v": "from DO"}', r);
  RAISE NOTICE 'result %', r;
END $$;
-- It commits, so it may not be called where that is impossible.
BEGIN;
CALL wf_execute('ok', id => 'never');
ROLLBACK;
CREATE FUNCTION in_function() RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE r jsonb; BEGIN CALL wf_execute('ok', '{}', r, id => 'never'); RETURN r; END $$;
SELECT fails('SELECT in_function()');
SELECT * FROM runs('never');
-- Other runs of this role that wait for their turn are left alone.
SELECT status FROM wf_executions WHERE workflow_id = 'exec 4';

-- wf_wait tells how it ended, and never fails for that.
CREATE VIEW waits AS SELECT x.id, w.status, w.result, w.failure->>'type' AS type, w.failure->>'message' AS message,
  w.run_id = (SELECT run_id FROM wf_executions e WHERE e.workflow_id = x.id ORDER BY started_at DESC LIMIT 1) AS last_run
  FROM unnest(ARRAY['exec', 'exec 3', 'open', 'chain', 'wait stopped', 'wait cancelled', 'wait late']) WITH ORDINALITY x(id, n), wf_wait(x.id, timeout => '0') w ORDER BY x.n;
SELECT wf_start('waits', id => 'wait stopped'), wf_start('waits', id => 'wait cancelled'), wf_start('waits', id => 'wait late', run_timeout => '1 hour') \gset
CALL wf_work();
SELECT wf_terminate('wait stopped', 'not needed'), wf_cancel('wait cancelled', 'nor that');
SELECT status FROM wf_wait('wait late', timeout => '0');
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
TABLE waits;
SELECT fails($$SELECT wf_wait('nobody')$$);
BEGIN;
SELECT wf_start('ok', '{"v": 1}', id => 'wait own') \gset
SELECT fails($$SELECT wf_wait('wait own')$$);
ROLLBACK;
-- CALL wf_await_result: wf_result without a snapshot
CALL wf_await_result('exec');
CALL wf_await_result('exec 3');
\set VERBOSITY terse
SELECT wf_start('waits', id => 'wait on') \gset
CALL wf_await_result('wait on', timeout => '1 ms');
CALL wf_await_result('nobody');
BEGIN;
CALL wf_await_result('exec');
ROLLBACK;
\set VERBOSITY default
SET default_transaction_isolation = 'repeatable read';
DO $$
DECLARE r jsonb;
BEGIN
  CALL wf_await_result('exec', r);
  RAISE NOTICE 'result %, isolation %', r, current_setting('transaction_isolation');
END $$;
RESET default_transaction_isolation;
