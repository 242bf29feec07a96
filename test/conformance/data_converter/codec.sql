-- A payload that clients have wrapped passes through as it is: the database never needs to read it.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('decode, work, encode', input, task_queue => 'q');
END $$;
SELECT wf_start('workflow', jsonb_build_object('encoding', 'my-codec'::text, 'data', encode('{"spec": true}'::bytea, 'base64')), id => 'w') AS run \gset
SELECT task_token AS token, input->>'encoding' AS encoding, convert_from(decode(input->>'data', 'base64'), 'UTF8') AS decoded FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT is(:'encoding'::text, 'my-codec', 'the worker sees what to decode');
SELECT is(:'decoded'::jsonb, '{"spec": true}', 'and decodes it');
SELECT wf_complete_activity(:'token', jsonb_build_object('encoding', 'my-codec'::text, 'data', encode(:'decoded'::bytea, 'base64'))) \g /dev/null
SELECT is(wf_result('w'), (SELECT input FROM wf_executions WHERE workflow_id = 'w'), 'the client gets what the worker has encoded');
SELECT * FROM finish();
