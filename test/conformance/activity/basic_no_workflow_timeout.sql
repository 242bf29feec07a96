-- A workflow without a timeout calls an activity and returns its result.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_array(wf_activity('echo', '{"text": "echo"}'),
    wf_activity('echo', '{"text": "queued"}', mode => 'queued', schedule_to_close => '5 s'));
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '[{"text": "echo"}, {"text": "queued"}]', 'the results of the activities come back');
SELECT is(wf_describe('w')->'execution_deadline', NULL, 'there is no execution timeout');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed activity_scheduled activity_completed workflow_completed', 'events');
SELECT * FROM finish();
