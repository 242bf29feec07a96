-- A child that cannot be started, for its id may not be used again.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('end'); END $$;
CREATE FUNCTION workflow(id text, on_closed text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  RETURN wf_child('child', id => id, on_closed => on_closed);
EXCEPTION WHEN SQLSTATE 'WF004' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN detail::jsonb->>'type';
END $$;
SELECT wf_start('child', id => 'closed') AS r1, wf_start('waits', id => 'open') AS r2 \gset
SELECT wf_result('closed') \g /dev/null
SELECT wf_start('workflow', '{"id": "closed", "on_closed": "reject"}', id => 'w1') AS run,
  wf_start('workflow', '{"id": "open", "on_closed": "allow"}', id => 'w2') AS run2,
  wf_start('workflow', '{"id": "closed", "on_closed": "allow"}', id => 'w3') AS run3 \gset
SELECT is(wf_result('w1'), '"workflow_already_exists"', 'the id of a closed workflow, where it may not be used again');
SELECT is(wf_result('w2'), '"workflow_already_exists"', 'the id of an open one');
SELECT is(wf_result('w3'), NULL, 'the id of a closed one, where it may');
SELECT matches(events('w1'), 'child_workflow_initiated child_workflow_start_failed', 'events');
SELECT * FROM finish();
