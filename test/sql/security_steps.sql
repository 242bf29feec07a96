-- Whatever function is up the stack, and whether steps are taken in place or not: a step is the run's owner's, under the run's settings.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_definer, regress_runner;
RESET client_min_messages;
CREATE ROLE regress_definer LOGIN;
CREATE ROLE regress_runner LOGIN;
GRANT USAGE, CREATE ON SCHEMA test TO PUBLIC;
CREATE SCHEMA elsewhere;
GRANT USAGE ON SCHEMA elsewhere TO PUBLIC;

-- What a step sees of its session
CREATE FUNCTION surroundings() RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN concat_ws(' ', current_user, current_setting('role'), current_setting('search_path'), current_setting('TimeZone'), current_setting('work_mem'), nullif(current_setting('app.tenant', true), '')); END $$;
CREATE FUNCTION report() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_array(wf_activity('test.surroundings'), wf_sql('SELECT test.surroundings() AS s')->0->>'s', wf_activity('test.surroundings')) $$;
CREATE FUNCTION report_set() RETURNS jsonb LANGUAGE plpgsql SET search_path = elsewhere, public SET "TimeZone" = 'Asia/Tokyo' SET work_mem = '3MB' AS $$ BEGIN RETURN test.report(); END $$;

SET SESSION AUTHORIZATION regress_definer;
CREATE FUNCTION report_definer() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_definer() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_definer_set() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = elsewhere, public SET work_mem = '3MB' AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_definer_sql() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT test.report() $$;
-- the code itself is the definer's, also after steps
CREATE FUNCTION f_between() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE a text := current_user; r jsonb := test.report(); BEGIN RETURN r || jsonb_build_array(a, current_user); END $$;
SET SESSION AUTHORIZATION regress_runner;
CREATE FUNCTION f_plain() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_set() RETURNS jsonb LANGUAGE plpgsql SET search_path = elsewhere, public SET "TimeZone" = 'Asia/Tokyo' SET work_mem = '3MB' AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_nested() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN test.report_definer(); END $$;
CREATE FUNCTION f_nested_set() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN test.report_set(); END $$;
CREATE FUNCTION f_sets() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN SET search_path = elsewhere, public; SET LOCAL work_mem = '3MB'; RETURN test.report(); END $$;
CREATE FUNCTION f_set_config() RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE s text; BEGIN s := set_config('app.tenant', 'set by code', false); RETURN test.report(); END $$;
CREATE FUNCTION f_dynamic() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT set_config(''work_mem'', ''3MB'', true)'; RETURN test.report(); END $$;
CREATE FUNCTION f_role() RETURNS jsonb LANGUAGE plpgsql SET role = regress_runner AS $$ BEGIN RETURN test.report(); END $$;
CREATE FUNCTION f_definer_child() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('f_definer'); END $$;
-- Each runs often enough to have its steps in place; none may differ from the first, nor from those of another function.
SELECT count(wf_start('f_' || f, id => f || ' ' || n)) FROM unnest('{plain,definer,definer_set,definer_sql,between,set,nested,nested_set,sets,set_config,dynamic,role,definer_child}'::text[]) f, generate_series(1, 8) n;
CALL wf_work();
SELECT regexp_replace(workflow_id, ' .*', '') AS f, count(*), result FROM wf_executions WHERE parent_run_id IS NULL GROUP BY f, result ORDER BY f;
SELECT * FROM wf_stuck;
-- Queued, compensations by hand and after the code, with a definer up the stack
SET SESSION AUTHORIZATION regress_definer;
CREATE TABLE seen (what text, who text);
GRANT INSERT, SELECT ON seen TO regress_runner;
CREATE FUNCTION notes(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO test.seen VALUES (what, test.surroundings()) RETURNING who $$;
CREATE FUNCTION g_definer(fails boolean) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET work_mem = '3MB' AS $$
BEGIN
  PERFORM wf_compensate('notes', '{"what": "compensation"}');
  PERFORM wf_compensate('notes', '{"what": "queued compensation"}', mode => 'queued');
  PERFORM wf_activity('notes', '{"what": "queued"}', mode => 'queued');
  PERFORM wf_await(wf_start_activity('notes', '{"what": "started"}'));
  IF fails THEN RAISE 'fails'; END IF;
  PERFORM wf_run_compensations();
  RETURN current_user;
END $$;
SET SESSION AUTHORIZATION regress_runner;
SELECT count(wf_start('g_definer', jsonb_build_object('fails', n % 2 = 0), id => 'g' || n)) FROM generate_series(1, 8) n;
CALL wf_work();
SELECT status, result, error, count(*) FROM runs('g%') GROUP BY 1, 2, 3 ORDER BY 1;
SET SESSION AUTHORIZATION regress_definer;
SELECT what, who, count(*) FROM seen GROUP BY 1, 2 ORDER BY 1, 2;

-- A child is checked as the run's owner too: what its definer may execute is not for the run.
CREATE FUNCTION private(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END $$;
REVOKE ALL ON FUNCTION private FROM PUBLIC;
CREATE FUNCTION outer_definer() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN wf_child('private', '{"q": "SELECT 1"}'); EXCEPTION WHEN OTHERS THEN RETURN to_jsonb(SQLSTATE || ' ' || SQLERRM); END $$;
CREATE FUNCTION outer_step() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN wf_activity('private', '{"q": "SELECT 1"}'); EXCEPTION WHEN OTHERS THEN RETURN to_jsonb(SQLSTATE || ' ' || SQLERRM); END $$;
CREATE FUNCTION outer_next(n int DEFAULT 0) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM wf_continue_as_new('{"q": "SELECT 1"}', workflow => 'private'); EXCEPTION WHEN OTHERS THEN RETURN to_jsonb(SQLSTATE || ' ' || SQLERRM || ' for ' || current_user); END $$;
-- nor are conversions of the child's input the definer's
SET SESSION AUTHORIZATION regress_runner;
CREATE FUNCTION who_checks(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN current_user = 'regress_runner'; END $$;
CREATE DOMAIN checked AS int CHECK (who_checks(VALUE));
CREATE FUNCTION takes(a checked) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN current_user; END $$;
SET SESSION AUTHORIZATION regress_definer;
CREATE FUNCTION outer_takes() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN jsonb_build_array(wf_child('takes', '{"a": 1}'), wf_activity('takes', '{"a": 1}'), current_user); END $$;
SET SESSION AUTHORIZATION regress_runner;
SELECT count(wf_start('outer_' || f, id => 'outer_' || f)) FROM unnest('{definer,step,next,takes}'::text[]) f;
CALL wf_work();
SELECT id, status, result, error FROM runs('outer%');

-- The test kit
BEGIN;
SELECT wf_test_begin() IS NOT NULL AS test;
SELECT wf_test_run('f_definer'), wf_test_run('f_definer_set', id => 'twice');
ROLLBACK;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test, elsewhere CASCADE;
DROP ROLE regress_definer, regress_runner;
