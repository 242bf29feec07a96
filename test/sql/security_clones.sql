-- Earlier texts of workflow functions, from the attacker's side: no clone is ever more than its original is allowed to be now.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dora, regress_anna, regress_mallory;
RESET client_min_messages;
CREATE ROLE regress_dora LOGIN;
CREATE ROLE regress_anna LOGIN;
CREATE ROLE regress_mallory LOGIN;
GRANT USAGE, CREATE ON SCHEMA test TO PUBLIC;
CREATE FUNCTION clones(name text) RETURNS TABLE (owner text, definer boolean, acl text, config text[]) LANGUAGE sql AS $$
  SELECT replace(p.proowner::regrole::text, current_user, 'me'), p.prosecdef, replace(p.proacl::text, current_user, 'me'), p.proconfig FROM pg_proc p
  WHERE p.pronamespace = 'durable'::regnamespace AND p.proname LIKE name || '$v%' ORDER BY p.proname
$$;
-- default privileges give nobody a clone
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO regress_mallory;

-- A superuser's SECURITY DEFINER function is handed to a role: its text as of the superuser's time is another version.
CREATE FUNCTION handed() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = test, public AS $$
BEGIN RETURN jsonb_build_array(current_user, wf_wait_signal('go'), current_user); END $$;
SELECT wf_start('handed', id => 'smoke test') \gset
CALL wf_work();
GRANT EXECUTE ON FUNCTION handed TO regress_mallory;
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_start('handed', id => 'before') \gset
CALL wf_work();
RESET SESSION AUTHORIZATION;
ALTER FUNCTION handed() OWNER TO regress_dora;
SET SESSION AUTHORIZATION regress_dora;
SELECT wf_start('handed', id => 'after') \gset
CALL wf_work();
SELECT workflow_id, version FROM wf_executions ORDER BY 1;
CREATE OR REPLACE FUNCTION handed() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN '"next"'; END $$;
SELECT wf_signal('after', 'go') \gset
CALL wf_work();
SELECT id, status, result FROM runs();
-- and a run of that version does not go on as the superuser
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_signal('before', 'go') \gset
CALL wf_work();
SELECT id, status, result, replace(error, :'USER', 'me') AS error FROM runs();
SELECT error->>'sqlstate' AS state, error->>'hint' AS hint FROM wf_stuck;
RESET SESSION AUTHORIZATION;
SELECT * FROM clones('handed');
-- A clone is nobody's to call, alter, copy its rights from, rename, or start; nor through something that calls it.
SELECT proname AS clone FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'handed$v2%' \gset
CREATE TABLE statements (n int, s text);
GRANT SELECT ON statements TO PUBLIC;
INSERT INTO statements VALUES (1, 'SELECT durable.%I()'), (2, 'SELECT wf_start(''durable.%I'')'), (3, 'ALTER FUNCTION durable.%I() OWNER TO current_user'), (4, 'ALTER FUNCTION durable.%I() RENAME TO x'),
  (5, 'ALTER FUNCTION durable.%I() SECURITY DEFINER'), (6, 'ALTER FUNCTION durable.%I() SET SCHEMA test'), (7, 'GRANT EXECUTE ON FUNCTION durable.%I() TO PUBLIC'), (8, 'DROP FUNCTION durable.%I()'),
  (9, 'CREATE OR REPLACE FUNCTION durable.%I() RETURNS jsonb LANGUAGE sql AS ''SELECT NULL::jsonb'''), (10, 'SELECT * FROM wf_check_replay(''handed'', ''durable.%I()'')'),
  (11, 'SELECT wf_replay(''[]'', ''durable.%I()'')'), (12, 'CREATE FUNCTION test.calls() RETURNS jsonb LANGUAGE sql BEGIN ATOMIC SELECT durable.%I(); END'), (13, 'SELECT test.calls()'),
  (14, 'CREATE VIEW test.looks AS SELECT durable.%I() AS x'), (15, 'SELECT * FROM test.looks'), (16, 'COMMENT ON FUNCTION durable.%I() IS ''x''');
