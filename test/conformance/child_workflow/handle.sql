-- A child that was started and not waited for: the code goes on beside it, and takes its result later.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION child() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  handle wf_handle := wf_start_child('child', id => 'c');
BEGIN
  PERFORM wf_set('done before', to_jsonb(wf_done(handle)));
  RETURN wf_await(handle);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'done before') = 'false'$$), 'the parent has gone on while the child runs');
SELECT is(c->>'workflow_id', 'c', 'the child has the id it was given'), isnt(c->>'run_id', NULL, 'and a run id')
FROM wf_describe('w') d, jsonb_array_elements(d->'children') c;
SELECT wf_signal('c', 'go', '"result"') \g /dev/null
SELECT is(wf_result('w'), '"result"', 'its result is there when the parent waits for it');
SELECT is(wf_describe('w')->'children', '[]', 'no child is open any more');
SELECT * FROM finish();
