-- What operators do with activities that are not done: pause, unpause, reset, change options; by id, by type, all of a workflow.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION pending(pattern text DEFAULT '%') RETURNS TABLE (id text, activity_id text, activity text, state text, attempt int, details jsonb, last_failure text, reason text) LANGUAGE sql AS $$
  SELECT workflow_id, a.activity_id, a.activity, a.state, a.attempt, heartbeat_details, a.last_failure->>'message', pause_reason FROM wf_activities a
  WHERE workflow_id LIKE pattern ORDER BY workflow_id, command
$$;
-- Several at once: a workflow that goes on when it is cancelled, with activities it abandons.
CREATE FUNCTION several() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('resize', task_queue => 'q', activity_id => 'small', cancellation => 'abandon');
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_shield();
  PERFORM wf_activity('resize', task_queue => 'q', activity_id => 'large');
END $$;
CREATE FUNCTION start_several(id text) RETURNS uuid LANGUAGE sql AS $$ SELECT wf_start('several', id => id) $$;

-- While it waits: out of the queue, and in again.
SELECT start_job('w') \gset
CALL wf_work();
SELECT wf_pause_activity('w', reason => 'the service is down');
SELECT * FROM pending();
SELECT paused_at <= now() AS paused_at, pause_reason, depth, paused FROM wf_activities a JOIN wf_task_queues USING (task_queue) WHERE workflow_id = 'w';
SELECT count(*) FROM wf_poll_activities('q');
-- Once is enough.
SELECT wf_pause_activity('w', reason => 'again');
CALL wf_work();
SELECT * FROM pending();
SELECT wf_unpause_activity('w'), wf_unpause_activity('w') AS again;
SELECT * FROM pending();
SELECT wf_complete_activity(task_token, '"done"') FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
SELECT wf_result('w');
-- It leaves nothing in the history.
SELECT event FROM events('w');
-- Rolled back it did not happen.
SELECT start_job('rolled back') \gset
CALL wf_work();
BEGIN;
SELECT wf_pause_activity('rolled back');
SELECT count(*) FROM wf_poll_activities('q');
ROLLBACK;
SELECT count(*) FROM wf_poll_activities('q');
SELECT wf_terminate('rolled back') \gset

-- While it runs: the attempt goes on; its worker hears of it by its heartbeat. No other attempt begins.
SELECT start_job('r') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_pause_activity('r');
SELECT * FROM pending();
SELECT * FROM wf_heartbeat_activity(:'t', '"at 10"');
SELECT wf_fail_activity(:'t', 'Paused', 'gives up', next_retry_delay => '1 s') \g (tuples_only)
SELECT * FROM pending();
SET durable.clock_offset = '100s';
CALL wf_work();
SELECT * FROM pending();
SELECT count(*) FROM wf_poll_activities('q');
-- Unpaused, it is tried at once, though its backoff may not be over.
SELECT wf_unpause_activity('r');
SELECT task_token AS t, attempt, heartbeat_details AS details FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'details' AS details;
RESET durable.clock_offset;
-- Paused and unpaused while it runs: as if nothing had been.
SELECT wf_pause_activity('r'), wf_unpause_activity('r');
SELECT * FROM wf_heartbeat_activity(:'t');
-- Paused, it may complete,
SELECT wf_pause_activity('r');
SELECT wf_complete_activity(:'t', '"all the same"') \g (tuples_only)
CALL wf_work();
SELECT wf_result('r');
-- or fail for good, or be cancelled.
SELECT start_job('r1', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1))), start_job('r2', '{"task_queue": "q", "cancellation": "wait"}'), start_job('r3', '{"task_queue": "q", "cancellation": "wait"}') \gset
CALL wf_work();
CREATE TABLE task AS SELECT workflow_id AS id, task_token AS token FROM wf_poll_activities('q', 2);
SELECT wf_pause_activity('r1'), wf_pause_activity('r2'), wf_pause_activity('r3');
SELECT wf_fail_activity(token) FROM task WHERE id = 'r1' \g (tuples_only)
SELECT wf_cancel('r2'), wf_cancel('r3');
CALL wf_work();
SELECT h.* FROM task, wf_heartbeat_activity(token) h WHERE id = 'r2';
SELECT wf_cancelled_activity(token) FROM task WHERE id = 'r2' \g (tuples_only)
CALL wf_work();
SELECT id, status, error FROM runs('r_');

