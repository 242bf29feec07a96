-- More than 10 updates in flight, and more than 2,000 in all.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  u record;
  n int := 0;
BEGIN
  PERFORM wf_wait_signal('go');
  LOOP
    SELECT * INTO u FROM wf_poll_update('add');
    EXIT WHEN u.update_id IS NULL;
    n := n + 1;
    PERFORM wf_reply(u.update_id, to_jsonb(n));
  END LOOP;
  RETURN n;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT count(*) AS sent FROM (SELECT wf_update('w', 'add', '{}', 'u' || n, wait_for => 'admitted') FROM generate_series(1, 2500) n OFFSET 0) u \gset
SELECT is(:sent, 2500, 'all are taken');
SELECT wf_signal('w', 'go') \g /dev/null
SELECT is(wf_result('w', '25 s'), '2500', 'and read');
SELECT is((SELECT count(*) FROM wf_updates WHERE state = 'completed'), 2500::bigint, 'and answered');
SELECT is(wf_update('w', 'add', update_id => 'u2500'), '2500', 'in order');
SELECT * FROM finish();
