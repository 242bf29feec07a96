-- A query calls no code that arguments could break: they change nothing, and the workflow takes no harm.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('n', '1');
  RETURN wf_wait_signal('go');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'n') = '1'$$), 'without arguments');
SELECT is(wf_query('w', 'n', '["too", "many", {"arguments": true}]'), '1', 'with arguments nobody expects');
SELECT wf_signal('w', 'go', '"on"') \g /dev/null
SELECT is(wf_result('w'), '"on"', 'the workflow goes on');
SELECT * FROM finish();
