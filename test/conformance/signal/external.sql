-- A client signals a workflow by its id: that one, and nobody else; what does not exist or is closed is an error.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('my-signal'); END $$;
SELECT wf_start('workflow', id => 'a') AS run, wf_start('workflow', id => 'b') AS run2 \gset
SELECT wf_signal('a', 'my-signal', '"signaled!"') \g /dev/null
SELECT is(wf_result('a'), '"signaled!"', 'the workflow gets it');
SELECT is(wf_describe('b')->>'status', 'running', 'another does not');
SELECT throws_ok($$SELECT wf_signal('nobody', 'my-signal')$$, 'WF005', NULL, 'there must be such a workflow');
SELECT throws_ok($$SELECT wf_signal('a', 'my-signal')$$, 'WF007', NULL, 'it must be open');
SELECT * FROM finish();
