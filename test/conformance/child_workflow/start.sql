-- A child runs to its end; parent and child know each other.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION child() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_info()->'parent_workflow_id'; END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('child', id => 'c'); END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"w"', 'the child knows its parent');
SELECT is(wf_result('c'), '"w"', 'it is a workflow of its own, that anybody can ask');
SELECT is((SELECT parent_workflow_id FROM wf_executions WHERE workflow_id = 'c'), 'w', 'the view tells whose child it is');
SELECT matches(events('w'), '^workflow_started child_workflow_initiated.* child_workflow_completed workflow_completed$', 'events of the parent');
SELECT * FROM finish();
