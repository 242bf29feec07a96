-- A cancel request does not break into a running step: the step completes, and the next wait raises it.
\ir ../prelude.psql
SELECT plan(4);
CREATE TABLE effect (what text);
CREATE FUNCTION slow() RETURNS text LANGUAGE sql AS $$ INSERT INTO effect VALUES ('done'); SELECT pg_sleep(1.2); SELECT 'slow'; $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  step jsonb;
BEGIN
  step := wf_activity('slow');
  PERFORM wf_sleep('1 hour');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN step->>0;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'durable worker' AND datname = current_database() AND wait_event = 'PgSleep')$$), 'the step runs');
SELECT ok(wf_cancel('w'), 'the workflow is cancelled meanwhile');
SELECT is(outcome('w')->>'result', 'slow', 'the step completes, and its result is there');
SELECT is((SELECT count(*) FROM effect), 1::bigint, 'and so is its effect');
SELECT * FROM finish();
