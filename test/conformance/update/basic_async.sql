-- An update is sent; its answer is asked for later, by its id.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('go');
  PERFORM wf_sleep('100 ms');
  PERFORM wf_reply(u.update_id, '"answer"');
  RETURN 'done';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_update('w', 'go', update_id => 'u', wait_for => 'admitted'), NULL, 'the call returns at once');
SELECT is(wf_update('w', 'go', update_id => 'u', timeout => '20 s'), '"answer"', 'the same id waits for the answer');
SELECT is(wf_update('w', 'go', update_id => 'u'), '"answer"', 'and finds it again when the workflow is done') FROM wf_result('w');
SELECT * FROM finish();
