-- Open runs are moved to the new code when somebody says so, if it fits what they have done.
\ir ../prelude.psql
SELECT plan(5);
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v1"]'; END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_describe('w')->>'waiting_for' = 'signal go'$$), 'a run has begun with version 1');
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go') || '["v2"]'; END $$;
SELECT ok(ok, 'a check before it is moved') FROM wf_check_replay('workflow');
SELECT ok(migrated, 'it is moved') FROM wf_migrate('workflow');
SELECT wf_signal('w', 'go', '[]') \g /dev/null
SELECT is(wf_result('w'), '["v2"]', 'it goes on with version 2');
SELECT matches(events('w'), 'workflow_options_updated', 'its history says so');
SELECT * FROM finish();
