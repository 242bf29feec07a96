-- A new version for a share of the ids: it has a name of its own, and whoever starts workflows chooses by the id.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'v1'; END $$;
CREATE FUNCTION workflow_next() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'v2'; END $$;
CREATE FUNCTION start_ramped(id text, percent int) RETURNS uuid LANGUAGE sql AS $$
  SELECT wf_start(CASE WHEN abs(hashtext(id)::bigint) % 100 < percent THEN 'workflow_next' ELSE 'workflow' END, id => id)
$$;
SELECT start_ramped('all' || n, 100), start_ramped('none' || n, 0), start_ramped('half' || n, 50) FROM generate_series(1, 40) n \g /dev/null
SELECT is((SELECT array_agg(DISTINCT wf_result(workflow_id)) FROM wf_executions WHERE workflow_id ~ 'all'), '{"\"v2\""}', '100 %: all take the new one');
SELECT is((SELECT array_agg(DISTINCT wf_result(workflow_id)) FROM wf_executions WHERE workflow_id ~ 'none'), '{"\"v1\""}', '0 %: none does');
SELECT is((SELECT array_agg(DISTINCT wf_result(workflow_id) ORDER BY wf_result(workflow_id)) FROM wf_executions WHERE workflow_id ~ 'half'), '{"\"v1\"","\"v2\""}', '50 %: some do');
SELECT * FROM finish();