-- In a backoff: the clock does not bring it back.
SELECT start_job('b') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, next_retry_delay => '1 hour') FROM wf_poll_activities('q') \g (tuples_only)
SELECT wf_pause_activity('b');
SELECT * FROM pending();
SET durable.clock_offset = '3601s';
CALL wf_work();
SELECT * FROM pending();
RESET durable.clock_offset;
-- Unpause: at once, within the jitter, with attempts counted anew, without the details.
SELECT wf_unpause_activity('b', jitter => '1 hour');
SELECT state, attempt, next_attempt_at BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp() + interval '1 hour' AS within FROM wf_activities;
SET durable.clock_offset = '3601s';
CALL wf_work();
SELECT * FROM pending();
RESET durable.clock_offset;
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_heartbeat_activity(:'t', '"kept"') \gset
SELECT wf_fail_activity(:'t', next_retry_delay => '1 hour') \g (tuples_only)
SELECT wf_pause_activity('b');
SELECT * FROM pending();
SELECT wf_unpause_activity('b', reset_attempts => true);
SELECT task_token AS t, attempt, heartbeat_details AS details FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'details' AS details;
SELECT wf_fail_activity(:'t', next_retry_delay => '1 hour') \g (tuples_only)
SELECT wf_pause_activity('b'), wf_unpause_activity('b', reset_heartbeat => true);
SELECT attempt, heartbeat_details FROM wf_poll_activities('q');
SELECT wf_terminate('b') \gset

-- schedule_to_start does not count while it is paused; schedule_to_close does.
SELECT start_job('s1', '{"task_queue": "q", "schedule_to_start": "1 min"}'), start_job('s2', '{"task_queue": "q", "schedule_to_close": "1 min"}') \gset
CALL wf_work();
SELECT wf_pause_activity('s1'), wf_pause_activity('s2');
SET durable.clock_offset = '61s';
CALL wf_work();
SELECT * FROM pending('s_');
SELECT id, status, error FROM runs('s_');
SELECT wf_unpause_activity('s1');
CALL wf_work();
SELECT * FROM pending('s_');
SET durable.clock_offset = '123s';
CALL wf_work();
SELECT id, status, error FROM runs('s_');
RESET durable.clock_offset;

-- By id, by type, all.
SELECT start_several('several') \gset
CALL wf_work();
SELECT wf_cancel('several') \gset
CALL wf_work();
SELECT * FROM pending('several');
SELECT wf_pause_activity('several', 'small');
SELECT wf_pause_activity('several', activity => 'resize') AS the_other, wf_pause_activity('several', activity => 'crop') AS none, wf_pause_activity('several', 'nope') AS none;
SELECT * FROM pending('several');
SELECT wf_unpause_activity('several', 'large'), wf_unpause_activity('several', 'small', 'crop') AS none, wf_unpause_activity('several', 'small', 'resize') AS both;
SELECT wf_pause_activity('several') AS all;
SELECT wf_unpause_activity('several') AS all;
SELECT count(*) FROM wf_poll_activities('q', 10);
SELECT wf_terminate('several') \gset
SELECT wf_pause_activity('several') AS closed;
-- By the number of the call, where it has no id; of a certain run.
SELECT start_job('n') AS run \gset
CALL wf_work();
SELECT wf_pause_activity('n', '1', run_id => :'run'), wf_unpause_activity('n', '1', run_id => :'run');
SELECT fails($$SELECT wf_pause_activity('n', run_id => gen_random_uuid())$$);
SELECT wf_terminate('n') \gset
-- An inline step between two attempts is none of these.
CREATE FUNCTION act_fails() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
SELECT start_job('inline', jsonb_build_object('name', 'act_fails', 'retry', wf_retry())) \gset
CALL wf_work();
SELECT wf_pause_activity('inline');
SELECT wf_terminate('inline') \gset

