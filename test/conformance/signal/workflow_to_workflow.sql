-- A workflow signals another, which is not its child; what cannot be sent is told at once.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION other() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('s'); END $$;
CREATE FUNCTION workflow(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_signal_external(id, 's', '"from a workflow"');
  RETURN 'sent';
EXCEPTION WHEN SQLSTATE 'WF005' OR SQLSTATE 'WF007' THEN
  RETURN sqlstate;
END $$;
SELECT wf_start('other', id => 'o') AS run, wf_start('workflow', '{"id": "o"}', id => 'w') AS run2 \gset
SELECT is(wf_result('o'), '"from a workflow"', 'it arrives');
SELECT is(wf_result('w'), '"sent"', 'the sender goes on');
SELECT wf_start('workflow', '{"id": "nobody"}', id => 'w2') AS run3, wf_start('workflow', '{"id": "o"}', id => 'w3') AS run4 \gset
SELECT is(wf_result('w2'), '"WF005"', 'there is no such workflow');
SELECT is(wf_result('w3'), '"WF007"', 'it is closed');
SELECT * FROM finish();
