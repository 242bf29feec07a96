-- Runs keep the text of their function: replaced, renamed, moved, dropped.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION versions() RETURNS TABLE (function text, version int, open_runs bigint, clone text, is_current boolean) LANGUAGE sql AS
$$ SELECT v.function, v.version, v.open_runs, v.clone, v.is_current FROM wf_versions v ORDER BY 1, 2 $$;

CREATE FUNCTION flow(who text DEFAULT 'x', at timestamptz DEFAULT '2020-02-03 04:05:06+00') RETURNS text LANGUAGE plpgsql
SET lc_messages = 'C' AS $$
BEGIN
  RETURN 'one: ' || wf_wait_signal('go')::text;
END $$;
SELECT count(wf_start('flow', id => 'old' || n)) FROM generate_series(1, 6) n;
-- A run that has had no turn has no version.
SELECT DISTINCT version FROM wf_executions;
CALL wf_work();
SELECT DISTINCT version FROM wf_executions;
SELECT * FROM versions();
-- The settings of a session make no other version.
SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Tokyo';
SELECT wf_start('flow', id => 'same') \gset
CALL wf_work();
RESET DateStyle; RESET IntervalStyle; RESET TimeZone;
SELECT * FROM versions();

-- Replaced
CREATE OR REPLACE FUNCTION flow(who text DEFAULT 'x', at timestamptz DEFAULT '2020-02-03 04:05:06+00') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN 'two: ' || wf_wait_signal('go')::text;
END $$;
SELECT wf_start('flow', id => 'new') \gset
SELECT wf_signal('old1', 'go', '1'), wf_signal('new', 'go', '1') \gset
CALL wf_work();
SELECT workflow_id, version, result FROM wf_executions WHERE result IS NOT NULL ORDER BY 1;
SELECT * FROM versions();
SELECT p.proowner::regrole = current_user::regrole AS mine, has_function_privilege('public', p.oid, 'EXECUTE') AS public, p.proconfig, pg_get_function_arguments(p.oid)
FROM pg_proc p WHERE proname LIKE 'flow$v1$%';
-- Renamed
ALTER FUNCTION flow(text, timestamptz) RENAME TO flow2;
SELECT wf_signal('old2', 'go', '2') \gset
CALL wf_work();
-- back with the first text: that is version 1 again
ALTER FUNCTION flow2(text, timestamptz) RENAME TO flow;
CREATE OR REPLACE FUNCTION flow(who text DEFAULT 'x', at timestamptz DEFAULT '2020-02-03 04:05:06+00') RETURNS text LANGUAGE plpgsql
SET lc_messages = 'C' AS $$
BEGIN
  RETURN 'one: ' || wf_wait_signal('go')::text;
END $$;
SELECT is_current FROM versions();
-- in another schema
ALTER FUNCTION flow(text, timestamptz) SET SCHEMA public;
SELECT wf_signal('old3', 'go', '3') \gset
CALL wf_work();
ALTER FUNCTION public.flow(text, timestamptz) SET SCHEMA test;
-- with other settings, another owner
ALTER FUNCTION flow(text, timestamptz) SET work_mem = '1MB';
SELECT wf_signal('old4', 'go', '4') \gset
CALL wf_work();
-- Dropped, and the clone with it: it is made again.
DROP FUNCTION flow(text, timestamptz);
DROP FUNCTION durable."flow$v1$1"(text, timestamptz);
SELECT wf_signal('old5', 'go', '5') \gset
CALL wf_work();
-- Something else of that name
CREATE PROCEDURE flow() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
SELECT wf_signal('same', 'go', '"same"') \gset
CALL wf_work();
SELECT workflow_id, version, status, result FROM wf_executions ORDER BY 1;
-- Where it waits shows the function's own name, as do errors.
SELECT workflow_id, waiting_at FROM wf_executions WHERE status = 'running';
SELECT * FROM wf_stuck;

-- Clones without open runs go by wf_maintain().
CALL wf_maintain();
SELECT * FROM versions();
SELECT wf_signal('old6', 'go', '6') \gset
CALL wf_work();
CALL wf_maintain();
SELECT count(*) FROM pg_proc WHERE proname LIKE 'flow$%';
DROP PROCEDURE flow();

