-- The failure of a child reaches its parent with the child's ids and its cause.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_fail('TestError', 'details of it', details => '{"k": 1}', non_retryable => true); END $$;
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('act'); END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  PERFORM wf_child('child', id => 'c');
EXCEPTION WHEN SQLSTATE 'WF004' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN detail::jsonb || jsonb_build_object('sqlerrm', sqlerrm);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w')->>'sqlerrm', 'details of it', 'the message is the child''s');
SELECT is(wf_result('w')->>'type', 'TestError', 'the type is the cause''s');
SELECT is(wf_result('w')->>'workflow_id', 'c', 'the child is named');
SELECT is(wf_result('w')->'cause'->'details', '{"k": 1}', 'the cause has its details');
SELECT is(wf_describe('c')->>'status', 'failed', 'the child has failed');
SELECT * FROM finish();
