-- A child that is started because of a signal.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION child(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n + 1; END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('child', jsonb_build_object('n', wf_wait_signal('child')), id => 'c');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT wf_signal('w', 'child', '41') \g /dev/null
SELECT is(wf_result('w'), '42', 'its result comes back');
SELECT is((SELECT parent_workflow_id FROM wf_executions WHERE workflow_id = 'c'), 'w', 'it was a child');
SELECT * FROM finish();
