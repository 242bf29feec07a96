-- A worker is stopped between the acceptance of an update and its answer: another one answers.
\ir ../prelude.psql
SELECT plan(4);
CREATE SEQUENCE attempts;
CREATE FUNCTION slow() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('attempts') = 1 THEN PERFORM pg_sleep(30); END IF;
  RETURN 1;
END $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('go');
  PERFORM wf_sleep('10 ms');
  PERFORM wf_activity('slow');
  PERFORM wf_reply(u.update_id, '"answer"');
  RETURN 'done';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_update('w', 'go', update_id => 'u', wait_for => 'accepted', timeout => '20 s'), NULL, 'the update is accepted');
SELECT ok(wait_for($$EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep')$$), 'its worker is busy');
SELECT ok(pg_terminate_backend(pid), 'and is told to stop') FROM pg_stat_activity
WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep';
SELECT is(wf_update('w', 'go', update_id => 'u', timeout => '20 s'), '"answer"', 'the answer comes');
SELECT * FROM finish();
