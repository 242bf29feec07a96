-- Open runs are set to a version that is not the current one.
\ir ../prelude.psql
SELECT plan(4);
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v1"]'; END $$;
SELECT wf_start('workflow', id => 'first') AS run \gset
SELECT wf_signal('first', 'go', '[]') \g /dev/null
SELECT is(wf_result('first'), '["v1"]', 'version 1 is in use');
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v2"]'; END $$;
SELECT wf_start('workflow', id => 'w') AS run2 \gset
SELECT ok(wait_for($$wf_describe('w')->>'waiting_for' = 'signal go'$$), 'a run has begun with version 2');
SELECT ok(migrated, 'it is set to version 1') FROM wf_migrate('workflow', 1);
SELECT wf_signal('w', 'go', '[]') \g /dev/null
SELECT is(wf_result('w'), '["v1"]', 'and goes on with it, while version 2 is current');
SELECT * FROM finish();
