-- A child is terminated by somebody: its parent is told.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('never'); END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  RETURN wf_child('child', id => 'c');
EXCEPTION WHEN SQLSTATE 'WF004' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN detail::jsonb->>'type';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_executions WHERE workflow_id = 'c')$$), 'the child runs');
SELECT ok(wf_terminate('c', 'enough'), 'it is terminated');
SELECT is(wf_result('w'), '"terminated"', 'the parent sees that');
SELECT matches(events('w'), 'child_workflow_terminated', 'events');
SELECT * FROM finish();
