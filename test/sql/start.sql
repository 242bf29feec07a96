-- wf_start and its options.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION hello(name text DEFAULT 'world') RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN 'hello ' || name; END $$;
CREATE FUNCTION wait_go() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_wait_signal('go'); END $$;
CREATE FUNCTION boom() RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'boom'; END $$;

-- Without an id the workflow id is the run id; input defaults to {}.
SELECT wf_start('hello') AS run \gset
CALL wf_work();
SELECT workflow_id = run_id::text AS id_is_run_id, workflow, status, result FROM wf_executions WHERE run_id = :'run';
-- A name may be schema-qualified; it is kept as it was given.
SELECT wf_start('test.hello', '{"name":"you"}', id => 'qualified') \gset
CALL wf_work();
SELECT workflow, result FROM wf_executions WHERE workflow_id = 'qualified';

-- on_running
SELECT wf_start('wait_go', id => 'r') AS r1 \gset
SELECT fails($$SELECT wf_start('wait_go', id => 'r')$$);
SELECT wf_start('wait_go', id => 'r', on_running => 'use_existing') = :'r1' AS same_run;
SELECT wf_start('wait_go', id => 'r', on_running => 'terminate_existing') <> :'r1' AS new_run;
SELECT * FROM runs('r');
-- The same holds once the run is waiting.
CALL wf_work();
SELECT fails($$SELECT wf_start('wait_go', id => 'r')$$);
SELECT wf_start('wait_go', id => 'r', on_running => 'terminate_existing') \gset
CALL wf_work();
SELECT * FROM runs('r');

-- on_closed: after a success
SELECT wf_start('hello', id => 'good') \gset
CALL wf_work();
SELECT fails($$SELECT wf_start('hello', id => 'good', on_closed => 'reject')$$);
SELECT fails($$SELECT wf_start('hello', id => 'good', on_closed => 'allow_failed_only')$$);
SELECT wf_start('hello', id => 'good', on_closed => 'allow') \gset
CALL wf_work();
SELECT * FROM runs('good');
-- on_closed: after a failure
SELECT wf_start('boom', id => 'bad') \gset
CALL wf_work();
SELECT fails($$SELECT wf_start('hello', id => 'bad', on_closed => 'reject')$$);
SELECT wf_start('hello', id => 'bad', on_closed => 'allow_failed_only') \gset
CALL wf_work();
SELECT * FROM runs('bad');
-- on_closed says nothing of running runs, on_running nothing of closed ones.
SELECT wf_start('wait_go', id => 'both') \gset
SELECT wf_start('wait_go', id => 'both', on_running => 'use_existing', on_closed => 'reject') IS NOT NULL AS existing;
SELECT wf_terminate('both');
SELECT wf_start('wait_go', id => 'both', on_running => 'use_existing', on_closed => 'allow_failed_only') \gset

-- request_id: the same request starts once, running or closed, whatever its id.
SELECT wf_start('hello', id => 'once', request_id => 'q1') AS q1 \gset
SELECT wf_start('hello', id => 'once', request_id => 'q1') = :'q1' AS same_run;
SELECT wf_start('hello', request_id => 'q1') = :'q1' AS same_run;
CALL wf_work();
SELECT wf_start('hello', id => 'once', request_id => 'q1', on_closed => 'reject') = :'q1' AS same_run;
SELECT * FROM runs('once');
SELECT wf_start('hello', id => 'once', request_id => 'q2') <> :'q1' AS other_run;
CALL wf_work();

-- start_delay
SELECT wf_start('hello', id => 'later', start_delay => '1 hour') \gset
CALL wf_work();
SELECT * FROM runs('later');
SELECT kind, fire_at - now() BETWEEN '59 min' AND '61 min' AS in_an_hour FROM wf_timers WHERE workflow_id = 'later';
SET durable.clock_offset = '59min';
CALL wf_work();
SELECT status FROM wf_executions WHERE workflow_id = 'later';
SET durable.clock_offset = '61min';
CALL wf_work();
SELECT * FROM runs('later');
SELECT * FROM events('later');
RESET durable.clock_offset;
-- A signal waits for the delayed start.
SELECT wf_start('wait_go', id => 'later2', start_delay => '1 hour') \gset
SELECT wf_signal('later2', 'go', '"early"') \gset
CALL wf_work();
SELECT * FROM runs('later2');
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT * FROM runs('later2');
RESET durable.clock_offset;
-- A delay of nothing starts at once.
SELECT wf_start('hello', id => 'now', start_delay => '0') \gset
CALL wf_work();
SELECT * FROM runs('now');

-- run_timeout and execution_timeout close the run as timed out.
SELECT wf_start('wait_go', id => 'rt', run_timeout => '10 min') \gset
SELECT wf_start('wait_go', id => 'et', execution_timeout => '10 min') \gset
CALL wf_work();
SELECT workflow_id, kind FROM wf_timers WHERE workflow_id IN ('rt', 'et') ORDER BY 1;
SET durable.clock_offset = '11min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('_t');
SELECT * FROM events('rt');
SELECT count(*) AS timers FROM wf_timers WHERE workflow_id IN ('rt', 'et');

