-- A cancelled parent goes on at once; the child is told.
\ir ../prelude.psql
SELECT plan(6);
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
  RETURN 'child: ' || (wf_child('child', id => 'c', parent_close_policy => 'abandon', cancellation => 'try_cancel') ->> 0);
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN 'thrown';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_executions WHERE workflow_id = 'c' AND waiting_for = 'signal end')$$), 'the child runs');
SELECT ok(wf_cancel('w'), 'the parent is cancelled');
SELECT is(outcome('w')->>'result', 'thrown', 'the parent goes on without waiting for the child');
SELECT is(wf_describe('c')->>'status', 'running', 'which is still busy');
SELECT wf_signal('c', 'end') \g /dev/null
SELECT is(wf_result('c'), '"cancelled"', 'it was told');
SELECT matches(events('w'), 'workflow_cancel_requested cancel_external_initiated', 'the request is in the history');
SELECT * FROM finish();
