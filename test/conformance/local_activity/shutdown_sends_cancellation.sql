-- The stop of a worker interrupts a running step, which no handler in its code can catch; what it did is undone.
\ir ../prelude.psql
SELECT plan(5);
CREATE TABLE effect (what text);
CREATE SEQUENCE attempts;
CREATE SEQUENCE caught;
CREATE FUNCTION slow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO effect VALUES ('begun');
  IF nextval('attempts') = 1 THEN PERFORM pg_sleep(30); END IF;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  PERFORM nextval('caught');
  RETURN 'caught';
END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('slow');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep')$$), 'the step runs');
SELECT ok(pg_terminate_backend(pid, 5000), 'its worker stops long before the step would have ended') FROM pg_stat_activity
WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep';
SELECT is(wf_result('w', '20 s'), '"done"', 'the second attempt completes');
SELECT is((SELECT count(*) FROM effect), 1::bigint, 'what the first did is undone');
SELECT is((SELECT is_called FROM caught), false, 'its code did not see the interrupt');
SELECT * FROM finish();
