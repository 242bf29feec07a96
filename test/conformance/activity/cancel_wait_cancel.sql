-- A cancelled workflow waits for the activity that it has asked to stop.
\ir ../prelude.psql
SELECT plan(6);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('cancellable', task_queue => 'q', start_to_close => '1 min', cancellation => 'wait');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_set('unblocked', 'true');
  RETURN 'cancelled';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT task_token AS token FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT ok(wf_cancel('w'), 'the workflow is cancelled');
SELECT ok(wait_for($$events('w') ~ 'activity_cancel_requested'$$), 'the activity is asked to stop');
SELECT is(cancel_requested, true, 'a heartbeat tells the worker') FROM wf_heartbeat_activity(:'token');
SELECT is(wf_query('w', 'unblocked'), NULL, 'the workflow still waits');
SELECT wf_cancelled_activity(:'token', '"stopped"') \g /dev/null
SELECT is(outcome('w')->>'result', 'cancelled', 'the end of the activity unblocks it');
SELECT is(events('w'), 'workflow_started activity_scheduled workflow_cancel_requested activity_cancel_requested activity_canceled workflow_completed', 'events');
SELECT * FROM finish();
