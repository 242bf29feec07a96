-- A step is tried again by its policy; a failed attempt is undone alone.
\ir ../prelude.psql
SELECT plan(4);
CREATE TABLE effect (attempt int);
CREATE FUNCTION third_time() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  attempt int := wf_activity_info()->>'attempt';
BEGIN
  INSERT INTO effect VALUES (attempt);
  IF attempt < 3 THEN RAISE 'attempt % failed', attempt; END IF;
  RETURN attempt;
END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('third_time', retry => wf_retry(max_attempts => 5, initial_interval => '10 ms'));
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '3', 'the third attempt succeeds');
SELECT is((SELECT array_agg(attempt) FROM effect), '{3}', 'the failed ones left nothing behind');
SELECT is((SELECT array_agg(attempt || outcome ORDER BY attempt) FROM wf_attempts WHERE run_id = :'run'), '{1failed,2failed,3completed}', 'each attempt can be looked at');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed workflow_completed', 'the history has the outcome only');
SELECT * FROM finish();
