-- Retries of activities: the policy to the letter, and what the workflow sees of it.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- An attempt that a worker of queue q takes and fails; how long until the next one, to the second, NULL where there is none.
CREATE FUNCTION fail_next(type text DEFAULT 'Unreachable', non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL) RETURNS interval
LANGUAGE plpgsql AS $$
DECLARE t record; next timestamptz;
BEGIN
  SELECT * INTO STRICT t FROM wf_poll_activities('q');
  PERFORM wf_fail_activity(t.task_token, type, 'attempt ' || t.attempt, NULL, non_retryable, next_retry_delay);
  SELECT next_attempt_at INTO next FROM wf_activities a WHERE a.run_id = t.run_id;
  RETURN ceil(extract(epoch FROM next - clock_timestamp() - current_setting('durable.clock_offset')::interval)) * interval '1 s';
END $$;
-- Fail it again and again, moving the clock to each attempt as it comes.
CREATE PROCEDURE fail_all(most int, OUT waits int[]) LANGUAGE plpgsql AS $$
DECLARE wait interval;
BEGIN
  waits := '{}';
  FOR i IN 1..most LOOP
    wait := fail_next();
    COMMIT;
    CALL wf_work();
    EXIT WHEN wait IS NULL;
    waits := waits || extract(epoch FROM wait)::int;
    PERFORM set_config('durable.clock_offset', ((extract(epoch FROM current_setting('durable.clock_offset')::interval)) + extract(epoch FROM wait))::int || 's', false);
    CALL wf_work();
  END LOOP;
END $$;

-- The email: start_to_close 30 s; a second to begin with, doubled each time, 5 minutes at most; 10 attempts; an invalid address is final.
\set email '{"name": "send_email", "task_queue": "q", "input": {"to": "ann@example.com"}, "start_to_close": "30 s", "catch": true}'
SELECT wf_retry(max_attempts => 10, initial_interval => '1 s', backoff => 2.0, max_interval => '5 min', non_retryable => '{InvalidEmailError}') AS policy \gset
SELECT :'policy'::jsonb AS policy;
SELECT start_job('email', jsonb_build_object('retry', :'policy'::jsonb) || :'email') \gset
CALL wf_work();
SELECT max_attempts, start_to_close FROM wf_activities;
CALL fail_all(10, NULL);
-- Nine waits, ten attempts, and no more.
SELECT count(*) FROM wf_poll_activities('q');
SELECT jsonb_pretty(wf_result('email'));
SELECT attempt, outcome, failure->>'type' AS type, failure->>'message' AS message, failure->>'attempt' AS in_failure, duration >= '0' AS duration FROM wf_attempts ORDER BY attempt;
-- With more attempts it comes to the 5 minutes.
RESET durable.clock_offset;
SELECT start_job('email 12', jsonb_build_object('retry', :'policy'::jsonb || '{"max_attempts": 12}') || :'email') \gset
CALL wf_work();
CALL fail_all(12, NULL);
SELECT wf_result('email 12')->'detail'->>'attempt' AS attempt;
-- Between them the clock alone makes the difference: not before its time.
RESET durable.clock_offset;
SELECT start_job('email 2', jsonb_build_object('retry', :'policy'::jsonb) || :'email') \gset
CALL wf_work();
SELECT fail_next();
CALL wf_work();
SELECT state, attempt, last_failure->>'message' AS last_failure, next_attempt_at > clock_timestamp() AS later FROM wf_activities;
SELECT count(*) FROM wf_poll_activities('q');
SET durable.clock_offset = '2s';
-- It comes back by the scheduler, here wf_work().
SELECT count(*) FROM wf_poll_activities('q');
CALL wf_work();
SELECT state, attempt FROM wf_activities;
SELECT fail_next('InvalidEmailError');
CALL wf_work();
SELECT wf_result('email 2')->'detail' AS detail;
RESET durable.clock_offset;

