-- A run keeps the settings of the call that started it, whoever drives it; messages are sent once.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE FUNCTION one.which() RETURNS text LANGUAGE sql AS $$ SELECT 'one' $$;
CREATE FUNCTION two.which() RETURNS text LANGUAGE sql AS $$ SELECT 'two' $$;
CREATE TABLE one.place AS SELECT 'table of one' AS name;
CREATE TABLE two.place AS SELECT 'table of two' AS name;
-- What code, an activity and wf_sql see of names and formats, before and after a wait
CREATE FUNCTION shows() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN concat_ws(' | ', which(), timestamptz '2026-07-02 12:00Z', interval '1 day 2 hours', 1::float8 / 3, '\x01'::bytea,
    current_setting('search_path'));
END $$;
CREATE FUNCTION formats() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb;
BEGIN
  r := jsonb_build_object('code', shows(), 'activity', wf_activity('test.shows'), 'sql', wf_sql('SELECT name, shows() FROM place'), 'which', wf_activity('which'));
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_object('before', r, 'after',
    jsonb_build_object('code', shows(), 'activity', wf_activity('test.shows'), 'sql', wf_sql('SELECT name, shows() FROM place'), 'which', wf_activity('which')));
END $$;
SET search_path = one, test, public;
SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 0; SET bytea_output = 'escape';
SELECT wf_start('formats', id => 'tokyo') \gset
SET search_path = two, test, public;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SELECT wf_start('formats', id => 'utc') \gset
-- Driven by a session that has other settings, both in one batch
SET search_path = test, public;
SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY';
CALL wf_work();
SET TimeZone = 'Europe/Berlin';
SELECT wf_signal(id, 'go') FROM runs() \g /dev/null
CALL wf_work();
SELECT workflow_id, k AS "when", v->>'code' AS code, v->>'activity' = v->>'code' AND v->'sql'->0->>'shows' = v->>'code' AS same_in_steps, v->'sql'->0->>'name' AS name, v->>'which' AS which
FROM wf_executions, jsonb_each(result) AS r(k, v) ORDER BY 1, 2 DESC;
-- The session's own settings are as they were.
SELECT current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle');

-- What code sets is gone after its turn, so each turn begins alike; what an activity sets ends with it.
CREATE FUNCTION sets() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE before text = current_setting('TimeZone'); seen jsonb = '[]';
BEGIN
  PERFORM set_config('TimeZone', 'Asia/Tokyo', false);
  SET application_name = 'from workflow';
  PERFORM wf_activity('act_sets');
  seen := seen || to_jsonb(current_setting('TimeZone')) || (wf_sql('SELECT current_setting(''work_mem'') AS w')->0->'w');
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_array(before, seen, current_setting('TimeZone'));
END $$;
CREATE FUNCTION act_sets() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '77MB', false); END $$;
SET work_mem = '5MB';
SELECT wf_start('sets', id => 'sets') \gset
CALL wf_work();
SELECT current_setting('TimeZone'), current_setting('work_mem'), current_setting('application_name') <> 'from workflow' AS untouched;
SELECT wf_signal('sets', 'go') \gset
CALL wf_work();
SELECT wf_result('sets');
-- A function's own SET clauses work.
CREATE FUNCTION own_set() RETURNS text SET search_path = one SET TimeZone = 'Asia/Tokyo' LANGUAGE plpgsql AS $$
BEGIN RETURN which() || ' ' || current_setting('TimeZone'); END $$;
SELECT wf_start('own_set', id => 'own_set') \gset
CALL wf_work();
SELECT wf_result('own_set');
-- A workflow is found again by the function it was, not by today's search_path.
CREATE FUNCTION one.twins() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN 'one'; END $$;
SET search_path = one, test, public;
SELECT wf_start('twins', id => 'twins') \gset
CALL wf_work();
SET search_path = two, test, public;
CREATE FUNCTION two.twins() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN 'two'; END $$;
SELECT wf_signal('twins', 'go') \gset
CALL wf_work();
SELECT wf_result('twins');
SET search_path = test, public;

-- Messages are muted while replaying: each shows once.
CREATE FUNCTION talks() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'begin';
  PERFORM wf_activity('act_talks');
  RAISE NOTICE 'after the activity';
  PERFORM wf_wait_signal('go');
  RAISE WARNING 'after the signal';
  PERFORM wf_sleep('1 min');
  RAISE NOTICE 'after the sleep';
  RETURN 'silent';
END $$;
CREATE FUNCTION act_talks() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'in the activity'; END $$;
SELECT wf_start('talks', id => 'talks') \gset
CALL wf_work();
SELECT wf_signal('talks', 'other') \gset
CALL wf_work();
SELECT wf_signal('talks', 'go') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT wf_result('talks');
RESET durable.clock_offset;
-- client_min_messages is the session's again after that.
SHOW client_min_messages;
SET client_min_messages = error;
DROP SCHEMA one, two CASCADE;
