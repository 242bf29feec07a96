-- Timeouts of activities: which there are, which are retried, and what the workflow sees. Heartbeats.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- What is known of the activities that are not done
CREATE FUNCTION pending() RETURNS TABLE (id text, state text, attempt int, last_failure text, details jsonb) LANGUAGE sql AS $$
  SELECT workflow_id, state, attempt, last_failure->>'message', heartbeat_details FROM wf_activities ORDER BY workflow_id
$$;
CREATE FUNCTION attempts(id text) RETURNS TABLE (attempt int, outcome text, type text, worker text) LANGUAGE sql AS $$
  SELECT a.attempt, outcome, failure->>'type', worker FROM wf_attempts a JOIN wf_executions e USING (run_id) WHERE e.workflow_id = id ORDER BY a.attempt
$$;

-- schedule_to_start: nobody came for it in time. Never retried, whatever the policy says.
SELECT start_job('unwanted', jsonb_build_object('task_queue', 'q', 'schedule_to_start', '1 min', 'retry', wf_retry(5), 'catch', true)) \gset
CALL wf_work();
SET durable.clock_offset = '59s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '61s';
-- Overdue, it is not given to a worker any more.
SELECT count(*) FROM wf_poll_activities('q');
CALL wf_work();
SELECT jsonb_pretty(wf_result('unwanted'));
SELECT * FROM events('unwanted');
-- It never began: there is no attempt to show.
SELECT * FROM attempts('unwanted');
RESET durable.clock_offset;
-- Once started it counts no more; nor in a backoff, but anew for the next attempt.
SELECT start_job('started', jsonb_build_object('task_queue', 'q', 'schedule_to_start', '1 min', 'catch', true)) \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SET durable.clock_offset = '600s';
CALL wf_work();
SELECT * FROM pending();
SELECT wf_fail_activity(:'t', next_retry_delay => '10 min') \gset
SET durable.clock_offset = '1199s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '1201s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '1250s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '1270s';
CALL wf_work();
SELECT wf_result('started')->'detail' AS detail;
RESET durable.clock_offset;

-- schedule_to_close: of all attempts together. Never retried; an attempt that runs is over, and its token with it.
SELECT start_job('in all', jsonb_build_object('task_queue', 'q', 'schedule_to_close', '1 min', 'start_to_close', '40 s', 'catch', true)) \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, next_retry_delay => '10 s') FROM wf_poll_activities('q', worker => 'w1') \g (tuples_only)
SET durable.clock_offset = '11s';
CALL wf_work();
-- The deadline of an attempt is the earlier one.
SELECT task_token AS t, attempt, ceil(extract(epoch FROM deadline - scheduled_at)) AS deadline FROM wf_poll_activities('q', worker => 'w2') \gset
SELECT :attempt AS attempt, :deadline BETWEEN 51 AND 53 AS deadline;
SELECT wf_fail_activity(:'t', next_retry_delay => '15 s') \gset
SET durable.clock_offset = '27s';
CALL wf_work();
SELECT task_token AS t, attempt, ceil(extract(epoch FROM deadline - scheduled_at)) AS deadline FROM wf_poll_activities('q', worker => 'w3') \gset
SELECT :attempt AS attempt, :deadline AS deadline;
SET durable.clock_offset = '61s';
CALL wf_work();
SELECT * FROM pending();
SELECT wf_result('in all') AS in_all;
SELECT * FROM attempts('in all');
SELECT replace(fails(format($$SELECT wf_complete_activity(%L)$$, :'t')), :'t', '<token>');
RESET durable.clock_offset;
-- One that nobody took, one in a backoff
SELECT start_job('not taken', '{"task_queue": "q", "schedule_to_close": "1 min", "catch": true}'), start_job('backoff', '{"task_queue": "q2", "schedule_to_close": "1 min", "catch": true}') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, 'Unlucky', 'the first attempt', next_retry_delay => '50 s') FROM wf_poll_activities('q2') \g (tuples_only)
SET durable.clock_offset = '61s';
SELECT * FROM pending();
CALL wf_work();
SELECT wf_result('not taken')->'detail' AS not_taken, wf_result('backoff')->'detail' AS backoff;
RESET durable.clock_offset;