-- Defaults: 1 s, doubled up to 100 s, without an end.
SELECT start_job('defaults') \gset
CALL wf_work();
CALL fail_all(11, NULL);
SELECT state, attempt, max_attempts FROM wf_activities;
SELECT wf_terminate('defaults') \gset
RESET durable.clock_offset;
-- The longest interval is 100 times the initial one; a backoff of 1 is none.
SELECT start_job('const', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(initial_interval => '7 s', backoff => 1))) \gset
CALL wf_work();
CALL fail_all(4, NULL);
SELECT wf_terminate('const') \gset
RESET durable.clock_offset;
SELECT start_job('tenfold', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(initial_interval => '2 s', backoff => 10))) \gset
CALL wf_work();
CALL fail_all(5, NULL);
SELECT wf_terminate('tenfold') \gset
RESET durable.clock_offset;
-- A max_interval below the initial one holds from the beginning; a policy of nothing is the defaults.
SELECT start_job('low', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(initial_interval => '10 s', max_interval => '3 s'))) \gset
CALL wf_work();
CALL fail_all(2, NULL);
SELECT wf_terminate('low') \gset
RESET durable.clock_offset;
SELECT start_job('empty', '{"task_queue": "q", "retry": {}}') \gset
CALL wf_work();
CALL fail_all(3, NULL);
SELECT wf_terminate('empty') \gset
RESET durable.clock_offset;
-- Without any interval the next attempt is there at once.
SELECT start_job('at once', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(3, '0'))) \gset
CALL wf_work();
SELECT fail_next(), fail_next(), fail_next();
CALL wf_work();
SELECT status, error FROM runs('at once');
-- No number of attempts that overflows
SELECT start_job('far', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(initial_interval => '1 s', backoff => 1000000, max_interval => '1000 years'))) \gset
CALL wf_work();
SELECT fail_next(next_retry_delay => '0'), fail_next(next_retry_delay => '0'), fail_next(next_retry_delay => '0'), fail_next(next_retry_delay => '0'), fail_next(next_retry_delay => '0') \gset
SELECT fail_next() > '999 years' AS capped;
SELECT wf_terminate('far') \gset

-- Jitter shortens each wait, by up to its part.
SELECT start_jobs('jitter', 40, jsonb_build_object('task_queue', 'q', 'retry', wf_retry(initial_interval => '1000 s', jitter => 0.2)));
CALL wf_work();
SELECT wf_fail_activity(task_token) FROM wf_poll_activities('q', 40) \g (tuples_only)
SELECT count(*), min(wait) >= '790 s' AS not_less, max(wait) <= '1000 s' AS not_more, count(DISTINCT wait) > 30 AS differ, max(wait) - min(wait) > '50 s' AS wide
FROM (SELECT next_attempt_at - clock_timestamp() AS wait FROM wf_activities) w;
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- next_retry_delay: the activity knows better when. The policy goes on from there as if it had been its own wait.
SELECT start_job('later', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(4))) \gset
CALL wf_work();
SELECT fail_next(next_retry_delay => '1 hour');
SET durable.clock_offset = '3600s';
CALL wf_work();
SELECT fail_next();
SET durable.clock_offset = '3602s';
CALL wf_work();
SELECT fail_next(next_retry_delay => '1 ms') <= '1 s' AS soon;
SET durable.clock_offset = '3603s';
CALL wf_work();
-- It adds no attempts.
SELECT fail_next(next_retry_delay => '1 hour');
RESET durable.clock_offset;
CALL wf_work();
SELECT status, error FROM runs('later');
-- By wf_fail too, in SQL
CREATE SEQUENCE tries;
CREATE FUNCTION act_later() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') < 2 THEN PERFORM wf_fail('Busy', 'in 10 minutes', next_retry_delay => '10 min'); END IF;
  RETURN 'now';
END $$;
SELECT start_job('sql later', '{"name": "act_later", "mode": "queued"}'), start_job('inline later', jsonb_build_object('name', 'act_later', 'retry', wf_retry())) \gset
SELECT setval('tries', 1, false) \gset
CALL wf_work();
SELECT mode, state, attempt, last_failure->>'next_retry_delay' AS asked, ceil(extract(epoch FROM next_attempt_at - clock_timestamp())) AS seconds FROM wf_activities;
SET durable.clock_offset = '601s';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result FROM runs('%later') WHERE id <> 'later';

