-- A closed workflow is reset, goes on from there, and the new run is deleted.
\ir ../prelude.psql
SELECT plan(7);
CREATE TABLE effect (what text);
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS 'INSERT INTO effect VALUES (what) RETURNING what';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('note', '{"what": "before"}');
  PERFORM wf_sleep('50 ms');
  PERFORM wf_activity('note', '{"what": "after"}');
  RETURN wf_wait_signal('end');
END $$;
SELECT wf_start('workflow', id => 'w') AS first \gset
SELECT wf_signal('w', 'end', '"signal"') \g /dev/null
SELECT is(wf_result('w'), '"signal"', 'it ends');
SELECT wf_reset('w', to_event => (SELECT max(event_id) FROM wf_history('w') WHERE event_type = 'timer_started'), reason => 'once more') AS second \gset
SELECT isnt(:'second'::uuid, :'first'::uuid, 'the reset is another run');
SELECT is(wf_result('w'), '"signal"', 'which gets the signals that came after the point again, and ends');
SELECT is((SELECT array_agg(what) FROM effect), '{before,after,after}', 'what was before the point is not done again');
SELECT ok(wf_delete('w', run_id => :'second'), 'it is deleted');
SELECT is((SELECT array_agg(run_id) FROM wf_executions WHERE workflow_id = 'w'), ARRAY[:'first'::uuid], 'the run it came from is still there');
SELECT is((SELECT count(*) FROM wf_history('w', :'first') WHERE event_type = 'workflow_completed'), 1::bigint, 'with its history');
SELECT * FROM finish();
