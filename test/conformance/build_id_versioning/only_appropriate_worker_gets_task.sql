-- Runs of two versions beside each other: each gets its own code, from whichever worker process it is taken.
\ir ../prelude.psql
SELECT plan(2);
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v1"]'; END $$;
SELECT wf_start('workflow', id => 'old' || n) FROM generate_series(1, 20) n \g /dev/null
SELECT ok(wait_for($$(SELECT count(*) = 20 FROM wf_executions WHERE waiting_for = 'signal go')$$), 'runs of version 1 have begun');
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v2"]'; END $$;
SELECT wf_start('workflow', id => 'new' || n) FROM generate_series(1, 20) n \g /dev/null
SELECT wf_signal(workflow_id, 'go', '[]') FROM wf_executions ORDER BY random() \g /dev/null
SELECT is((SELECT array_agg(DISTINCT left(workflow_id, 3) || wf_result(workflow_id)::text ORDER BY left(workflow_id, 3) || wf_result(workflow_id)::text) FROM wf_executions),
  '{"new[\"v2\"]","old[\"v1\"]"}', 'each goes on with its own');
SELECT * FROM finish();
