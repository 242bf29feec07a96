-- The parent gets the child's result.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION child(input text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN input || '!'; END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('child', '{"input": "test"}'); END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"test!"', 'the result comes back');
SELECT is((SELECT count(*) FROM wf_executions WHERE status = 'completed'), 2::bigint, 'both have completed');
SELECT * FROM finish();
