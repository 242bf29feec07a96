-- A run that has begun stays with the code it began with; runs that start later take the new one.
\ir ../prelude.psql
SELECT plan(4);
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v1"]'; END $$;
SELECT wf_start('workflow', id => 'old') AS run \gset
SELECT ok(wait_for($$wf_describe('old')->>'waiting_for' = 'signal go'$$), 'a run has begun');
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v2"]'; END $$;
SELECT wf_start('workflow', id => 'new') AS run2 \gset
SELECT wf_signal('old', 'go', '[]'), wf_signal('new', 'go', '[]') \g /dev/null
SELECT is(wf_result('old'), '["v1"]', 'it stays with version 1');
SELECT is(wf_result('new'), '["v2"]', 'another takes version 2');
SELECT is((SELECT array_agg(version ORDER BY workflow_id) FROM wf_executions), '{2,1}', 'the view has the version of each');
SELECT * FROM finish();
