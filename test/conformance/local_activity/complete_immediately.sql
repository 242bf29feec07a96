-- A step: the nearest to a local activity. It runs in the turn and commits with its record.
\ir ../prelude.psql
SELECT plan(3);
CREATE TABLE effect (xid xid8 DEFAULT pg_current_xact_id(), what text);
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS 'INSERT INTO effect (what) VALUES (what) RETURNING what';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('note', '{"what": "done"}');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"done"', 'the result comes back');
SELECT is((SELECT count(*) FROM effect), 1::bigint, 'the effect is there once');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed workflow_completed', 'its record is in the history');
SELECT * FROM finish();
