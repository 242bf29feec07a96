-- A version comes while the worker process lives that has just run the one before: new runs take it at once.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION pid() RETURNS int LANGUAGE sql AS 'SELECT pg_backend_pid()';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array('v1', wf_activity('pid')); END $$;
SELECT wf_start('workflow', id => 'a') AS run \gset
SELECT is(wf_result('a')->>0, 'v1', 'a run of version 1');
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array('v2', wf_activity('pid')); END $$;
SELECT wf_start('workflow', id => 'b') AS run2 \gset
SELECT is(wf_result('b')->>0, 'v2', 'a run of version 2');
SELECT ok(EXISTS (SELECT FROM pg_stat_activity WHERE pid = (wf_result('a')->>1)::int), 'the first worker still lives');
SELECT is((SELECT count(*) FROM wf_versions), 2::bigint, 'there are two versions');
SELECT * FROM finish();