-- Errors, and where code waits, name the function, not the clone.
CREATE FUNCTION "odd ""name"(who text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  PERFORM wf_wait_signal('go');
  RAISE EXCEPTION 'end of %', who;
END $$;
CREATE SCHEMA test2;
CREATE FUNCTION test2."odd ""name"(who text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  PERFORM wf_wait_signal('go');
  RAISE EXCEPTION 'end of %', who;
END $$;
SELECT wf_start('"odd ""name"', '{"who": "odd"}', id => 'odd'), wf_start('test2."odd ""name"', '{"who": "odd2"}', id => 'odd2') \gset
CALL wf_work();
DROP FUNCTION "odd ""name"(text), test2."odd ""name"(text);
SELECT wf_signal('odd', 'go'), wf_signal('odd2', 'go') \gset
CALL wf_work();
SELECT workflow_id, waiting_at FROM wf_executions WHERE status = 'running' ORDER BY 1;
SELECT wf_signal('odd', 'go'), wf_signal('odd2', 'go') \gset
CALL wf_work();
SELECT workflow_id, version, status, error->>'message' AS message, error->>'context' AS context FROM wf_executions WHERE workflow_id LIKE 'odd%' ORDER BY 1;
SELECT clone FROM versions() WHERE clone IS NOT NULL ORDER BY 1;

-- SECURITY DEFINER, other languages, sets, SQL bodies
CREATE ROLE regress_durable_dep;
CREATE ROLE regress_durable_run LOGIN;
GRANT ALL ON SCHEMA test TO regress_durable_dep, regress_durable_run;
CREATE FUNCTION definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN current_user || ' for ' || session_user; END $$;
ALTER FUNCTION definer() OWNER TO regress_durable_dep;
CREATE FUNCTION sets(n int) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN QUERY SELECT generate_series(1, n); END $$;
CREATE FUNCTION body(n int) RETURNS jsonb LANGUAGE sql BEGIN ATOMIC SELECT jsonb_build_array(wf_wait_signal('go'), n); END;
SET SESSION AUTHORIZATION regress_durable_run;
SELECT count(wf_start(f, CASE f WHEN 'definer' THEN '{}' ELSE '{"n": 3}'::jsonb END, id => f)) FROM unnest('{definer,sets,body}'::text[]) f;
CALL wf_work();
RESET SESSION AUTHORIZATION;
DROP FUNCTION definer(), sets(int), body(int);
SET SESSION AUTHORIZATION regress_durable_run;
SELECT count(wf_signal(f, 'go')) FROM unnest('{definer,sets,body}'::text[]) f;
CALL wf_work();
SELECT * FROM runs();
-- The rights of a definer end with its function (security_clones has the rest), and come back with it.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION definer(later int DEFAULT 0) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'later'; END $$;
ALTER FUNCTION definer OWNER TO regress_durable_dep;
SET durable.clock_offset = '5s';
SET SESSION AUTHORIZATION regress_durable_run;
CALL wf_work();
SELECT * FROM runs('definer');
RESET SESSION AUTHORIZATION;
RESET durable.clock_offset;
SET SESSION AUTHORIZATION regress_durable_run;
-- what is whose
SELECT function, open_runs FROM versions();
SELECT fails('CALL wf_maintain()');
RESET SESSION AUTHORIZATION;
SELECT proname, proowner::regrole = 'regress_durable_dep'::regrole AS his, has_function_privilege('regress_durable_run', oid, 'EXECUTE') AS may,
  has_function_privilege('public', oid, 'EXECUTE') AS public FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname ~ '^(definer|sets|body)' ORDER BY 1;

-- Code that changes while runs are open: markers
CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION change_body() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  PERFORM wf_wait_signal('go');
  RETURN wf_activity('act', '{"what": "last"}');
END $$;
CREATE FUNCTION change() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN change_body(); END $$;
SELECT wf_start('change', id => 'before') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION change_body() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE early boolean; v int; late boolean;
BEGIN
  early := wf_patched('check first');
  IF early THEN
    PERFORM wf_activity('act', '{"what": "check"}');
  END IF;
  PERFORM wf_activity('act', '{"what": "first"}');
  v := wf_version('how', -1, 2);
  PERFORM wf_wait_signal('go');
  late := wf_patched('late');
  PERFORM wf_activity('act', '{"what": "last"}');
  RETURN jsonb_build_array(early, v, late, wf_patched('check first'), wf_version('how', -1, 2), wf_info()->'versions', wf_info()->'version');
END $$;
SELECT wf_start('change', id => 'after') \gset
CALL wf_work();
SELECT count(wf_signal(f, 'go')) FROM unnest('{before,after}'::text[]) f;
CALL wf_work();
SELECT workflow_id, result FROM wf_executions WHERE workflow_id IN ('before', 'after') ORDER BY 1;
SELECT * FROM events('after');
SELECT n, event FROM events('before');
-- A version that the code no longer supports, or not yet
CREATE FUNCTION bounds_body() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_version('c', 1, 2), wf_wait_signal('go'), wf_version('c', 1, 3)); END $$;
CREATE FUNCTION bounds() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN bounds_body(); END $$;
SELECT wf_start('bounds', id => 'bounds') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION bounds_body() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_version('c', 3, 4), wf_wait_signal('go')); END $$;
SELECT wf_signal('bounds', 'go') \gset
CALL wf_work();
SELECT why, error->>'sqlstate' AS state, error->>'hint' AS hint FROM wf_stuck;
CREATE OR REPLACE FUNCTION bounds_body() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_version('missed', 1, 2), wf_wait_signal('go')); END $$;
SET durable.clock_offset = '5s';
CALL wf_work();
SELECT why, error->>'sqlstate' AS state, error->>'hint' AS hint FROM wf_stuck;
CREATE OR REPLACE FUNCTION bounds_body() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_version('c', -1, 4), wf_wait_signal('go'), wf_version('new', 1, 4)); END $$;
SET durable.clock_offset = '1min';
CALL wf_work();
RESET durable.clock_offset;
SELECT result FROM wf_executions WHERE workflow_id = 'bounds';
SELECT fails('SELECT wf_version(''c'', -1, 2)');
CREATE FUNCTION bad() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(fails('SELECT wf_version(''c'', 2, 1)'), fails('SELECT wf_version(NULL, 2, 1)'), fails('SELECT wf_version(''c'', NULL, 1)'), fails('SELECT wf_patched('''')')); END $$;
SELECT wf_start('bad', id => 'bad') \gset
CALL wf_work();
SELECT jsonb_array_elements(result) FROM wf_executions WHERE workflow_id = 'bad';

-- Everything goes with the extension, clones too.
SELECT wf_start('change', id => 'left') \gset
CALL wf_work();
DROP FUNCTION change();
SELECT wf_signal('left', 'go') \gset
CALL wf_work();
SELECT clone FROM versions() WHERE open_runs = 0 AND clone ~ 'change';
DROP EXTENSION durable;
SELECT count(*) FROM pg_proc WHERE proname LIKE '%$v%';
DROP OWNED BY regress_durable_dep, regress_durable_run;
DROP ROLE regress_durable_dep, regress_durable_run;