SET SESSION AUTHORIZATION regress_dora;
SELECT replace(s, '%I', '<clone>') AS statement, replace(fails(format(s, :'clone')), :'clone', '<clone>') AS fails FROM statements ORDER BY n;
CREATE FUNCTION steals(clone text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_array(fails(format('SELECT durable.%I()', clone)), fails(format('SELECT wf_activity(''durable.%I'')', clone)), fails(format('SELECT wf_child(''durable.%I'')', clone)));
END $$;
SELECT wf_start('steals', jsonb_build_object('clone', :'clone'), id => 'steals') \gset
CALL wf_work();
SELECT replace(jsonb_array_elements_text(result), :'clone', '<clone>') AS fails FROM wf_executions WHERE workflow_id = 'steals';
RESET SESSION AUTHORIZATION;

-- REVOKE, DROP, another owner, SECURITY INVOKER: each ends what the clone of a definer may, and it may again when that is undone.
CREATE TABLE dora_secret AS SELECT 'secret' AS x;
ALTER TABLE dora_secret OWNER TO regress_dora;
SET SESSION AUTHORIZATION regress_dora;
CREATE FUNCTION shared() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN RETURN concat_ws(' ', wf_wait_signal('a')#>>'{}', wf_wait_signal('b')#>>'{}', wf_activity('test.who')#>>'{}', current_user, session_user); END $$;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT 'step of ' || current_user $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT count(wf_start('shared', id => 'shared' || n)) FROM generate_series(1, 7) n;
CALL wf_work();
SELECT count(wf_signal('shared' || n, 'a')) FROM generate_series(1, 7) n;
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
CREATE OR REPLACE FUNCTION shared() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'next'; END $$;
-- allowed
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared1', 'b') \gset
CALL wf_work();
SELECT * FROM runs('shared1');
-- The clone is known to this session by now, which counts for nothing.
SET SESSION AUTHORIZATION regress_dora;
REVOKE EXECUTE ON FUNCTION shared FROM PUBLIC;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared2', 'b') \gset
CALL wf_work();
SELECT why FROM wf_stuck;
SET SESSION AUTHORIZATION regress_dora;
GRANT EXECUTE ON FUNCTION shared TO PUBLIC;
ALTER FUNCTION shared() SECURITY INVOKER;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared3', 'b') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'shared3';
RESET SESSION AUTHORIZATION;
ALTER FUNCTION shared() SECURITY DEFINER;
ALTER FUNCTION shared() OWNER TO regress_mallory;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared4', 'b') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'shared4';
RESET SESSION AUTHORIZATION;
ALTER FUNCTION shared() RENAME TO shared_elsewhere;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared5', 'b') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'shared5';
-- Another's function of that name is not the one that gave the rights.
SET SESSION AUTHORIZATION regress_mallory;
CREATE FUNCTION shared() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'of mallory'; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared6', 'b') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'shared6';
-- Mallory has runs of a text of hers; when dora has a function of that name, that is not run as dora.
SET SESSION AUTHORIZATION regress_mallory;
CREATE FUNCTION squat() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM wf_wait_signal('a'); RETURN current_user || (SELECT ' reads ' || x FROM test.dora_secret); END $$;
SELECT wf_start('squat', id => 'squat'), wf_start('squat', id => 'squat2') \gset
CALL wf_work();
DROP FUNCTION squat;
SET SESSION AUTHORIZATION regress_dora;
-- the very same text, in the middle of a change to it
CREATE FUNCTION squat() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM wf_wait_signal('a'); RETURN current_user || (SELECT ' reads ' || x FROM test.dora_secret); END $$;
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_signal('squat', 'a') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'squat';
SET SESSION AUTHORIZATION regress_dora;
CREATE OR REPLACE FUNCTION squat() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'mended'; END $$;
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_signal('squat2', 'a') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id = 'squat2';
-- All as it was
RESET SESSION AUTHORIZATION;
DROP FUNCTION shared;
ALTER FUNCTION shared_elsewhere() RENAME TO shared;
ALTER FUNCTION shared() OWNER TO regress_dora;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('shared7', 'b') \gset
RESET SESSION AUTHORIZATION;
SET durable.clock_offset = '1min';
SET SESSION AUTHORIZATION regress_anna;
CALL wf_work();
SELECT status, result, count(*) FROM runs('shared%') GROUP BY 1, 2;
RESET SESSION AUTHORIZATION;
RESET durable.clock_offset;

-- A text that was never hers to run: as a child of a definer's run, as a reset with the code it had, as a version to migrate to.
SET SESSION AUTHORIZATION regress_dora;
CREATE FUNCTION private(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_start('private', '{"q": "SELECT 1"}', id => 'granted') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
-- the hole is mended; nobody begins with it again
CREATE OR REPLACE FUNCTION private(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'mended'; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT fails('SELECT wf_reset(''granted'', 1, code => ''same'')'), fails('SELECT wf_migrate(''private'', 1)');
SELECT wf_reset('granted', 1) \gset
CALL wf_work();
SELECT id, status, result FROM runs('granted');
RESET SESSION AUTHORIZATION;

-- A function that is no definer: its earlier text runs as the run's owner, also when it is gone; but not where EXECUTE was taken.
SET SESSION AUTHORIZATION regress_dora;
CREATE FUNCTION plain() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('a'); RETURN NEXT current_user; RETURN NEXT wf_activity('who')#>>'{}'; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT count(wf_start('plain', id => 'plain' || n)) FROM generate_series(1, 4) n;
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
CREATE OR REPLACE FUNCTION plain() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN NEXT 'next'; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('plain1', 'a') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
REVOKE EXECUTE ON FUNCTION plain FROM PUBLIC;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('plain2', 'a') \gset
CALL wf_work();
SELECT * FROM runs('plain%');
SELECT why, error->>'hint' AS hint FROM wf_stuck WHERE workflow_id = 'plain2';
SET SESSION AUTHORIZATION regress_dora;
DROP FUNCTION plain;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('plain3', 'a') \gset
CALL wf_work();
SELECT id, status, result FROM runs('plain3');
-- EXECUTE on the function as it is counts at each turn, too.
SET SESSION AUTHORIZATION regress_dora;
CREATE FUNCTION current() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('a'); RETURN 'done'; END $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_start('current', id => 'current') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
REVOKE EXECUTE ON FUNCTION current FROM PUBLIC;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('current', 'a') \gset
CALL wf_work();
SELECT id, status, error FROM runs('current');
RESET SESSION AUTHORIZATION;
SELECT workflow_id, ok, problem FROM wf_check_replay('current');
SELECT workflow_id, migrated, problem FROM wf_migrate('current');

-- A set-returning definer; C functions have rights too.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION sets() RETURNS TABLE (who text, n int) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM wf_wait_signal('a'); RETURN QUERY SELECT current_user::text, g FROM generate_series(1, 2) g; END $$;
ALTER FUNCTION sets OWNER TO regress_dora;
CREATE FUNCTION untrusted(signal text, timeout interval DEFAULT NULL) RETURNS jsonb LANGUAGE C AS '$libdir/durable', 'wf_wait_signal';
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_start('sets', id => 'sets'), wf_start('untrusted', '{"signal": "a"}', id => 'untrusted'), wf_start('untrusted', '{"signal": "a"}', id => 'untrusted2') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_dora;
CREATE OR REPLACE FUNCTION sets() RETURNS TABLE (who text, n int) LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'next', 1 $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('sets', 'a') \gset
CALL wf_work();
SELECT id, status, result FROM runs('sets');
RESET SESSION AUTHORIZATION;
ALTER FUNCTION untrusted(text, interval) STRICT;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('untrusted', 'a', '"still C"') \gset
CALL wf_work();
RESET SESSION AUTHORIZATION;
CREATE OR REPLACE FUNCTION untrusted(signal text, timeout interval DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_wait_signal(signal) $$;
SET SESSION AUTHORIZATION regress_anna;
SELECT wf_signal('untrusted2', 'a') \gset
CALL wf_work();
SELECT id, status, result, error FROM runs('untrusted%');

-- Clones go, whatever somebody made of them; those in use stay, one of a version.
RESET SESSION AUTHORIZATION;
SELECT format('DROP FUNCTION durable.%I', clone) AS statement FROM durable.clone WHERE function ~ 'plain' \gset
:statement;
SELECT p.proname IS NOT NULL AS there, count(n.clone) FROM durable.clone n LEFT JOIN pg_proc p ON p.proname = n.clone WHERE n.function ~ 'plain' GROUP BY 1 ORDER BY 1;
SET client_min_messages = warning;
CALL wf_maintain();
RESET client_min_messages;
SELECT p.proname IS NOT NULL AS there, count(n.clone) FROM durable.clone n LEFT JOIN pg_proc p ON p.proname = n.clone GROUP BY 1;
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';
SET client_min_messages = warning;
CALL wf_maintain();
RESET client_min_messages;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE '%$v%';
SELECT count(*) FROM durable.clone;
SELECT to_regclass('test.looks') AS looks;

-- wf_versions is for all, whatever schemas are closed to them.
SET SESSION AUTHORIZATION regress_mallory;
SELECT count(*) FROM wf_versions WHERE open_runs > 0;
RESET SESSION AUTHORIZATION;
CREATE SCHEMA closed;
CREATE FUNCTION closed.f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
SELECT wf_start('closed.f', id => 'closed') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_mallory;
SELECT count(*) FROM wf_versions WHERE open_runs > 0;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM regress_mallory;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test, closed CASCADE;
DROP ROLE regress_dora, regress_anna, regress_mallory;
