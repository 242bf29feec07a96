-- What workflow code may not do, and what it may.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE item (id serial PRIMARY KEY, at timestamptz DEFAULT now());
INSERT INTO item VALUES (1);
CREATE VIEW items AS SELECT id FROM item;
CREATE SEQUENCE seq;
CREATE MATERIALIZED VIEW mat AS SELECT 1 AS one;
-- A workflow that evaluates an expression, or runs a statement
CREATE FUNCTION evaluates(e text, unused int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN EXECUTE 'SELECT ' || e INTO r; RETURN r; END $$;
CREATE FUNCTION runs_it(s text, unused int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE s; RETURN 'ran'; END $$;

-- Refused: the clock, randomness, sequences, sleeping, locks, what tells of sessions and transactions, notifications
SELECT count(wf_start('evaluates', jsonb_build_object('e', e), id => e)) FROM unnest(ARRAY[
  'now()', 'current_timestamp', 'CURRENT_DATE', 'localtime', 'clock_timestamp()', 'statement_timestamp()', 'transaction_timestamp()', 'timeofday()',
  'age(timestamp ''2020-01-01'')',
  'random()', 'gen_random_uuid()', 'setseed(0.5)', 'pg_sleep(0)',
  'nextval(''seq'')', 'setval(''seq'', 1)', 'currval(''seq'')', 'lastval()',
  'txid_current()', 'pg_current_xact_id()', 'pg_current_snapshot()', 'pg_backend_pid()', 'pg_is_in_recovery()', 'inet_client_addr()',
  'pg_notify(''c'', ''x'')', 'pg_advisory_lock(1)', 'pg_try_advisory_xact_lock(1)', 'pg_terminate_backend(0)', 'pg_read_file(''PG_VERSION'')',
  'lo_create(0)', 'pg_export_snapshot()', 'count(*) FROM item', 'count(*) FROM items', 'count(*) FROM mat', 'count(*) FROM test.seq',
  'id FROM item FOR UPDATE', '(SELECT max(id) FROM item)', 'query_to_xml(''SELECT * FROM item'', true, true, '''')', 'table_to_xml(''item'', true, true, '''')',
  'wf_start(''x'')', 'wf_signal(''x'', ''s'')', 'wf_signal_with_start(''x'', ''x'', ''s'')', 'wf_result(''x'')', 'wf_cancel(''x'')', 'wf_terminate(''x'')',
  'wf_delete(''x'')', 'wf_query(''x'', ''q'')', 'wf_describe(''x'')', 'wf_listen_workflow(''x'')', 'count(*) FROM wf_executions', 'count(*) FROM wf_history(''x'')'
]) e;
SELECT count(wf_start('runs_it', jsonb_build_object('s', s), id => s)) FROM unnest(ARRAY[
  'INSERT INTO item VALUES (2)', 'UPDATE item SET id = 3', 'DELETE FROM item', 'TRUNCATE item', 'CREATE TABLE t ()', 'CREATE TEMP TABLE t ()',
  'DROP TABLE item', 'LOCK TABLE item', 'NOTIFY c', 'LISTEN c', 'COPY item TO ''/dev/null''', 'GRANT SELECT ON item TO PUBLIC', 'ANALYZE item',
  'PREPARE p AS SELECT 1', 'DECLARE c CURSOR FOR SELECT 1', 'REFRESH MATERIALIZED VIEW mat', 'CALL wf_work()', 'SELECT 1 INTO t'
]) s;
CALL wf_work();
-- All are stuck, none has failed or completed; each is told what to do instead.
SELECT status, count(*) FROM wf_executions GROUP BY 1;
SELECT workflow_id, error->>'sqlstate' AS state, why, error->>'hint' AS hint FROM wf_stuck ORDER BY run_id;
SELECT workflow_id, status, result, error->>'message' AS error FROM wf_executions WHERE status <> 'running';
SELECT count(*) FROM item;
SELECT count(wf_terminate(workflow_id)) > 0 AS cleared FROM wf_executions WHERE status = 'running';

-- A refusal that the code swallows is a refusal all the same.
CREATE FUNCTION swallows() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN PERFORM random(); EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN 'swallowed';
END $$;
-- Helpers are fenced like the workflow itself, in every language, defaults and triggers' functions too.
CREATE FUNCTION helper_sql() RETURNS float8 VOLATILE LANGUAGE sql AS 'SELECT random()';
CREATE FUNCTION helper_inline() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now()';
CREATE FUNCTION helper_immutable() RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN clock_timestamp(); END';
CREATE FUNCTION helper_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM item; END;
CREATE FUNCTION helper_return() RETURNS date LANGUAGE sql RETURN CURRENT_DATE;
CREATE FUNCTION helper_date() RETURNS date STABLE LANGUAGE sql AS 'SELECT CURRENT_DATE';
CREATE FUNCTION helper_default(t timestamptz DEFAULT now()) RETURNS timestamptz LANGUAGE sql AS 'SELECT t';
CREATE FUNCTION helper_definer() RETURNS bigint SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM item); END';
CREATE FUNCTION calls(h text, unused int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN EXECUTE 'SELECT ' || h || '()' INTO r; RETURN r; END $$;
SELECT wf_start('swallows', id => 'swallows') \gset
SELECT count(wf_start('calls', jsonb_build_object('h', h), id => h))
FROM unnest('{helper_sql,helper_inline,helper_immutable,helper_atomic,helper_return,helper_date,helper_default,helper_definer}'::text[]) h;
-- A default of the workflow's own parameters is evaluated at the start, so nothing of it is in the code.
CREATE FUNCTION own_default(t timestamptz DEFAULT now()) RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RETURN t; END';
SELECT wf_start('own_default', id => 'own_default') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck ORDER BY run_id;
SELECT workflow_id, status FROM wf_executions WHERE status NOT IN ('running', 'terminated') ORDER BY run_id;
SELECT count(wf_terminate(workflow_id)) > 0 AS cleared FROM wf_executions WHERE status = 'running';
-- A function first called outside, so that its plan is made, is fenced as well.
CREATE FUNCTION planned() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN r := 'a' || (SELECT max(id) FROM item) || random(); RETURN r; END $$;
CREATE FUNCTION planned2() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN r := CURRENT_TIMESTAMP; RETURN r; END $$;
SELECT count(planned()), count(planned2()) FROM generate_series(1, 10);
SELECT wf_start('planned', id => 'planned') \gset
SELECT wf_start('planned2', id => 'planned2') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck;
SELECT wf_terminate('planned'), wf_terminate('planned2');

-- Allowed: all that computes, catalogs' look-ups by functions, settings, helpers.
CREATE FUNCTION helper(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RAISE DEBUG 'helping';
  RETURN (SELECT string_agg(g::text, '+') FROM generate_series(1, n) g);
EXCEPTION WHEN division_by_zero THEN RETURN 'never';
END $$;
CREATE TYPE pair AS (a int, b text);
CREATE FUNCTION allowed() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb; p pair = (1, 'x'); x record; total int = 0; c CURSOR FOR SELECT * FROM (VALUES (1), (2)) v(n);
BEGIN
  r := jsonb_build_object('format', format('%s-%I-%L', 1, 'a b', 'it''s'), 'md5', md5('x'), 'helper', helper(4),
    'date', to_char(timestamptz '2026-01-01 00:00Z' AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'age', (timestamp '2026-01-02' - timestamp '2026-01-01')::text,
    'regexp', regexp_replace('aXb', '[A-Z]', '.'), 'array', to_jsonb(array_agg(g)), 'round', round(2.5), 'row', to_jsonb(p),
    'json', jsonb_path_query_array('[1, 2, 3]', '$[*] ? (@ > 1)'), 'user', current_user = session_user, 'type', pg_typeof(p)::text,
    'cast', '1 day'::interval::text, 'setting', current_setting('TimeZone'),
    'regclass', to_regclass('item')::text, 'encode', encode(sha256('x'), 'hex') = encode(sha256('x'), 'hex')) FROM generate_series(1, 3) g;
  FOR x IN SELECT * FROM jsonb_each_text('{"a": 1, "b": 2}') LOOP total := total + x.value::int; END LOOP;
  FOR x IN c LOOP total := total + x.n; END LOOP;
  FOR x IN EXECUTE 'SELECT $1 AS n' USING 10 LOOP total := total + x.n; END LOOP;
  FOREACH total IN ARRAY ARRAY[total] LOOP NULL; END LOOP;
  SELECT total + v.n INTO total FROM unnest('{100,200}'::int[]) WITH ORDINALITY AS v(n, o) ORDER BY o DESC LIMIT 1;
  BEGIN
    PERFORM 1 / (total - total);
  EXCEPTION WHEN division_by_zero THEN r := r || '{"caught": true}';
  END;
  ASSERT total > 0;
  PERFORM set_config('search_path', 'pg_catalog', true);
  SET LOCAL work_mem = '1MB';
  RETURN r || jsonb_build_object('total', total);
END $$;
SELECT wf_start('allowed', id => 'allowed') \gset
CALL wf_work();
SELECT why FROM wf_stuck;
SELECT key, value FROM jsonb_each(wf_result('allowed'));
-- Words for dates stay refused behind a function that sets the abbreviations of time zones, and behind set_config().
CREATE FUNCTION sets_abbreviations() RETURNS int LANGUAGE plpgsql SET timezone_abbreviations = 'Australia' AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION behind_clause() RETURNS text LANGUAGE plpgsql AS $$
DECLARE word text := 'now'; t timestamptz; n int;
BEGIN n := sets_abbreviations(); t := word; RETURN t; END $$;
CREATE FUNCTION behind_config() RETURNS text LANGUAGE plpgsql AS $$
DECLARE word text := 'now'; t timestamptz; s text;
BEGIN s := set_config('timezone_abbreviations', 'Australia', true); t := word; RETURN t; END $$;
SELECT wf_start('behind_clause', id => 'clause'), wf_start('behind_config', id => 'config') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck ORDER BY 1;
SELECT wf_terminate('clause'), wf_terminate('config') \gset
-- Outside workflow code nothing is fenced, also after turns in this session.
SELECT now() IS NOT NULL AND random() >= 0 AND (SELECT count(*) FROM item) = 1 AS free;
