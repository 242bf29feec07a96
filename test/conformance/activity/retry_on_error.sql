-- An activity that fails five times of five: the last error reaches the workflow and its client.
\ir ../prelude.psql
SELECT plan(8);
CREATE FUNCTION always_fail() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_fail('activity attempt failed', format('activity attempt %s failed', wf_activity_info()->>'attempt'));
END $$;
CREATE FUNCTION workflow(mode text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('always_fail', mode => mode, retry => wf_retry(max_attempts => 5, backoff => 1, initial_interval => '1 ms'));
END $$;
SELECT wf_start('workflow', '{"mode": "inline"}', id => 'inline') AS inline, wf_start('workflow', '{"mode": "queued"}', id => 'queued') AS queued \gset
SELECT is(o->>'status', 'failed', 'the workflow fails') FROM outcome('inline') o;
SELECT is(o->'failure'->>'message', 'activity attempt 5 failed', 'with the last error') FROM outcome('inline') o;
SELECT is(o->'failure'->>'message', 'activity attempt 5 failed', 'in a queue too') FROM outcome('queued') o;
SELECT is(e.error->'cause'->>'attempt', '5', 'the failure of the activity has the attempt') FROM wf_executions e WHERE workflow_id = 'queued';
SELECT is(e.error->'cause'->>'type', 'activity attempt failed', 'and its type') FROM wf_executions e WHERE workflow_id = 'queued';
SELECT is(e.error->'cause'->>'retry_state', 'maximum_attempts_reached', 'and why it was not tried again') FROM wf_executions e WHERE workflow_id = 'queued';
SELECT is((SELECT array_agg(failure->>'message' ORDER BY attempt) FROM wf_attempts WHERE run_id = :'queued'),
  ARRAY(SELECT format('activity attempt %s failed', n) FROM generate_series(1, 5) n), 'each attempt can be looked at');
SELECT is(events('queued'), 'workflow_started activity_scheduled activity_failed workflow_failed', 'only the last is in the history');
SELECT * FROM finish();
