-- Bytes go in and come out as they were: as bytea in the functions' signatures, as its text form in JSON.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION turn_round(data bytea) RETURNS bytea LANGUAGE sql AS 'SELECT data || ''\x00ff''';
CREATE FUNCTION workflow(data bytea) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
  RETURN (wf_activity('turn_round', jsonb_build_object('data', data))->>0)::bytea;
END $$;
SELECT wf_start('workflow', jsonb_build_object('data', '\x00deadbeef00'::bytea), id => 'w') AS run \gset
SELECT is((wf_result('w')->>0)::bytea, '\x00deadbeef0000ff', 'bytes arrive, zero bytes too');
SELECT is((wf_describe('w')->>'status'), 'completed', 'the workflow is done');
SELECT is((SELECT input->>'data' FROM wf_executions WHERE workflow_id = 'w'), '\x00deadbeef00', 'the payload, in PostgreSQL''s text form');
SELECT * FROM finish();
