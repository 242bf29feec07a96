-- A cancelled activity unblocks the workflow at once; its worker is told by the answer to a heartbeat.
\ir ../prelude.psql
SELECT plan(7);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('cancellable', task_queue => 'q', start_to_close => '1 min', cancellation => 'try_cancel');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_set('unblocked', 'true');
  PERFORM wf_wait_signal('activity_result');
  RETURN 'cancelled';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT task_token AS token FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT is(cancel_requested, false, 'no cancellation yet') FROM wf_heartbeat_activity(:'token');
SELECT ok(wf_cancel('w'), 'the workflow is cancelled');
SELECT ok(wait_for($$wf_query('w', 'unblocked') = 'true'$$), 'the workflow is unblocked while the activity runs');
SELECT is(cancel_requested, true, 'the worker is told by its next heartbeat') FROM wf_heartbeat_activity(:'token');
SELECT lives_ok(format('SELECT wf_cancelled_activity(%L)', :'token'), 'and reports that it has stopped');
SELECT wf_signal('w', 'activity_result', '"cancelled"') \g /dev/null
SELECT is(outcome('w')->>'result', 'cancelled', 'the workflow has gone on');
SELECT matches(events('w'), 'activity_cancel_requested', 'the request is in the history');
SELECT * FROM finish();