-- reset: attempts from the beginning, at once.
SELECT start_job('x', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(3, '1 hour'))) \gset
CALL wf_work();
SELECT wf_heartbeat_activity(task_token, '"at 5"'), wf_fail_activity(task_token) FROM wf_poll_activities('q') \g (tuples_only)
SELECT * FROM pending('x');
SELECT wf_reset_activity('x');
SELECT * FROM pending('x');
SELECT task_token AS t, attempt, heartbeat_details AS details FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'details' AS details;
-- While it runs: this attempt goes on as the first one. Its token is good.
SELECT wf_fail_activity(:'t', next_retry_delay => '0') \g (tuples_only)
SELECT task_token AS t, attempt FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt;
SELECT wf_reset_activity('x', reset_heartbeat => true);
SELECT * FROM pending('x');
SELECT wf_fail_activity(:'t', next_retry_delay => '0') \g (tuples_only)
SELECT wf_fail_activity(task_token, next_retry_delay => '0') FROM wf_poll_activities('q') \g (tuples_only)
SELECT task_token AS t, attempt, heartbeat_details IS NULL AS none FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'none' AS details;
SELECT wf_fail_activity(:'t', 'Again', 'the third since then') \g (tuples_only)
CALL wf_work();
SELECT status, error FROM runs('x');
-- Paused: it goes on, or stays paused.
SELECT start_job('y') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token) FROM wf_poll_activities('q') \g (tuples_only)
SELECT wf_pause_activity('y');
SELECT wf_reset_activity('y', keep_paused => true);
SELECT * FROM pending('y');
SELECT wf_reset_activity('y');
SELECT * FROM pending('y');
SELECT wf_complete_activity(task_token) FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
SELECT status FROM runs('y');
-- One that waits in its queue keeps its place.
SELECT start_jobs('z', 3) \gset
CALL wf_work();
SELECT wf_reset_activity('z1');
SELECT workflow_id FROM wf_poll_activities('q');
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- Options: what is given changes, the rest stays.
SELECT start_job('o', jsonb_build_object('task_queue', 'q', 'start_to_close', '1 min', 'schedule_to_close', '1 hour', 'retry', wf_retry(2))) \gset
CALL wf_work();
SELECT wf_update_activity('o');
SELECT start_to_close, schedule_to_close, schedule_to_start, heartbeat_timeout, priority, max_attempts FROM wf_activities;
SELECT wf_update_activity('o', start_to_close => '2 min', heartbeat => '10 s', schedule_to_start => '5 min', schedule_to_close => '2 hours', retry => wf_retry(5), priority => 1);
SELECT start_to_close, schedule_to_close, schedule_to_start, heartbeat_timeout, priority, max_attempts FROM wf_activities;
-- They hold.
SELECT date_trunc('minute', deadline - clock_timestamp() + interval '1 s') AS deadline, heartbeat_timeout FROM wf_poll_activities('q');
SET durable.clock_offset = '11s';
CALL wf_work();
SELECT * FROM pending('o');
RESET durable.clock_offset;
SELECT wf_terminate('o') \gset
-- The timeout of an attempt that runs, longer or shorter
SELECT start_job('o1', '{"task_queue": "q", "start_to_close": "10 s"}'), start_job('o2', '{"task_queue": "q", "start_to_close": "10 min"}') \gset
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q', 2);
SELECT wf_update_activity('o1', start_to_close => '10 min'), wf_update_activity('o2', start_to_close => '10 s');
SET durable.clock_offset = '11s';
CALL wf_work();
SELECT * FROM pending('o_');
RESET durable.clock_offset;
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';
-- A policy that is over already: the next failure is final.
SELECT start_job('o3') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, next_retry_delay => '0') FROM wf_poll_activities('q') \g (tuples_only)
SELECT wf_update_activity('o3', retry => wf_retry(1));
SELECT wf_fail_activity(task_token) FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
SELECT status, error FROM runs('o3');
-- A priority moves it.
SELECT start_jobs('p', 3) \gset
CALL wf_work();
SELECT wf_update_activity('p3', priority => 1), wf_update_activity('p1', priority => 5);
SELECT workflow_id FROM wf_poll_activities('q', 10);
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';
-- In a backoff, and paused: for the next attempt
SELECT start_job('o4') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, next_retry_delay => '1 hour') FROM wf_poll_activities('q') \g (tuples_only)
SELECT wf_update_activity('o4', priority => 1, start_to_close => '5 s');
SELECT wf_pause_activity('o4'), wf_update_activity('o4', heartbeat => '1 s');
SELECT * FROM pending('o4');
SELECT priority, start_to_close, heartbeat_timeout FROM wf_activities;
SELECT wf_unpause_activity('o4');
SELECT workflow_id, attempt, heartbeat_timeout FROM wf_poll_activities('q');
SELECT wf_terminate('o4') \gset

-- Queued SQL activities, too.
CREATE FUNCTION act(n int) RETURNS int LANGUAGE sql AS $$ SELECT n $$;
SELECT start_job('sql', '{"name": "act", "input": {"n": 1}, "mode": "queued"}') \gset
CALL wf_work(max_turns => 1);
SELECT wf_pause_activity('sql');
CALL wf_work();
SELECT * FROM pending('sql');
SELECT wf_unpause_activity('sql');
CALL wf_work();
SELECT wf_result('sql');

-- With limits: what is paused or reset takes no room of its queue, what was put aside comes back to it.
SELECT wf_set_task_queue('q', max_concurrent_per_key => 1) \gset
SELECT start_jobs('k', 3, '{"task_queue": "q", "fairness_key": "k"}') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q', 10) \gset
SELECT * FROM pending('k_');
SELECT wf_pause_activity('k2');
SELECT * FROM pending('k_');
SELECT wf_complete_activity(:'t') \g (tuples_only)
SELECT workflow_id FROM wf_poll_activities('q', 10);
SELECT wf_unpause_activity('k2');
SELECT workflow_id FROM wf_poll_activities('q', 10);
SELECT wf_terminate('k3') \gset
SELECT workflow_id FROM wf_poll_activities('q', 10);
SELECT wf_set_task_queue('q') \gset
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';
CALL wf_work();
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
