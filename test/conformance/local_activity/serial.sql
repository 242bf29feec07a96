-- Three steps, one after the other: three records, one transaction, unless the machine is so busy
-- that they take longer than durable.batch_time.
\ir ../prelude.psql
SELECT plan(3);
CREATE TABLE effect (n serial, xid xid8 DEFAULT pg_current_xact_id(), run text DEFAULT wf_activity_info()->>'workflow_id', what text);
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS 'INSERT INTO effect (what) VALUES (what) RETURNING what';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  all_of_them jsonb := '[]';
BEGIN
  FOR i IN 1..3 LOOP
    all_of_them := all_of_them || wf_activity('note', jsonb_build_object('what', 'step ' || i));
  END LOOP;
  RETURN all_of_them;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '["step 1", "step 2", "step 3"]', 'the results, in order');
SELECT is((SELECT array_agg(what ORDER BY n) FROM effect), '{step 1,step 2,step 3}', 'each ran once');
DO $$ BEGIN FOR i IN 2..9 LOOP PERFORM wf_start('workflow', id => 'w' || i); END LOOP; END $$;
DO $$ BEGIN FOR i IN 2..9 LOOP PERFORM wf_result('w' || i); END LOOP; END $$;
SELECT ok((SELECT bool_or(one) FROM (SELECT count(DISTINCT xid) = 1 AS one FROM effect GROUP BY run) runs), 'all committed together');
SELECT * FROM finish();
