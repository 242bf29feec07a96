-- One step succeeds, one fails and is dealt with: only the first has an effect.
\ir ../prelude.psql
SELECT plan(3);
CREATE TABLE effect (what text);
CREATE FUNCTION note(what text, fail boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO effect VALUES (what);
  IF fail THEN RAISE 'it fails'; END IF;
  RETURN what;
END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  first jsonb := wf_activity('note', '{"what": "first", "fail": false}');
BEGIN
  PERFORM wf_activity('note', '{"what": "second", "fail": true}');
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  RETURN first;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"first"', 'the workflow goes on after the failure');
SELECT is((SELECT array_agg(what) FROM effect), '{first}', 'the failed step is undone');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed activity_scheduled activity_failed workflow_completed', 'events');
SELECT * FROM finish();
