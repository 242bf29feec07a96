-- Activities of a worker that is told to stop: it may complete, fail or leave them; others get those that are left.
\ir ../prelude.psql
SELECT plan(8);
CREATE FUNCTION nap(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_activity_info()->>'attempt')::int = 1 THEN PERFORM pg_sleep(seconds); END IF;
  RETURN 'attempt ' || (wf_activity_info()->>'attempt');
END $$;
CREATE FUNCTION workflow(name text, input jsonb DEFAULT '{}', task_queue text DEFAULT NULL, start_to_close interval DEFAULT '20 s') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity(name, input, task_queue, CASE WHEN task_queue IS NULL THEN 'queued' END, start_to_close => start_to_close,
    retry => wf_retry(max_attempts => 2, initial_interval => '10 ms'));
END $$;
SELECT wf_start('workflow', '{"name": "nap", "input": {"seconds": 30}}', id => 'sql') \g /dev/null
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_activities WHERE workflow_id = 'sql' AND state = 'started')$$), 'an activity worker of the server is busy');
SELECT pg_sleep(0.1) \g /dev/null
SELECT ok(pg_terminate_backend(pid), 'it is told to stop') FROM pg_stat_activity
WHERE backend_type = 'durable activity worker' AND datname = current_database() AND state = 'active' LIMIT 1;
SELECT is(wf_result('sql', '20 s'), '"attempt 2"', 'another worker makes a second attempt');
-- External workers stop in their own time: tokens outlive sessions.
SELECT wf_start('workflow', jsonb_build_object('name', n, 'task_queue', 'q', 'start_to_close', CASE n WHEN 'ignores' THEN '1 s' ELSE '20 s' END), id => n) FROM unnest('{completes,fails,ignores}'::text[]) n \g /dev/null
SELECT ok(wait_for($$(SELECT count(*) = 3 FROM wf_activities WHERE task_queue = 'q')$$), 'three activities for an external worker');
CREATE TEMP TABLE task AS SELECT * FROM wf_poll_activities('q', max => 3);
SELECT wf_complete_activity(task_token, '"in time"') FROM task WHERE activity = 'completes' \g /dev/null
SELECT wf_fail_activity(task_token, 'shutdown', non_retryable => true) FROM task WHERE activity = 'fails' \g /dev/null
SELECT is(wf_result('completes'), '"in time"', 'one completes while the worker stops'),
  is(outcome('fails')->'failure'->>'message', 'shutdown', 'one fails');
SELECT task_token AS token, attempt FROM wf_poll_activities('q', wait => '10 s') \gset
SELECT is(:attempt, 2, 'one is left, and times out: another worker gets it');
SELECT wf_complete_activity(:'token', '"by another"') \g /dev/null
SELECT is(wf_result('ignores'), '"by another"', 'and completes it');
SELECT * FROM finish();
