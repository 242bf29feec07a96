-- A child times out.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 hour'); END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  RETURN wf_child('child', id => 'c', run_timeout => '1 ms');
EXCEPTION WHEN SQLSTATE 'WF004' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN detail::jsonb->>'type';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"timeout"', 'the parent sees that');
SELECT is(wf_describe('c')->>'status', 'timed_out', 'the child has timed out');
SELECT matches(events('w'), 'child_workflow_timed_out', 'events');
SELECT * FROM finish();
