-- The views, and wf_history.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- The columns
SELECT c.relname AS view, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relname LIKE 'wf\_%' AND c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 1;

CREATE FUNCTION act(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n = 2 THEN RAISE EXCEPTION 'not two'; END IF; RETURN n; END $$;
CREATE FUNCTION helper(seconds int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- waits
  PERFORM
    wf_sleep(seconds * interval '1 second');
END $$;
CREATE FUNCTION flow(mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE x jsonb;
BEGIN
  PERFORM wf_activity('act', '{"n": 1}', summary => 'the first');
  IF mode = 'signal' THEN PERFORM wf_wait_signal('go'); END IF;
  IF mode = 'timeout' THEN PERFORM wf_wait_signal('go', '1 hour'); END IF;
  IF mode = 'helper' THEN PERFORM helper(3600); END IF;
  IF mode = 'until' THEN PERFORM wf_sleep_until(wf_now() + interval '1 day'); END IF;
  IF mode = 'retry' THEN PERFORM wf_activity('act', '{"n": 2}', retry => wf_retry()); END IF;
  IF mode = 'fail' THEN PERFORM wf_activity('act', '{"n": 2}'); END IF;
  IF mode = 'assign' THEN x := wf_wait_signal('go'); END IF;
  IF mode = 'condition' AND wf_wait_signal('go') IS NULL THEN NULL; END IF;
  RETURN mode;
END $$;
SELECT count(wf_start('flow', jsonb_build_object('mode', m), id => m)) FROM unnest('{signal,timeout,helper,until,retry,assign,condition,fail,end}'::text[]) m;
SELECT wf_start('flow', '{"mode": "delayed"}', id => 'delayed', start_delay => '1 hour') \gset
-- Before the first turn a run has its first event; the input shows.
SELECT event_id, event_type, attributes FROM wf_events e JOIN wf_executions USING (run_id) WHERE workflow_id = 'signal';
SELECT workflow_id, status, input, history_events, waiting_for FROM wf_executions ORDER BY run_id;
CALL wf_work();
-- Where each waits: for what, in which function, at which line
SELECT workflow_id, status, waiting_for, waiting_at, waiting_since IS NOT NULL AS since, history_events, result, error->>'message' AS error
FROM wf_executions ORDER BY run_id;
SELECT workflow_id, kind, command FROM wf_timers ORDER BY workflow_id;
SELECT workflow, function, owner = current_user::regrole AS owner, started_at <= now() AS started, closed_at >= started_at AS closed, attempt,
  first_run_id = run_id AS first, continued_from, next_run_id, request_id, input, result, history_bytes > 0 AS bytes
FROM wf_executions WHERE workflow_id = 'end';
SELECT event_id, event_type, attributes, at <= now() AS at FROM wf_history('end');
-- wf_history: of the latest run, or of a run id
SELECT run_id AS old FROM wf_executions WHERE workflow_id = 'end' \gset
SELECT wf_start('flow', '{"mode": "end"}', id => 'end') \gset
SELECT count(*) FROM wf_history('end');
SELECT count(*) FROM wf_history('end', :'old');
SELECT fails($$SELECT * FROM wf_history('nobody')$$);
-- Events are numbered without gaps, in order of time.
CALL wf_work();
SELECT count(*) FROM (SELECT event_id <> row_number() OVER w OR at < lag(at) OVER w AS bad FROM wf_events
  WINDOW w AS (PARTITION BY run_id ORDER BY event_id)) x WHERE bad;
-- The views read each other's runs together.
SELECT e.workflow_id, count(*) FROM wf_executions e JOIN wf_events v USING (run_id) WHERE e.status = 'running' GROUP BY 1 ORDER BY 1;
-- wf_workers: here are none but the scheduler, and what polled for activities in other tests.
SELECT kind, database, role FROM wf_workers WHERE kind NOT IN ('scheduler', 'external');
-- Nothing is stuck but runs that no worker will take: durable.max_workers is 0 here.
SELECT wf_start('flow', '{"mode": "end"}', id => 'unborn') \gset
SELECT workflow_id, why, failures FROM wf_stuck;
CALL wf_work();
SELECT workflow_id, why, failures FROM wf_stuck;
