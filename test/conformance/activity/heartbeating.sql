-- Details of a heartbeat go to the next attempt, also when that comes because heartbeats were missing.
\ir ../prelude.psql
SELECT plan(6);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('long', task_queue => 'q', start_to_close => '1 min', heartbeat => '1 s',
    retry => wf_retry(initial_interval => '10 ms'));
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT task_token AS token FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT wf_heartbeat_activity(:'token', '{"done": 1}'), wf_heartbeat_activity(:'token', '{"done": 2}'), wf_heartbeat_activity(:'token') \g /dev/null
-- The first worker falls silent.
SELECT task_token AS token2, attempt, heartbeat_details AS details FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT is(:attempt, 2, 'missing heartbeats lead to a second attempt');
SELECT is(:'details'::jsonb, '{"done": 2}', 'which gets the last details');
SELECT throws_ok(format('SELECT wf_heartbeat_activity(%L)', :'token'), 'WF013', NULL, 'the first attempt is refused');
SELECT wf_complete_activity(:'token2', '"done"') \g /dev/null
SELECT is(wf_result('w'), '"done"', 'the second completes');
SELECT is(failure->>'type', 'heartbeat', 'the first attempt ended by its heartbeat timeout'),
  is(failure->'heartbeat_details', '{"done": 2}', 'and tells where it was')
FROM wf_attempts WHERE run_id = :'run' AND attempt = 1;
SELECT * FROM finish();
