-- A failure that says it is final is not tried again.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_fail('final', 'no use', non_retryable => true);
END $$;
CREATE FUNCTION workflow() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('fails', retry => wf_retry(initial_interval => '10 ms'));
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(o->'failure'->>'message', 'no use', 'the workflow fails with it') FROM outcome('w') o;
SELECT is(e.error->'cause'->>'attempt', '1', 'at the first attempt'), is(e.error->'cause'->>'type', 'final', 'the type arrives')
FROM wf_executions e WHERE workflow_id = 'w';
SELECT * FROM finish();
