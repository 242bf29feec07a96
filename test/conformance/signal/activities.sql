-- Activities that are called because of a signal: all that came are handled, in order, before the workflow ends.
\ir ../prelude.psql
SELECT plan(2);
CREATE TABLE effect (n int);
CREATE FUNCTION add(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO effect VALUES (n) RETURNING n * 10';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  total int := 0;
  signal jsonb := wf_wait_signal('add');
BEGIN
  WHILE signal IS NOT NULL LOOP
    total := total + wf_activity('add', jsonb_build_object('n', signal))::int;
    signal := wf_poll_signal('add');
  END LOOP;
  RETURN total;
END $$;
BEGIN;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT wf_signal('w', 'add', to_jsonb(n)) FROM generate_series(1, 5) n \g /dev/null
COMMIT;
SELECT is(wf_result('w'), '150', 'each signal has had its activity');
SELECT is((SELECT array_agg(n) FROM effect), '{1,2,3,4,5}', 'in order');
SELECT * FROM finish();
