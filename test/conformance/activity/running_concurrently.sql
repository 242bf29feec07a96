-- Several activities of one workflow run at the same time and are done in another order than they began.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb[] LANGUAGE plpgsql AS $$
DECLARE
  a wf_handle := wf_start_activity('one', task_queue => 'q');
  b wf_handle := wf_start_activity('two', task_queue => 'q');
  c wf_handle := wf_start_activity('three', task_queue => 'q');
BEGIN
  RETURN wf_await_all(ARRAY[a, b, c]);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$(SELECT count(*) = 3 FROM wf_activities WHERE workflow_id = 'w')$$), 'one turn schedules all three');
CREATE TEMP TABLE task AS SELECT * FROM wf_poll_activities('q', max => 3, wait => '5 s');
SELECT is((SELECT count(*) FROM task), 3::bigint, 'all three run');
SELECT wf_complete_activity(task_token, to_jsonb(activity)) FROM (SELECT * FROM task ORDER BY activity_id DESC) t \g /dev/null
SELECT is(wf_result('w'), '["one", "two", "three"]', 'results have the order of the calls');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_scheduled activity_scheduled activity_completed activity_completed activity_completed workflow_completed', 'events');
SELECT * FROM finish();