-- retry: each attempt is a run of its own; the chain shows in the view.
SELECT wf_start('boom', id => 'again', retry => wf_retry(max_attempts => 3)) \gset
CALL wf_work();
SELECT * FROM runs('again');
SET durable.clock_offset = '10s';
CALL wf_work();
SET durable.clock_offset = '20s';
CALL wf_work();
SELECT * FROM runs('again');
SELECT attempt, first_run_id = first_value(run_id) OVER w AS first_known,
  continued_from IS NOT DISTINCT FROM lag(run_id) OVER w AS from_previous,
  next_run_id IS NOT DISTINCT FROM lead(run_id) OVER w AS to_next
FROM wf_executions WHERE workflow_id = 'again' WINDOW w AS (ORDER BY run_id) ORDER BY attempt;
RESET durable.clock_offset;
-- With a run timeout each attempt has its own; the execution timeout ends the chain.
SELECT wf_start('wait_go', id => 'chain', run_timeout => '10 min', execution_timeout => '15 min', retry => wf_retry()) \gset
CALL wf_work();
SET durable.clock_offset = '11min';
CALL wf_work();
SET durable.clock_offset = '12min';
CALL wf_work();
SELECT * FROM runs('chain');
SET durable.clock_offset = '16min';
CALL wf_work();
SELECT * FROM runs('chain');
RESET durable.clock_offset;
-- A delay before the first turn is not part of the run timeout, or a retry whose delay is the longer of the two would never run.
CREATE FUNCTION deadline() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_info()->>'attempt')::int = 1 THEN PERFORM wf_wait_signal('go'); END IF;
  RETURN (wf_info()->>'run_deadline')::timestamptz - (wf_info()->>'started_at')::timestamptz > '1 hour';
END $$;
SELECT wf_start('deadline', id => 'patient', run_timeout => '1 min', retry => wf_retry(initial_interval => '1 hour')) \gset
SELECT wf_start('wait_go', id => 'patient2', run_timeout => '1 min', start_delay => '1 hour') \gset
CREATE FUNCTION with_child() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('wait_go', id => 'patient3', run_timeout => '1 min', start_delay => '1 hour'); END $$;
SELECT wf_start('with_child', id => 'patient4') \gset
CALL wf_work();
SET durable.clock_offset = '5min';
CALL wf_work();
SELECT id, status, attempt, waiting_for, result FROM runs('patient_') UNION ALL SELECT id, status, attempt, waiting_for, result FROM runs('patient');
SET durable.clock_offset = '3630s';
CALL wf_work();
SELECT wf_signal('patient2', 'go', '"late"'), wf_signal('patient3', 'go', '"late"') \gset
CALL wf_work();
SET durable.clock_offset = '3930s';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, attempt, result FROM runs('patient%');
-- A failure listed as non_retryable is final, by SQLSTATE.
SELECT wf_start('boom', id => 'final', retry => wf_retry(non_retryable => '{P0001}')) \gset
CALL wf_work();
SELECT * FROM runs('final');

-- memo and search attributes
SELECT wf_start('wait_go', id => 'labels', memo => '{"note":"x"}', search_attributes => '{"customer":7}') \gset
SELECT memo, search_attributes FROM wf_executions WHERE search_attributes @> '{"customer":7}';
SELECT wf_signal('labels', 'go') \gset
CALL wf_work();
SELECT status, memo, search_attributes FROM wf_executions WHERE workflow_id = 'labels';

-- Namespaces are apart: by the argument, or by the setting.
SELECT wf_start('wait_go', id => 'labels', namespace => 'blue') \gset
SET durable.namespace = 'green';
SELECT wf_start('wait_go', id => 'labels') \gset
CALL wf_work();
SELECT wf_signal('labels', 'go', '"to green"') \gset
RESET durable.namespace;
SELECT wf_signal('labels', 'go', '"to blue"', namespace => 'blue') \gset
CALL wf_work();
SELECT namespace, status, result FROM wf_executions WHERE workflow_id = 'labels' ORDER BY 1;
SELECT wf_result('labels', namespace => 'green');

-- Starts are ordinary rows: many in one statement.
SELECT count(wf_start('hello', jsonb_build_object('name', i), id => 'bulk-' || i)) FROM generate_series(1, 200) i;
CALL wf_work();
SELECT status, count(*), count(DISTINCT result) FROM wf_executions WHERE workflow_id LIKE 'bulk-%' GROUP BY 1;

-- A function that shows no wf_ call at all is a workflow, and so is a SQL function.
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
SELECT wf_start('twice', '{"n":21}', id => 'sql') \gset
CALL wf_work();
SELECT * FROM runs('sql');
