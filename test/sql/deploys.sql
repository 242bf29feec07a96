-- Before a deploy: would the open runs go on with other code?  And moving them to it.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION flow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  IF n > 1 THEN PERFORM wf_sleep('1 hour'); END IF;
  IF n > 2 THEN PERFORM wf_wait_signal('timed', '1 day'); END IF;
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_array(n, wf_info()->'version', wf_activity('act', '{"what": "last"}'));
END $$;
SELECT count(wf_start('flow', jsonb_build_object('n', n), id => 'r' || n)) FROM generate_series(1, 3) n;
CALL wf_work();
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT wf_start('flow', '{"n": 4}', id => 'r4') \gset
-- The code as it is
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow') ORDER BY 1;
-- Other code, under another name: it changes nothing, and nothing is run.
CREATE FUNCTION flow_next(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'not to be seen while replaying';
  PERFORM wf_activity('act', '{"what": "first"}');
  IF n > 1 THEN PERFORM wf_sleep('1 hour'); END IF;
  IF n > 2 THEN PERFORM wf_wait_signal('timed soon', '1 day'); END IF;
  PERFORM wf_activity('act', '{"what": "new"}');
  RETURN jsonb_build_array('next', n, wf_info()->'version');
END $$;
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'flow_next(int)') ORDER BY 1;
SELECT * FROM done;
CREATE FUNCTION returns_early(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'returns_early(int)') ORDER BY 1;
CREATE FUNCTION fails_early(n int) RETURNS int LANGUAGE sql AS 'SELECT n / 0';
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'fails_early(int)') ORDER BY 1;
CREATE FUNCTION fails_late(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  IF n > 1 THEN PERFORM wf_sleep('1 hour'); END IF;
  IF n > 2 THEN PERFORM wf_wait_signal('timed', '1 day'); END IF;
  RETURN n / 0;
END $$;
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'fails_late(int)') ORDER BY 1;
CREATE FUNCTION is_fenced(n int) RETURNS float8 LANGUAGE sql AS 'SELECT random()';
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'is_fenced(int)') ORDER BY 1;
CREATE FUNCTION other_input(m int) RETURNS int LANGUAGE sql AS 'SELECT m';
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'other_input(int)') ORDER BY 1;
CREATE FUNCTION loops(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN LOOP NULL; END LOOP; END $$;
SET durable.turn_timeout = '100ms';
SELECT workflow_id, ok, event_id, problem FROM wf_check_replay('flow', 'loops(int)') WHERE workflow_id = 'r1';
RESET durable.turn_timeout;
-- Under the settings of each run, which do not stay
SET search_path = public;
SELECT count(*) FILTER (WHERE ok) FROM wf_check_replay('test.flow', 'test.flow(int)');
SHOW search_path;
SET search_path = test, public;
-- What is not there, and what is not one's own
SELECT fails($$SELECT * FROM wf_check_replay('nothing')$$);
SELECT fails($$SELECT * FROM wf_check_replay(NULL)$$);
SELECT count(*) FROM wf_check_replay('flow', namespace => 'elsewhere');
CREATE ROLE regress_durable_other;
GRANT USAGE ON SCHEMA test TO regress_durable_other;
SET ROLE regress_durable_other;
SELECT count(*) FROM wf_check_replay('flow');
SELECT count(*) FROM wf_migrate('flow');
RESET ROLE;

-- Deployed: nothing happens to open runs, until they are moved.
CREATE OR REPLACE FUNCTION flow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  IF n > 1 THEN PERFORM wf_sleep('1 hour'); END IF;
  IF n > 2 THEN PERFORM wf_wait_signal('timed soon', '1 day'); END IF;
  PERFORM wf_activity('act', '{"what": "new"}');
  PERFORM wf_wait_signal('end');
  RETURN jsonb_build_array('next', n, wf_info()->'version');
END $$;
CALL wf_work();
SELECT workflow_id, version, waiting_for FROM wf_executions ORDER BY 1;
SELECT workflow_id, migrated, event_id, problem FROM wf_migrate('flow') ORDER BY 1;
SELECT workflow_id, migrated, event_id, problem FROM wf_migrate('flow') ORDER BY 1;
CALL wf_work();
SELECT workflow_id, version, waiting_for FROM wf_executions ORDER BY 1;
SELECT * FROM events('r1');
SELECT function, version, open_runs, is_current FROM wf_versions WHERE function ~ 'flow' ORDER BY version;
-- and back, as far as they fit
SELECT workflow_id, migrated, event_id, problem FROM wf_migrate('flow', 1) ORDER BY 1;
SELECT fails($$SELECT * FROM wf_migrate('flow', 7)$$);
SELECT fails($$SELECT * FROM wf_migrate('none', 1)$$);
SELECT fails($$SELECT * FROM wf_migrate('none')$$);
SET ROLE regress_durable_other;
SELECT fails($$SELECT * FROM wf_migrate('flow', 1)$$);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION flow(int) FROM PUBLIC;
SET ROLE regress_durable_other;
SELECT fails($$SELECT * FROM wf_migrate('flow')$$);
SELECT fails($$SELECT * FROM wf_check_replay('flow')$$);
RESET ROLE;
SELECT count(wf_signal(id, s)) FROM unnest('{r1,r2,r4}'::text[]) id, unnest('{end,go}'::text[]) s;
CALL wf_work();
SELECT workflow_id, version, result FROM wf_executions WHERE status = 'completed' ORDER BY 1;
-- Signals that came before the move are there after it.
SELECT wf_signal('r3', 'end', '"early"') \gset
SELECT wf_signal('r3', 'timed') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION flow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  IF n > 1 THEN PERFORM wf_sleep('1 hour'); END IF;
  IF n > 2 THEN PERFORM wf_wait_signal('timed', '1 day'); END IF;
  RETURN jsonb_build_array('third', wf_info()->'version', wf_wait_signal('end'), wf_info()->'version');
END $$;
SELECT workflow_id, migrated, event_id, problem FROM wf_migrate('flow') ORDER BY 1;
CALL wf_work();
SELECT workflow_id, version, result FROM wf_executions WHERE workflow_id = 'r3' ORDER BY 1;
SELECT fails('CALL wf_maintain()');
DROP OWNED BY regress_durable_other;
DROP ROLE regress_durable_other;