-- What ends the retries: the flag, the type, the SQLSTATE, the number of attempts, the time. retry_state says which.
SELECT start_job('flag', '{"task_queue": "q", "catch": true}') \gset
SELECT start_job('type', jsonb_build_object('task_queue', 'q', 'catch', true, 'retry', wf_retry(non_retryable => '{Bad,Worse}'))) \gset
SELECT start_job('most', jsonb_build_object('task_queue', 'q', 'catch', true, 'retry', wf_retry(1))) \gset
SELECT start_job('time', jsonb_build_object('task_queue', 'q', 'catch', true, 'schedule_to_close', '10 s', 'retry', wf_retry(initial_interval => '11 s'))) \gset
SELECT start_job('time 2', jsonb_build_object('task_queue', 'q', 'catch', true, 'schedule_to_close', '10 s')) \gset
CALL wf_work();
SELECT fail_next(non_retryable => true), fail_next('Worse'), fail_next(), fail_next(), fail_next(next_retry_delay => '11 s');
CALL wf_work();
SELECT id, status, result->>'state' AS sqlstate, result->>'message' AS message, result->'detail' AS detail FROM runs('%') WHERE id IN ('flag', 'type', 'most', 'time', 'time 2');
-- A type is matched as a whole, in its case.
SELECT start_job('match', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(non_retryable => '{Bad}'))) \gset
CALL wf_work();
SELECT fail_next('bad', next_retry_delay => '0'), fail_next('Badly', next_retry_delay => '0'), fail_next('Bad', next_retry_delay => '0');
CALL wf_work();
SELECT status, error FROM runs('match');

-- SQL activities: any error is retried, but for those listed by SQLSTATE or type.
CREATE FUNCTION act_fails(state text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'with %', state USING ERRCODE = state; END $$;
SELECT start_job('sql 1', jsonb_build_object('name', 'act_fails', 'mode', 'queued', 'catch', true, 'input', '{"state": "AB001"}'::jsonb, 'retry', wf_retry(non_retryable => '{AB001}'))) \gset
SELECT start_job('sql 2', jsonb_build_object('name', 'act_fails', 'mode', 'queued', 'catch', true, 'input', '{"state": "AB002"}'::jsonb, 'retry', wf_retry(non_retryable => '{AB001}', max_attempts => 3, initial_interval => '0'))) \gset
SELECT start_job('sql 3', jsonb_build_object('name', 'act_fails', 'mode', 'queued', 'catch', true, 'input', '{"state": "AB003"}'::jsonb, 'retry', wf_retry(non_retryable => '{sql_error}'))) \gset
SELECT start_job('sql 4', jsonb_build_object('name', 'act_fails', 'mode', 'queued', 'catch', true, 'input', '{"state": "40001"}'::jsonb, 'retry', wf_retry(max_attempts => 2, initial_interval => '0'))) \gset
CALL wf_work();
SELECT id, status, result->>'message' AS message, result->'detail' AS detail FROM runs('sql _');
SELECT workflow_id, a.attempt, outcome, a.failure->>'sqlstate' AS sqlstate FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id LIKE 'sql _' ORDER BY 1, 2;
-- Without a policy a queued activity is retried by the defaults, unlike an inline step.
SELECT start_job('sql 5', '{"name": "act_fails", "mode": "queued", "input": {"state": "AB005"}}'), start_job('inline', '{"name": "act_fails", "input": {"state": "AB005"}}') \gset
CALL wf_work();
SELECT id, status, error FROM runs('%') WHERE id IN ('sql 5', 'inline');
SELECT state, attempt, ceil(extract(epoch FROM next_attempt_at - clock_timestamp())) AS seconds FROM wf_activities;
SELECT wf_terminate('sql 5') \gset

-- Attempts of a run that was terminated in between, and of one that is deleted
SELECT start_job('ended') \gset
CALL wf_work();
SELECT fail_next();
SELECT wf_terminate('ended') \gset
SELECT attempt, outcome, failure FROM wf_attempts WHERE run_id = (SELECT run_id FROM wf_executions WHERE workflow_id = 'ended');
SELECT run_id FROM wf_executions WHERE workflow_id = 'ended' \gset
SELECT wf_delete('ended') \gset
SELECT count(*) FROM wf_attempts WHERE run_id = :'run_id';

-- A failed activity, and the workflow's own retry: each run has attempts of its own.
CREATE FUNCTION whole() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('work', task_queue => 'q', retry => wf_retry(1)); END $$;
SELECT wf_start('whole', id => 'whole', retry => wf_retry(2, '1 s')) \gset
CALL wf_work();
SELECT fail_next();
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT wf_complete_activity(task_token, '"second run"') FROM wf_poll_activities('q') \g (tuples_only)
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('whole');
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
