-- A signal that comes while the workflow is about to end keeps it open: the code runs again and sees it.
\ir ../prelude.psql
SELECT plan(3);
CREATE SEQUENCE attempts;
CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS $$ SELECT nextval('attempts'); SELECT pg_sleep(1.2); SELECT 1; $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  seen jsonb := '[]';
  signal jsonb;
BEGIN
  PERFORM wf_activity('slow');
  LOOP
    signal := wf_poll_signal('s');
    EXIT WHEN signal IS NULL;
    seen := seen || signal;
  END LOOP;
  RETURN seen;                                   -- the client signals before this is committed
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$(SELECT is_called FROM attempts)$$), 'the last turn has begun');
SELECT wf_signal('w', 's', '"late"') \g /dev/null
SELECT is(wf_result('w'), '["late"]', 'the signal is seen before the end');
SELECT is((SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM wf_history('w') WHERE event_type ~ 'workflow'), 'workflow_started workflow_signaled workflow_completed', 'it is in the history before the end');
SELECT * FROM finish();
