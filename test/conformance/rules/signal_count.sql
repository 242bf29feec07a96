-- More than 10,000 signals to one run, sent by one statement.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  n int := 0;
BEGIN
  PERFORM wf_wait_signal('go');
  WHILE wf_poll_signal('s') IS NOT NULL LOOP
    n := n + 1;
  END LOOP;
  RETURN n;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT count(wf_signal('w', 's', to_jsonb(n))::text) AS sent FROM generate_series(1, 12000) n \gset
SELECT is(:sent, 12000, 'all are taken');
SELECT wf_signal('w', 'go') \g /dev/null
SELECT is(wf_result('w', '25 s'), '12000', 'and read');
SELECT * FROM finish();
