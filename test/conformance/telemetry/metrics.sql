-- A counter of one's own: a step counts exactly once, however often its workflow is replayed or its attempts fail.
\ir ../prelude.psql
SELECT plan(2);
CREATE TABLE metric (name text PRIMARY KEY, value bigint NOT NULL);
CREATE FUNCTION count_one(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO metric VALUES (name, 1) ON CONFLICT ON CONSTRAINT metric_pkey DO UPDATE SET value = metric.value + 1;
  IF (wf_activity_info()->>'attempt')::int < 3 THEN RAISE 'attempt failed'; END IF;
END $$;
CREATE FUNCTION workflow() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..3 LOOP
    PERFORM wf_activity('count_one', '{"name": "rounds"}', retry => wf_retry(initial_interval => '1 ms'));
    PERFORM wf_sleep('10 ms');
  END LOOP;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(outcome('w')->>'status', 'completed', 'three rounds of three attempts');
SELECT is((SELECT value FROM metric WHERE name = 'rounds'), 3::bigint, 'are counted three times');
SELECT * FROM finish();
