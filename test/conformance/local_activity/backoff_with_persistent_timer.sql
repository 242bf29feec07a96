-- A step that is to be tried again later waits by a durable timer; nothing is occupied meanwhile.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION second_time() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_activity_info()->>'attempt')::int = 1 THEN RAISE 'not yet'; END IF;
  RETURN wf_activity_info()->>'attempt';
END $$;
CREATE FUNCTION workflow(delay interval) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('second_time', retry => wf_retry(initial_interval => delay));
END $$;
SELECT wf_start('workflow', '{"delay": "1 hour"}', id => 'later') AS run, wf_start('workflow', '{"delay": "0.3 s"}', id => 'soon') AS soon \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_timers WHERE workflow_id = 'later')$$), 'there is a timer');
SELECT is(kind, 'activity_retry', 'for the next attempt'), ok(fire_at > now() + interval '50 minutes', 'as late as the policy says')
FROM wf_timers WHERE workflow_id = 'later';
SELECT is(wf_result('soon'), '2', 'it fires, and the second attempt succeeds');
SELECT * FROM finish();
