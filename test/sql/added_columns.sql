-- An upgrade adds columns to our tables, and moves one, in the middle of the lives of runs and activities
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION long_life(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  a jsonb := wf_activity('twice', jsonb_build_object('n', n));
  b jsonb;
  c jsonb;
BEGIN
  b := wf_activity('fetch', jsonb_build_object('n', n), task_queue => 'out', retry => wf_retry(initial_interval => '0', max_attempts => 3), fairness_key => 'k', fairness_weight => 2);
  c := wf_wait_signal('go');
  RETURN jsonb_build_array(a, b, c, wf_random() < 1);
END $$;
CREATE FUNCTION start_one(id text) RETURNS void LANGUAGE sql AS $$
  SELECT wf_start('long_life', '{"n": 4}', id => id, memo => '{"m": 1}', search_attributes => '{"s": "x"}', priority => 2, run_timeout => '1 hour') $$;
CREATE FUNCTION go_on() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  task record;
BEGIN
  SELECT * INTO STRICT task FROM wf_poll_activities('out');
  PERFORM wf_fail_activity(task.task_token, 'once more');
  SELECT * INTO STRICT task FROM wf_poll_activities('out');
  PERFORM wf_complete_activity(task.task_token, to_jsonb(task.attempt));
  RETURN task.activity || ' ' || task.input::text || ' ' || task.attempt;
END $$;

SELECT start_one(id) FROM unnest('{first,second}'::text[]) id;
CALL wf_work();
SELECT go_on();
CALL wf_work();
-- one closed before, to be reset after
SELECT wf_start('twice', '{"n": 1}', id => 'closed') \gset
CALL wf_work();

ALTER TABLE durable.execution ADD COLUMN added text, DROP COLUMN seed;
ALTER TABLE durable.execution ADD COLUMN seed uuid;
ALTER TABLE durable.closed ADD COLUMN added int DEFAULT 3, DROP COLUMN weight;
ALTER TABLE durable.closed ADD COLUMN weight float8, DROP COLUMN seed;
ALTER TABLE durable.closed ADD COLUMN seed uuid;
ALTER TABLE durable.activity ADD COLUMN gone int, ADD COLUMN added text;
ALTER TABLE durable.activity DROP COLUMN gone;

SELECT go_on();
CALL wf_work();
SELECT start_one('new');
CALL wf_work();
SELECT go_on();
CALL wf_work();
SELECT workflow_id, waiting_for, memo, search_attributes FROM wf_executions WHERE status = 'running' ORDER BY 1;
SELECT wf_signal(id, 'go', '"gone"') FROM unnest('{first,second,new}'::text[]) id;
CALL wf_work();
SELECT workflow_id, status, result, memo, search_attributes FROM wf_executions ORDER BY 1;
SELECT workflow_id, version, history_events, priority, run_timeout, added FROM durable.closed ORDER BY 1;
SELECT wf_reset('closed', to_event => 1) IS NOT NULL AS reset;
CALL wf_work();
SELECT e.status, e.result, c.added FROM wf_executions e JOIN durable.closed c USING (run_id) WHERE e.workflow_id = 'closed' ORDER BY c.closed_at;
SELECT count(*) FROM durable.activity;
ALTER TABLE durable.execution DROP COLUMN added;
ALTER TABLE durable.closed DROP COLUMN added;
ALTER TABLE durable.activity DROP COLUMN added;
