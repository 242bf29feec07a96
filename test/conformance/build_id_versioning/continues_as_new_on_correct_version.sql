-- A pinned run continues as new: the new run takes the code that is current then.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow(round int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  IF round = 1 THEN PERFORM wf_continue_as_new('{"round": 2}'); END IF;
  RETURN '"v1"';
END $$;
SELECT wf_start('workflow', '{"round": 1}', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_describe('w')->>'waiting_for' = 'signal go'$$), 'a run of version 1');
CREATE OR REPLACE FUNCTION workflow(round int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  IF round = 1 THEN RAISE 'pinned runs do not come here'; END IF;
  RETURN '"v2"';
END $$;
SELECT wf_signal('w', 'go'), wf_signal('w', 'go') \g /dev/null
SELECT is(wf_result('w'), '"v2"', 'goes on as version 2');
SELECT is((SELECT array_agg(version ORDER BY run_id) FROM wf_executions WHERE workflow_id = 'w'), '{1,2}', 'the view has the version of each run');
SELECT * FROM finish();
