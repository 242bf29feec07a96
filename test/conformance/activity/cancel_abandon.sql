-- A cancelled activity unblocks the workflow at once; its worker is never told.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('cancellable', task_queue => 'q', start_to_close => '1 min', cancellation => 'abandon');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_set('unblocked', 'true');
  PERFORM wf_wait_signal('go');
  RETURN 'cancelled';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT task_token AS token FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT ok(wf_cancel('w'), 'the workflow is cancelled');
SELECT ok(wait_for($$wf_query('w', 'unblocked') = 'true'$$), 'the workflow is unblocked while the activity runs');
SELECT is(cancel_requested, false, 'a heartbeat does not tell the worker') FROM wf_heartbeat_activity(:'token');
SELECT wf_signal('w', 'go') \g /dev/null
SELECT is(outcome('w')->>'result', 'cancelled', 'the workflow has gone on');
SELECT unalike(events('w'), '%activity_cancel_requested%', 'no request is in the history');
SELECT * FROM finish();
