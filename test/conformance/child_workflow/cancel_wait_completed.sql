-- A cancelled parent waits for its child; one that completes all the same gives its result.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION child() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('end');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_wait_signal('end');                 -- takes its time to clean up
  RETURN 'cancelled';
END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN 'child: ' || (wf_child('child', id => 'c', parent_close_policy => 'abandon', cancellation => 'wait') ->> 0);
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN 'thrown';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_executions WHERE workflow_id = 'c' AND waiting_for = 'signal end')$$), 'the child runs');
SELECT ok(wf_cancel('w'), 'the parent is cancelled');
SELECT ok(wait_for($$wf_describe('c')::text ~ 'cancel' OR EXISTS (SELECT FROM wf_history('c') WHERE event_type = 'workflow_cancel_requested')$$), 'the child is told');
SELECT is(wf_describe('w')->>'status', 'running', 'the parent waits');
SELECT wf_signal('c', 'end') \g /dev/null
SELECT is(outcome('w')->>'result', 'child: cancelled', 'the child has ignored the request, so nothing is thrown');
SELECT * FROM finish();
