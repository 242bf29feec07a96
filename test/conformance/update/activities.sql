-- Activities that are called because of an update, before it is answered.
\ir ../prelude.psql
SELECT plan(3);
CREATE TABLE effect (n int);
CREATE FUNCTION add(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO effect VALUES (n) RETURNING n * 10';
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
  handles wf_handle[];
BEGIN
  SELECT * INTO u FROM wf_next_update('add');
  FOR i IN 1..(u.args->>'n')::int LOOP
    handles := handles || wf_start_activity('add', jsonb_build_object('n', i));
  END LOOP;
  PERFORM wf_reply(u.update_id, (SELECT to_jsonb(sum(r::int)) FROM unnest(wf_await_all(handles)) r));
  RETURN 'done';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_update('w', 'add', '{"n": 3}', timeout => '20 s'), '60', 'the answer has what the activities returned');
SELECT is((SELECT count(*) FROM effect), 3::bigint, 'each ran once');
SELECT is(wf_result('w'), '"done"', 'the workflow ends');
SELECT * FROM finish();
