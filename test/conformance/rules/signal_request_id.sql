-- A signal's request id holds within its run, and when the workflow has continued as new.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow(round int, got int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    CASE wf_wait_signal('s')->>0
      WHEN 'count' THEN got := got + 1;
      WHEN 'next' THEN PERFORM wf_continue_as_new(jsonb_build_object('round', round + 1, 'got', got));
      WHEN 'end' THEN RETURN got;
    END CASE;
  END LOOP;
END $$;
SELECT wf_start('workflow', '{"round": 1, "got": 0}', id => 'w') AS run \gset
SELECT wf_signal('w', 's', '"count"', request_id => 'r'), wf_signal('w', 's', '"count"', request_id => 'r') \g /dev/null
SELECT ok(wait_for($$(SELECT count(*) = 1 FROM wf_history('w') WHERE event_type = 'workflow_signaled')$$), 'the second of the same request does nothing');
SELECT wf_signal('w', 's', '"next"') \g /dev/null
SELECT ok(wait_for($$wf_describe('w')->>'continued_from' IS NOT NULL$$), 'the workflow continues as new');
SELECT wf_signal('w', 's', '"count"', request_id => 'r'), wf_signal('w', 's', '"end"') \g /dev/null
SELECT is(wf_result('w'), '1', 'the new run knows the request');
SELECT * FROM finish();
