-- Pausing workflows: no code runs, mail and timers are kept, activities begin no attempts.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE a jsonb = wf_wait_signal('s');
BEGIN PERFORM wf_sleep('1 h'); RETURN jsonb_build_array(a, wf_poll_signal('s')); END $$;
SELECT wf_start('waits', id => 'p') \gset
CALL wf_work();
SELECT wf_pause('p', 'look at it'), wf_pause('p', 'again'), wf_unpause('p', run_id => NULL) AS was, wf_unpause('p') AS again;
CALL wf_work();
SELECT wf_pause('p', 'once more');
SELECT workflow_id, status, pause_reason, paused_at IS NOT NULL AS since, waiting_for FROM wf_executions;
SELECT wf_describe('p')->>'status' AS status, wf_describe('p')->>'pause_reason' AS reason, wf_query('p', '__stack')->>'waiting_for' AS waiting;
-- Signals are recorded, and seen when it goes on.
SELECT wf_signal('p', 's', '1'), wf_signal('p', 's', '2') \gset
CALL wf_work();
SELECT id, status, waiting_for FROM runs('p');
SELECT wf_unpause('p');
CALL wf_work();
SELECT id, status, waiting_for FROM runs('p');
-- Timers run.
SELECT wf_pause('p');
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT id, status, waiting_for FROM runs('p');
SELECT count(*) AS timers FROM wf_timers;
SELECT wf_unpause('p');
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('p');
SELECT n, event, attributes FROM events('p');

-- A run that has not started yet; one in its start delay, which pausing does not shorten.
CREATE FUNCTION quick() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_now() - (wf_info()->>'started_at')::timestamptz > '1 h'; END $$;
SELECT wf_start('quick', id => 'q-now'), wf_start('quick', id => 'q-delay', start_delay => '2 h'), wf_start('quick', id => 'q-over', start_delay => '2 h') \gset
SELECT id, wf_pause(id) FROM unnest('{q-now,q-delay,q-over}'::text[]) id;
CALL wf_work();
SELECT id, status FROM runs('q-%');
SELECT id, wf_unpause(id) FROM unnest('{q-now,q-delay}'::text[]) id;
CALL wf_work();
SELECT id, status, waiting_for FROM runs('q-%');
SET durable.clock_offset = '3h';
CALL wf_work();
SELECT wf_unpause('q-over');
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result FROM runs('q-%');

-- Timeouts close it without a turn; it can be terminated; a cancellation waits.
CREATE FUNCTION cleans_up() RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_wait_signal('s'); RETURN 'signal'; EXCEPTION WHEN SQLSTATE 'WF003' THEN RETURN 'cleaned up'; END $$;
SELECT count(wf_start('cleans_up', id => 'e-' || n, run_timeout => CASE n WHEN 1 THEN interval '1 h' END)) FROM generate_series(1, 3) n;
CALL wf_work();
SELECT count(wf_pause('e-' || n)) FROM generate_series(1, 3) n;
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_terminate('e-2', 'no more'), wf_cancel('e-3');
CALL wf_work();
SELECT id, status, error FROM runs('e-%');
SELECT wf_unpause('e-2') AS closed, wf_unpause('e-3');
CALL wf_work();
SELECT * FROM runs('e-3');

-- Activities in queues: one that runs ends, none begins, and those that were paused by themselves stay so.
CREATE FUNCTION work(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n; END $$;
SELECT start_job('a-runs'), start_job('a-waits'), start_job('a-alone'), start_job('a-queued', '{"mode": "queued", "input": {"n": 1}}') \gset
CALL wf_work(max_turns => 4);
SELECT count(*) FROM wf_activities;
SELECT task_token FROM wf_poll_activities('q') \gset
SELECT wf_pause_activity('a-alone', reason => 'operator');
SELECT id, wf_pause(id, 'stop') FROM unnest('{a-runs,a-waits,a-alone,a-queued}'::text[]) id;
CALL wf_work();
SELECT workflow_id, state, pause_reason FROM wf_activities ORDER BY 1;
SELECT count(*) AS polled FROM wf_poll_activities('q', max => 9);
SELECT wf_complete_activity(:'task_token', '"done"');
CALL wf_work();
SELECT id, status, waiting_for FROM runs('a-%');
SELECT id, wf_unpause(id) FROM unnest('{a-runs,a-waits,a-alone,a-queued}'::text[]) id;
CALL wf_work();
SELECT workflow_id, state, pause_reason FROM wf_activities ORDER BY 1;
SELECT id, status, result FROM runs('a-%');
SELECT workflow_id FROM wf_poll_activities('q', max => 9);
SELECT wf_unpause_activity('a-alone');
SELECT workflow_id FROM wf_poll_activities('q', max => 9);

-- An attempt that fails while its run is paused gets no next one before it goes on.
SELECT start_job('f', '{"task_queue": "f", "retry": {"initial_interval": "1 min"}}') \gset
CALL wf_work();
SELECT task_token FROM wf_poll_activities('f') \gset
SELECT wf_pause('f');
SELECT wf_fail_activity(:'task_token', 'oops', 'it broke');
SET durable.clock_offset = '1h';
CALL wf_work();
SELECT state, attempt FROM wf_activities WHERE workflow_id = 'f';
SELECT wf_unpause('f');
SELECT attempt FROM wf_poll_activities('f');
RESET durable.clock_offset;

-- A turn that fails is not tried while the run is paused, nor is the run listed as stuck.
CREATE FUNCTION broken() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN random(); END $$;
SELECT wf_start('broken', id => 'b') \gset
CALL wf_work();
SELECT count(*) AS stuck FROM wf_stuck WHERE workflow_id = 'b';
SELECT wf_pause('b', 'to be fixed');
SET durable.clock_offset = '1h';
CALL wf_work();
SELECT count(*) AS stuck FROM wf_stuck WHERE workflow_id = 'b';
SELECT turn_failures FROM durable.execution WHERE workflow_id = 'b';
CREATE OR REPLACE FUNCTION broken() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'fixed'; END $$;
SELECT wf_unpause('b');
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('b');

SELECT fails('SELECT wf_pause(''nobody'')'), wf_pause('b') AS closed, wf_unpause('b') AS closed;
