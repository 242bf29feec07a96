-- One call starts a workflow with its signal, or signals the one that runs.
\ir ../prelude.psql
SELECT plan(6);
CREATE FUNCTION workflow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_array(n, wf_wait_signal('add'), wf_wait_signal('add'));
END $$;
SELECT wf_signal_with_start('workflow', 'w', 'add', '1', '{"n": 10}') AS run \gset
SELECT wf_signal_with_start('workflow', 'w', 'add', '2', '{"n": 20}') AS again \gset
SELECT is(:'again'::uuid, :'run'::uuid, 'the second call finds the run of the first');
SELECT is(wf_result('w'), '[10, 1, 2]', 'both signals arrive; the second input does not');
SELECT matches(events('w'), '^workflow_started workflow_signaled', 'start and signal are the first events');
SELECT wf_signal_with_start('workflow', 'w', 'add', '3', '{"n": 30}') AS fresh \gset
SELECT isnt(:'fresh'::uuid, :'run'::uuid, 'where none runs, another is started');
-- Atomic, and one statement of the caller's transaction.
BEGIN;
SELECT wf_signal_with_start('workflow', 'v', 'add', '1', '{"n": 1}') AS gone \gset
ROLLBACK;
SELECT throws_ok($$SELECT wf_describe('v')$$, 'WF005', NULL, 'rolled back, neither start nor signal has happened');
SELECT throws_ok($$SELECT wf_signal_with_start('workflow', 'w', 'add', '1', '{"n": 1}', on_running => 'fail')$$, 'WF006', NULL, 'the conflict policy can be another');
SELECT * FROM finish();
