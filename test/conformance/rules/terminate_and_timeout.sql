-- Termination and timeouts close a run without its code; a cancel request leaves it to the code.
\ir ../prelude.psql
SELECT plan(6);
CREATE TABLE cleaned_up (id text);
CREATE FUNCTION clean_up(id text) RETURNS void LANGUAGE sql AS 'INSERT INTO cleaned_up VALUES (id)';
CREATE FUNCTION workflow(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('1 hour');
  RETURN 'slept';
EXCEPTION WHEN OTHERS THEN
  PERFORM wf_activity('clean_up', jsonb_build_object('id', id));
  RETURN 'ignored';
END $$;
SELECT wf_start('workflow', '{"id": "terminate"}', id => 'terminate') AS r1, wf_start('workflow', '{"id": "timeout"}', id => 'timeout', execution_timeout => '400 ms') AS r2,
  wf_start('workflow', '{"id": "cancel"}', id => 'cancel') AS r3 \gset
SELECT ok(wait_for($$(SELECT count(*) >= 2 FROM wf_executions WHERE waiting_for = 'timer' AND workflow_id IN ('terminate', 'cancel'))$$), 'they run');
SELECT wf_terminate('terminate'), wf_cancel('cancel') \g /dev/null
SELECT is(outcome('terminate')->>'status', 'terminated', 'terminated');
SELECT is(outcome('timeout')->>'status', 'timed_out', 'timed out');
SELECT is(outcome('cancel'), '{"status": "completed", "result": "ignored"}', 'cancelled, but the code goes on');
SELECT is((SELECT array_agg(id) FROM cleaned_up), '{cancel}', 'only the last has run code');
SELECT unalike(events('timeout'), '%cancel%', 'a timeout is no cancellation');
SELECT * FROM finish();
