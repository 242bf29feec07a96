-- A type that the policy names is not tried again; nor is a SQLSTATE.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_fail('final', 'no use');
END $$;
CREATE FUNCTION divides() RETURNS int LANGUAGE sql AS 'SELECT 1 / (random() * 0)::int';
CREATE FUNCTION workflow(activity text, final text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity(activity, retry => wf_retry(max_attempts => 3, initial_interval => '10 ms', non_retryable => ARRAY[final]));
END $$;
SELECT wf_start('workflow', '{"activity": "fails", "final": "final"}', id => 'type') AS run,
  wf_start('workflow', '{"activity": "fails", "final": "fin"}', id => 'other') AS run,
  wf_start('workflow', '{"activity": "divides", "final": "22012"}', id => 'sqlstate') AS run \gset
SELECT outcome(id) FROM unnest('{type,other,sqlstate}'::text[]) id \g /dev/null
SELECT is(e.error->'cause'->>'attempt', '1', 'a type in the policy ends it') FROM wf_executions e WHERE workflow_id = 'type';
SELECT is(e.error->'cause'->>'attempt', '3', 'the comparison is exact') FROM wf_executions e WHERE workflow_id = 'other';
SELECT is(e.error->'cause'->>'attempt', '1', 'a SQLSTATE ends it too') FROM wf_executions e WHERE workflow_id = 'sqlstate';
SELECT * FROM finish();
