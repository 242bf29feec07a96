-- Events in an order the code does not wait in: replay gives each result to its own call.
\ir ../../prelude.psql
SELECT plan(2);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  timer wf_handle := wf_start_timer('300 ms');
  a wf_handle := wf_start_activity('a', task_queue => 'q');
  b wf_handle := wf_start_activity('b', task_queue => 'q');
  results jsonb;
BEGIN
  results := jsonb_build_array(wf_await(a));
  PERFORM wf_await(timer);
  RETURN results || wf_await(b) || wf_activity('echo', '"after"');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_history('w') WHERE event_type = 'timer_fired') OR (SELECT count(*) = 2 FROM wf_activities WHERE workflow_id = 'w')$$), 'all are started');
CREATE TEMP TABLE task AS SELECT * FROM wf_poll_activities('q', max => 2, wait => '5 s');
SELECT wf_complete_activity(task_token, '"b"') FROM task WHERE activity = 'b' \g /dev/null
SELECT pg_sleep(0.4) \g /dev/null
SELECT wf_complete_activity(task_token, '"a"') FROM task WHERE activity = 'a' \g /dev/null
SELECT is(wf_result('w'), '["a", "b", "after"]', 'the second is done first, then the timer, then the first');
SELECT * FROM finish();
