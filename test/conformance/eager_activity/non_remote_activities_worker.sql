-- Nobody takes an activity of a queue: it times out by schedule_to_start and is not tried again. An inline step does not need anybody.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  step jsonb := wf_activity('echo', '"inline"');
BEGIN
  RETURN wf_activity('echo', task_queue => 'nobody', schedule_to_start => '300 ms');
EXCEPTION WHEN SQLSTATE 'WF002' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN step || (detail::jsonb - 'context');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w')->>0, 'inline', 'the inline step has run');
SELECT is(wf_result('w')->1->>'type', 'schedule_to_start', 'the activity has timed out in its queue');
SELECT is(wf_result('w')->1->>'retry_state', 'non_retryable_failure', 'which is not retried');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed activity_scheduled activity_timed_out workflow_completed', 'events');
SELECT * FROM finish();
