-- A workflow waits for a signal and returns what it said.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('my-signal'); END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT wf_signal('w', 'my-signal', '"arg"') \g /dev/null
SELECT is(wf_result('w'), '"arg"', 'the payload arrives');
SELECT is(events('w'), 'workflow_started workflow_signaled workflow_completed', 'events');
SELECT * FROM finish();
