-- A query needs no worker: what the workflow has published is in the database.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('state', '"waiting"');
  RETURN wf_wait_signal('go');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'state') IS NOT NULL$$), 'the workflow has published its state');
DROP FUNCTION workflow;                          -- now nothing could replay it
SELECT is(wf_query('w', 'state'), '"waiting"', 'the state can be asked for');
SELECT is(wf_query('w', '__stack')->>'waiting_for', 'signal go', 'and where it waits');
SELECT * FROM finish();
