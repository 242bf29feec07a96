-- Several activities of the server started together; they need no worker of the user's.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION workflow() RETURNS jsonb[] LANGUAGE plpgsql AS $$
DECLARE
  handles wf_handle[];
BEGIN
  FOR i IN 1..10 LOOP
    handles := handles || wf_start_activity('echo', to_jsonb(i));
  END LOOP;
  RETURN wf_await_all(handles);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]', 'the results have the order of the calls');
SELECT matches(events('w'), '^workflow_started( activity_scheduled){10}( activity_completed){10} workflow_completed$', 'they were started together');
SELECT * FROM finish();
