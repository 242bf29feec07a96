-- A workflow continues as new and stays what it is: id, memo, search attributes, timeouts; run and history are new.
\ir ../prelude.psql
SELECT plan(8);
CREATE FUNCTION workflow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF n < 5 THEN PERFORM wf_continue_as_new(jsonb_build_object('n', n + 1)); END IF;
  RETURN jsonb_build_object('n', n, 'memo', wf_info()->'memo', 'search_attributes', wf_info()->'search_attributes', 'history_events', wf_info()->'history_events');
END $$;
SELECT wf_start('workflow', '{"n": 1}', id => 'w', memo => '{"k": "v"}', search_attributes => '{"a": 1}', execution_timeout => '1 hour') AS first \gset
SELECT is(wf_result('w')->'n', '5', 'the result is the last run''s');
SELECT is(wf_result('w', run_id => :'first')->'n', '5', 'who asks the first run follows the chain');
SELECT is(wf_result('w')->'memo', '{"k": "v"}', 'the memo is kept'), is(wf_result('w')->'search_attributes', '{"a": 1}', 'so are search attributes');
SELECT is((SELECT count(DISTINCT run_id) FROM wf_executions WHERE workflow_id = 'w'), 5::bigint, 'five runs');
SELECT is((SELECT count(*) FROM wf_executions WHERE workflow_id = 'w' AND status = 'continued_as_new'), 4::bigint, 'four have been continued');
SELECT is((SELECT array_agg(DISTINCT first_run_id) FROM wf_executions WHERE workflow_id = 'w'), ARRAY[:'first'::uuid], 'of one chain');
SELECT is(events('w', :'first'), 'workflow_started workflow_continued_as_new', 'events of the first');
SELECT * FROM finish();
