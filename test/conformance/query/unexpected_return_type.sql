-- An answer of another type than the client expects: the client gets the error, the workflow takes no harm.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('n', '"hi bob"');
  RETURN wf_wait_signal('go');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'n') IS NOT NULL$$), 'it answers with a text');
SELECT throws_ok($$SELECT wf_query('w', 'n')::int$$, '22023', NULL, 'the client wants a number: its conversion fails');
SELECT wf_signal('w', 'go', '"on"') \g /dev/null
SELECT is(wf_result('w'), '"on"', 'the workflow goes on');
SELECT * FROM finish();
