-- A child that fails is retried by its policy: three runs, one outcome for the parent.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'attempt %', wf_info()->>'attempt'; END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('child', id => 'c', retry => wf_retry(max_attempts => 3, initial_interval => '10 ms'));
EXCEPTION WHEN SQLSTATE 'WF004' THEN
  RETURN sqlerrm;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"attempt 3"', 'the parent sees the failure of the last attempt');
SELECT is((SELECT count(*) FROM wf_executions WHERE workflow_id = 'c' AND status = 'failed'), 3::bigint, 'there were three runs');
SELECT is((SELECT count(DISTINCT first_run_id) FROM wf_executions WHERE workflow_id = 'c'), 1::bigint, 'of one chain');
SELECT is((SELECT count(*) FROM wf_history('w') WHERE event_type = 'child_workflow_failed'), 1::bigint, 'one event');
SELECT * FROM finish();