-- start_to_close: of one attempt. Retried by the policy; the last one's failure reaches the workflow.
SELECT start_job('slow', jsonb_build_object('task_queue', 'q', 'start_to_close', '30 s', 'retry', wf_retry(2), 'catch', true)) \gset
CALL wf_work();
SELECT task_token AS t1 FROM wf_poll_activities('q', worker => 'w1') \gset
SET durable.clock_offset = '29s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '31s';
CALL wf_work();
SELECT * FROM pending();
-- Whoever was thought dead and comes back changes nothing.
SELECT replace(fails(format($$SELECT wf_complete_activity(%L, '"late"')$$, :'t1')), :'t1', '<token>');
SELECT replace(fails(format($$SELECT * FROM wf_heartbeat_activity(%L)$$, :'t1')), :'t1', '<token>');
SET durable.clock_offset = '33s';
CALL wf_work();
SELECT task_token AS t2, attempt FROM wf_poll_activities('q', worker => 'w2') \gset
-- Nor while the next attempt runs
SELECT replace(fails(format($$SELECT wf_complete_activity(%L, '"late"')$$, :'t1')), :'t1', '<token>');
SELECT replace(fails(format($$SELECT wf_fail_activity(%L, 'Late')$$, :'t1')), :'t1', '<token>');
SELECT * FROM pending();
SET durable.clock_offset = '64s';
CALL wf_work();
SELECT jsonb_pretty(wf_result('slow'));
SELECT * FROM attempts('slow');
SELECT * FROM events('slow');
RESET durable.clock_offset;
-- The policy may say that it is final.
SELECT start_job('final', jsonb_build_object('task_queue', 'q', 'start_to_close', '30 s', 'retry', wf_retry(non_retryable => '{start_to_close}'), 'catch', true)) \gset
SELECT start_job('final 2', jsonb_build_object('task_queue', 'q', 'heartbeat', '30 s', 'retry', wf_retry(non_retryable => '{heartbeat}'), 'catch', true)) \gset
SELECT start_job('final 3', jsonb_build_object('task_queue', 'q', 'start_to_close', '30 s', 'retry', wf_retry(non_retryable => '{heartbeat}'), 'catch', true)) \gset
SELECT start_job('final 4', jsonb_build_object('task_queue', 'q', 'start_to_close', '30 s', 'retry', wf_retry(non_retryable => '{WF002}'), 'catch', true)) \gset
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q', 4);
SET durable.clock_offset = '31s';
CALL wf_work();
SELECT id, status, result->>'state' AS sqlstate, result->'detail' AS detail FROM runs('final%');
SELECT wf_terminate('final 3') \gset
RESET durable.clock_offset;

-- heartbeat: an attempt that has not been heard of for so long. Retried; the details are the next one's.
SELECT start_job('beats', jsonb_build_object('task_queue', 'q', 'heartbeat', '10 s', 'start_to_close', '100 s', 'retry', wf_retry(3), 'catch', true)) \gset
CALL wf_work();
SELECT task_token AS t, heartbeat_details IS NULL AS none, heartbeat_timeout FROM wf_poll_activities('q') \gset
SELECT :'none' AS none, :'heartbeat_timeout' AS heartbeat_timeout;
-- Each heartbeat is good for as long.
SET durable.clock_offset = '9s';
SELECT * FROM wf_heartbeat_activity(:'t', '{"line": 100}');
SET durable.clock_offset = '18s';
CALL wf_work();
SELECT * FROM pending();
-- One without details leaves those there are.
SELECT * FROM wf_heartbeat_activity(:'t');
SET durable.clock_offset = '27s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '29s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '31s';
CALL wf_work();
SELECT task_token AS t, attempt, heartbeat_details AS details FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'details' AS details;
-- An attempt that never beats is measured from its start; it keeps the details of the one before.
SET durable.clock_offset = '40s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '42s';
CALL wf_work();
SELECT * FROM pending();
SET durable.clock_offset = '45s';
CALL wf_work();
SELECT task_token AS t, attempt, heartbeat_details AS details FROM wf_poll_activities('q') \gset
SELECT :attempt AS attempt, :'details' AS details;
SELECT * FROM wf_heartbeat_activity(:'t', '{"line": 200}');
-- The last one: the workflow sees the timeout, and where the activity was.
SET durable.clock_offset = '56s';
CALL wf_work();
SELECT jsonb_pretty(wf_result('beats'));
SELECT attempt, outcome, type FROM attempts('beats');
RESET durable.clock_offset;
-- Heartbeats do not extend start_to_close.
SELECT start_job('beats on', jsonb_build_object('task_queue', 'q', 'heartbeat', '10 s', 'start_to_close', '20 s', 'retry', wf_retry(1), 'catch', true)) \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SET durable.clock_offset = '9s';
SELECT * FROM wf_heartbeat_activity(:'t');
SET durable.clock_offset = '18s';
SELECT * FROM wf_heartbeat_activity(:'t', '"near the end"');
SET durable.clock_offset = '21s';
CALL wf_work();
SELECT wf_result('beats on')->'detail' AS detail;
RESET durable.clock_offset;
-- A heartbeat is an update that touches no index, and no row but its own.
VACUUM durable.activity;
SELECT start_job('hot', '{"task_queue": "q", "heartbeat": "10 s"}') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT pg_stat_force_next_flush() \gset
SELECT n_tup_upd AS upd, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relid = 'durable.activity'::regclass \gset
SELECT * FROM wf_heartbeat_activity(:'t', '1');
SELECT * FROM wf_heartbeat_activity(:'t');
SELECT * FROM wf_heartbeat_activity(:'t', '[3]');
SELECT pg_stat_force_next_flush() \gset
SELECT n_tup_upd - :upd AS updates, n_tup_hot_upd - :hot AS hot FROM pg_stat_user_tables WHERE relid = 'durable.activity'::regclass;
SELECT wf_terminate('hot') \gset

