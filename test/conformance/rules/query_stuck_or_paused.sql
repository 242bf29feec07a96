-- Queries answer whatever state the run is in: stuck, paused, closed.
\ir ../prelude.psql
SELECT plan(6);
CREATE FUNCTION workflow(broken boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('state', '"begun"');
  PERFORM wf_sleep('10 ms');
  IF broken THEN PERFORM random(); END IF;
  RETURN wf_wait_signal('go');
END $$;
SELECT wf_start('workflow', '{"broken": true}', id => 'stuck') AS run, wf_start('workflow', '{"broken": false}', id => 'paused') AS run2 \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_stuck WHERE workflow_id = 'stuck')$$), 'the turns of a run fail');
SELECT is(wf_query('stuck', 'state'), '"begun"', 'it can be asked');
SELECT ok(wait_for($$wf_describe('paused')->>'waiting_for' = 'signal go'$$) AND wf_pause('paused'), 'a run is paused');
SELECT is(wf_query('paused', 'state'), '"begun"', 'it can be asked');
SELECT ok(wf_terminate('paused'), 'it is terminated');
SELECT is(wf_query('paused', 'state'), '"begun"', 'it can be asked still');
SELECT * FROM finish();
