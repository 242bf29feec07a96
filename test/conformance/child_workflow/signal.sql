-- A parent signals its child.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION child() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('unblock'); END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  handle wf_handle := wf_start_child('child', id => 'c');
BEGIN
  PERFORM wf_signal_external('c', 'unblock', '"unblock"');
  RETURN wf_await(handle);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"unblock"', 'the child has got it');
SELECT matches(events('w'), 'signal_external_initiated external_signaled', 'events of the parent');
SELECT * FROM finish();