-- Timeouts of SQL activities: a running one is interrupted; what it did in that transaction is undone.
CREATE TABLE done (what text);
CREATE FUNCTION slow(seconds float8) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES ('slow'); PERFORM pg_sleep(seconds); END $$;
CREATE PROCEDURE slow_chunks(seconds float8) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('chunk after ' || coalesce(wf_heartbeat_details()#>>'{}', 'nothing'));
  PERFORM wf_heartbeat('"chunk 1"');
  COMMIT;
  INSERT INTO done VALUES ('chunk 2');
  PERFORM wf_heartbeat('"chunk 2"');
  PERFORM pg_sleep(seconds);
END $$;
SELECT start_job('sql 1', jsonb_build_object('name', 'slow', 'input', '{"seconds": 20}'::jsonb, 'mode', 'queued', 'start_to_close', '30 ms', 'retry', wf_retry(2, '0'), 'catch', true)) \gset
SELECT start_job('sql 2', jsonb_build_object('name', 'slow_chunks', 'input', '{"seconds": 20}'::jsonb, 'mode', 'queued', 'start_to_close', '30 ms', 'retry', wf_retry(2, '0'), 'catch', true)) \gset
CALL wf_work();
SELECT start_job('sql 3', jsonb_build_object('name', 'slow', 'input', '{"seconds": 20}'::jsonb, 'mode', 'queued', 'schedule_to_close', '200 ms', 'retry', wf_retry(2, '0'), 'catch', true)) \gset
CALL wf_work();
SELECT id, status, result->>'state' AS sqlstate, result->'detail' AS detail FROM runs('sql%');
SELECT * FROM done;
SELECT id, a.* FROM unnest('{sql 1,sql 2,sql 3}'::text[]) id, LATERAL (SELECT attempt, outcome, type FROM attempts(id)) a;

-- The run ends first: by its own timeout, by termination, by its end. Its activities go with it.
SELECT wf_start('job', '{"task_queue": "q"}', id => 'r1', run_timeout => '1 min'), wf_start('job', '{"task_queue": "q"}', id => 'r2', execution_timeout => '1 min') \gset
SELECT start_job('r3'), start_job('r4') \gset
CALL wf_work();
CREATE TABLE token AS SELECT workflow_id, task_token FROM wf_poll_activities('q', 10);
SET durable.clock_offset = '61s';
CALL wf_work();
SELECT wf_terminate('r3') AS terminated, wf_delete('r4') AS deleted;
SELECT id, status, error FROM runs('r_');
SELECT count(*) FROM durable.activity;
SELECT workflow_id, left(fails(format('SELECT wf_complete_activity(%L)', task_token)), 40) AS complete FROM token ORDER BY 1;
-- One that was waiting, or in a backoff
SELECT wf_start('job', '{"task_queue": "q"}', id => 'r5', run_timeout => '1 min') \gset
SELECT wf_start('job', '{"task_queue": "q2"}', id => 'r6', run_timeout => '1 min') \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, next_retry_delay => '1 day') FROM wf_poll_activities('q2') \g (tuples_only)
SET durable.clock_offset = '123s';
CALL wf_work();
SELECT id, status, error FROM runs('r_');
SELECT count(*) FROM wf_poll_activities('q', 10);
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
RESET durable.clock_offset;

-- Without any timeout an external attempt has durable.default_start_to_close.
SET durable.default_start_to_close = '5s';
SELECT start_job('default', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1))), start_job('sql default', '{"name": "slow", "input": {"seconds": 0}, "mode": "queued"}') \gset
CALL wf_work(max_turns => 2);
SELECT workflow_id, start_to_close FROM wf_activities ORDER BY 1;
RESET durable.default_start_to_close;
SELECT count(*) FROM wf_poll_activities('q');
SET durable.clock_offset = '6s';
CALL wf_work();
SELECT id, status, error FROM runs('%default');
RESET durable.clock_offset;
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
