-- A step that waits for its next attempt is cancelled at once.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('fails', retry => wf_retry(initial_interval => '1 hour'));
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN 'cancelled';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_timers WHERE workflow_id = 'w')$$), 'the step waits for its next attempt');
SELECT ok(wf_cancel('w'), 'the workflow is cancelled');
SELECT is(outcome('w')->>'result', 'cancelled', 'it does not wait');
SELECT is((SELECT count(*) FROM wf_timers), 0::bigint, 'the timer is gone');
SELECT * FROM finish();
