-- wf_terminate and wf_delete.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('state', '"waiting"');
  RETURN wf_wait_signal('go', timeout => '1 hour');
EXCEPTION WHEN OTHERS THEN
  PERFORM wf_activity('act', '{"what": "handler"}');
  RAISE;
END $$;

-- Terminated at once, without running code: waiting, before its first turn, with unread mail.
SELECT wf_start('waits', id => 'waiting') \gset
CALL wf_work();
SELECT wf_start('waits', id => 'unborn') \gset
SELECT wf_signal('waiting', 'other', '7') \gset
SELECT wf_terminate('waiting', 'enough'), wf_terminate('unborn');
SELECT * FROM runs();
CALL wf_work();
SELECT * FROM events('waiting');
SELECT * FROM events('unborn');
SELECT * FROM done;
-- Nothing of it is left to do.
SELECT (SELECT count(*) FROM durable.message) AS mail, (SELECT count(*) FROM durable.timer) AS timers,
  (SELECT count(*) FROM durable.execution) AS open;
-- What it published stays.
SELECT wf_query('waiting', 'state');
-- Terminating again finds nothing to do; so does cancelling.
SELECT wf_terminate('waiting'), wf_cancel('waiting');
SELECT fails($$SELECT wf_terminate('nobody')$$);
-- The id is free again; a run id names the old run.
SELECT run_id AS old FROM wf_executions WHERE workflow_id = 'waiting' \gset
SELECT wf_start('waits', id => 'waiting') \gset
SELECT wf_terminate('waiting', run_id => :'old');
SELECT wf_terminate('waiting', 'the new one');
SELECT * FROM runs('waiting');
-- A terminated workflow is not retried.
SELECT wf_start('waits', id => 'policy', retry => wf_retry()) \gset
SELECT wf_terminate('policy');
CALL wf_work();
SELECT * FROM runs('policy');
-- Rolled back with its transaction
SELECT wf_start('waits', id => 'rolled') \gset
CALL wf_work();
BEGIN;
SELECT wf_terminate('rolled');
ROLLBACK;
SELECT wf_signal('rolled', 'go', '"still here"') \gset
CALL wf_work();
SELECT * FROM runs('rolled');

-- wf_delete removes all there is of the latest run, closed
SELECT wf_delete('rolled');
SELECT * FROM runs('rolled');
SELECT fails($$SELECT wf_delete('rolled')$$);
-- or open.
SELECT wf_start('waits', id => 'gone', request_id => 'gone') \gset
CALL wf_work();
SELECT wf_signal('gone', 'x', to_jsonb(repeat('payload ', 100000)), request_id => 's') \gset
SELECT wf_delete('gone');
CALL wf_work();
SELECT * FROM runs('gone');
-- Only the run a run id names
SELECT wf_delete('waiting', run_id => :'old');
SELECT * FROM runs('waiting');
-- A run id must be one of the workflow id's runs.
SELECT fails(format($$SELECT wf_delete('waiting', run_id => %L)$$, run_id)), fails(format($$SELECT wf_terminate('waiting', run_id => %L)$$, run_id)),
  fails(format($$SELECT wf_cancel('waiting', run_id => %L)$$, run_id)) FROM wf_executions WHERE workflow_id = 'policy';
-- After the last run is deleted, nothing is left anywhere.
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions;
SELECT 'execution' AS "table", count(*) FROM durable.execution UNION ALL SELECT 'closed', count(*) FROM durable.closed
UNION ALL SELECT 'history', count(*) FROM durable.history UNION ALL SELECT 'message', count(*) FROM durable.message
UNION ALL SELECT 'timer', count(*) FROM durable.timer UNION ALL SELECT 'activity', count(*) FROM durable.activity
UNION ALL SELECT 'payload', count(*) FROM durable.payload UNION ALL SELECT 'state', count(*) FROM durable.state
UNION ALL SELECT 'signal_request', count(*) FROM durable.signal_request;
