-- A step may take longer than a turn of workflow code: its time does not count.
\ir ../prelude.psql
SELECT plan(2);
DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I SET durable.turn_timeout = ''200ms''', current_user, current_database()); END $$;
CREATE FUNCTION slow() RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(1); SELECT current_setting('durable.turn_timeout'); $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('slow');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), '"200ms"', 'it completes');
SELECT is(events('w'), 'workflow_started activity_scheduled activity_completed workflow_completed', 'at the first attempt');
SELECT * FROM finish();
