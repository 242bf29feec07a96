-- A worker is stopped in the middle of a step: another one runs it, and its effect is there once.
\ir ../prelude.psql
SELECT plan(4);
CREATE TABLE effect (what text);
CREATE SEQUENCE attempts;
CREATE FUNCTION slow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO effect VALUES ('done');
  IF nextval('attempts') = 1 THEN PERFORM pg_sleep(30); END IF;
  RETURN 'done';
END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('slow');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep')$$), 'the step runs');
SELECT ok(pg_terminate_backend(pid), 'its worker is told to stop') FROM pg_stat_activity
WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep';
SELECT is(wf_result('w', '20 s'), '"done"', 'another worker goes on');
SELECT is((SELECT count(*) FROM effect), 1::bigint, 'the effect is there once');
SELECT * FROM finish();
