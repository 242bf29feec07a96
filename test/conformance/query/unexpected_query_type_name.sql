-- A query of an unknown name finds nothing; an unknown workflow is an error.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('known', 'null');
  RETURN wf_wait_signal('go');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'known') = 'null'$$), 'a published null is a JSON null');
SELECT is(wf_query('w', 'nonexistent'), NULL, 'what was never published is SQL NULL');
SELECT throws_ok($$SELECT wf_query('nobody', 'known')$$, 'WF005', NULL, 'there must be such a workflow');
SELECT * FROM finish();
