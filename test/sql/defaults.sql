-- Defaults of a workflow's parameters: what may change is evaluated once, at the start, by who starts, and recorded.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE SEQUENCE numbers;
CREATE TABLE rates (rate numeric);
INSERT INTO rates VALUES (1.5);
CREATE FUNCTION rate() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT rate FROM test.rates';
CREATE FUNCTION fixed() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
-- What it had at its beginning it has at its end.
CREATE FUNCTION loan(at timestamptz DEFAULT now(), n bigint DEFAULT nextval('test.numbers'), r numeric DEFAULT rate(), x float8 DEFAULT random(), d date DEFAULT CURRENT_DATE,
  f int DEFAULT fixed(), k int DEFAULT 7, who name DEFAULT current_user)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE first jsonb := wf_sql('SELECT $1 AS at, $2 AS n, $3 AS r, $4 AS x, $5 AS d, $6 AS f, $7 AS k, $8 AS who', at, n, r, x, d, f, k, who)->0;
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_object('same', first = to_jsonb(row(at, n, r, x, d, f, k, who)) OR first = jsonb_build_object('at', at, 'n', n, 'r', r, 'x', x, 'd', d, 'f', f, 'k', k, 'who', who),
    'n', n, 'r', r, 'f', f, 'k', k, 'who', who);
END $$;
SELECT wf_start('loan', id => 'loan') \gset
SELECT wf_start('loan', '{"r": 3, "who": "me"}', id => 'given') \gset
CALL wf_work();
UPDATE rates SET rate = 9.9;
CREATE OR REPLACE FUNCTION fixed() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
SELECT wf_signal('loan', 'go'), wf_signal('given', 'go') \gset
CALL wf_work();
SELECT id, status, result - 'who' AS result, result->>'who' = CASE id WHEN 'given' THEN 'me' ELSE current_user END AS who, error FROM runs();
-- What the history shows: what was given, and what may change.
SELECT id, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(attributes->'input') k) AS input, attributes->'input'->'n' AS n, attributes->'input'->'r' AS r
FROM runs(), LATERAL (SELECT h.attributes FROM wf_history(id) h WHERE event_id = 1) h ORDER BY 1;
SELECT wf_replay((SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('loan') h), 'loan'::regproc::oid::regprocedure, false)->'result_differs' AS differs;

-- Before the first turn: a delay, a queue
CREATE FUNCTION waits(r numeric DEFAULT rate(), at timestamptz DEFAULT clock_timestamp()) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(r); END $$;
SELECT wf_start('waits', id => 'waits', start_delay => '1 hour') \gset
UPDATE rates SET rate = 10;
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result FROM runs('waits');
-- A retry, a reset, and what goes on as new without an input have the input of the first
CREATE FUNCTION again(n bigint DEFAULT nextval('test.numbers'), at timestamptz DEFAULT now()) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_info()->>'attempt')::int = 1 AND NOT wf_info() ? 'continued_from' THEN RAISE 'not yet'; END IF;
  IF wf_poll_signal('new') IS NOT NULL THEN PERFORM wf_continue_as_new(); END IF;
  IF wf_poll_signal('other') IS NOT NULL THEN PERFORM wf_continue_as_new('{}'); END IF;
  PERFORM wf_wait_signal('go');
  RETURN n;
END $$;
SELECT setval('numbers', 100) \gset
SELECT wf_start('again', id => 'again', retry => wf_retry(3)) \gset
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_signal('again', 'new') \gset
SELECT wf_signal('again', 'go') \gset
CALL wf_work();
SELECT wf_reset('again', point => 'first') \gset
CALL wf_work();
SELECT id, status, attempt, result FROM runs('again');
SELECT e.status, h.attributes->'input'->'n' AS n FROM wf_executions e, LATERAL (SELECT attributes FROM wf_history('again', e.run_id) WHERE event_id = 1) h WHERE workflow_id = 'again' ORDER BY e.run_id;
-- With an input, or as another workflow, it is a start, and the defaults are new.
CREATE FUNCTION renews(step int DEFAULT 0, n bigint DEFAULT nextval('test.numbers')) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF step = 0 THEN PERFORM wf_continue_as_new('{"step": 1}'); END IF;
  IF step = 1 THEN PERFORM wf_continue_as_new('{"step": 2, "n": 7}'); END IF;
  IF step = 2 THEN PERFORM wf_continue_as_new('{}', workflow => 'waits'); END IF;
END $$;
SELECT wf_start('renews', id => 'renews') \gset
CALL wf_work();
SELECT e.status, e.workflow, (h.attributes->'input') - 'at' AS input, result FROM wf_executions e, LATERAL (SELECT attributes FROM wf_history('renews', e.run_id) WHERE event_id = 1) h WHERE workflow_id = 'renews' ORDER BY e.run_id;
-- Children, which are started by workflow code: it may not look at the clock, and their defaults may
CREATE FUNCTION kid(n bigint DEFAULT nextval('test.numbers'), at timestamptz DEFAULT now(), k int DEFAULT 5) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_sleep('1 min'); RETURN jsonb_build_array(n, at > '2020-01-01', k); END $$;
CREATE FUNCTION bad(n int DEFAULT 1 / (random() * 0)::int) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION starts_wf() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start('kid'); RETURN 1; END $$;
CREATE FUNCTION worse(n int DEFAULT starts_wf()) RETURNS int LANGUAGE sql AS 'SELECT n';
SELECT setval('numbers', 200) \gset
CREATE FUNCTION parent() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb; h wf_handle; f text;
BEGIN
  h := wf_start_child('kid', '{"k": 6}');
  r := jsonb_build_array(wf_child('kid'), wf_await(h));
  FOREACH f IN ARRAY ARRAY['bad', 'worse'] LOOP
    BEGIN PERFORM wf_child(f); EXCEPTION WHEN SQLSTATE 'WF004' THEN r := r || to_jsonb(SQLERRM); END;
  END LOOP;
  RETURN r;
END $$;
SELECT wf_start('parent', id => 'parent') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result, error FROM runs('parent');
SELECT n, event, attributes->'input'->'n' AS number, attributes->'input'->'k' AS k FROM events('parent') WHERE event = 'child_workflow_initiated' ORDER BY 1;
SELECT wf_replay((SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('parent') h), 'parent()', false)->'input_differs' AS differs;
-- the fence is up again behind them
CREATE FUNCTION fenced() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start_child('kid'), now(); END $$;
SELECT wf_start('fenced', id => 'fenced') \gset
CALL wf_work();
SELECT id, status, error FROM runs('fenced');
SELECT wf_terminate('fenced') \gset
-- and the transaction is read-only
CREATE FUNCTION writes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start_child('kid'); INSERT INTO rates VALUES (0); END $$;
SELECT wf_start('writes', id => 'writes') \gset
CALL wf_work();
SELECT id, status, error FROM runs('writes');
-- a word for a date is nothing else than the clock there
CREATE FUNCTION worded(d text DEFAULT ('to' || 'day')::date::text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN length(d) = 10; END $$;
CREATE FUNCTION starts_worded() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('worded'); END $$;
CREATE FUNCTION words_after() RETURNS text LANGUAGE plpgsql AS $$
DECLARE word text := 'today';
BEGIN
  BEGIN PERFORM wf_start_child('worded'); END;
  RETURN word::date;
END $$;
SELECT wf_start('starts_worded', id => 'worded'), wf_start('words_after', id => 'words after') \gset
CALL wf_work();
SELECT id, status, result, error FROM runs('worded') UNION ALL SELECT id, status, result, error FROM runs('words after');
SELECT wf_terminate('words after') \gset
-- All other ways to start
SELECT wf_signal_with_start('loan', 'with signal', 'go') \gset
SELECT wf_update_with_start('loan', 'with update', 'u') \gset
CALL wf_execute('waits');
CALL wf_work();
SELECT id, status, result->'same' AS same FROM runs('with %');
SELECT (SELECT count(*) FROM jsonb_object_keys(attributes->'input')) AS given FROM wf_history('with update') WHERE event_id = 1;
BEGIN;
SELECT wf_test_begin();
SELECT wf_test_run('waits');
CREATE FUNCTION days(at timestamptz DEFAULT now(), n bigint DEFAULT nextval('test.numbers')) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('3 days'); RETURN jsonb_build_array(n IS NOT NULL); END $$;
SELECT wf_test_run('days');
ROLLBACK;
-- An input that is taken as a whole is what it is
CREATE FUNCTION whole(input jsonb DEFAULT to_jsonb(now())) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT wf_start('whole', id => 'whole') \gset
CALL wf_work();
SELECT id, result FROM runs('whole');
-- An error is the start's
SELECT fails($$SELECT wf_start('bad')$$);
-- Who starts is who evaluates, and owns the run
CREATE ROLE regress_durable_starts LOGIN;
GRANT USAGE ON SCHEMA test TO regress_durable_starts;
CREATE FUNCTION who(w text DEFAULT current_user, i text DEFAULT current_setting('is_superuser')) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN jsonb_build_array(w, i); END $$;
SET ROLE regress_durable_starts;
SELECT wf_start('who', id => 'who') \gset
RESET ROLE;
SELECT attributes->'input' AS input FROM wf_history('who') WHERE event_id = 1;
SELECT wf_delete('who') \gset
-- Every value comes back as it was, whatever its type.
CREATE TYPE colour AS ENUM ('red', 'green "blue"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION same(v anyelement) RETURNS anyelement LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN v; END $$;
CREATE TABLE values_of (type text, value text);
INSERT INTO values_of VALUES ('bool', 'true'), ('int2', '-3'), ('int8', '9223372036854775807'), ('numeric', '1.50'), ('numeric', 'NaN'), ('float4', '1.1'), ('float8', '-Infinity'), ('float8', '0.1'),
  ('text', 'a "text" \ é'), ('varchar', ''), ('bpchar', 'a  '), ('name', 'n'), ('"char"', 'c'), ('bytea', '\x00ff'), ('bit varying', '0101'), ('uuid', '01a22e0b-d7f2-7045-83ff-e12260f9f362'),
  ('date', '2020-02-29'), ('date', 'infinity'), ('time', '12:00:00.123456'), ('timetz', '12:00:00+02'), ('timestamp', '2020-01-01 00:00:00.000001'), ('timestamptz', '2020-07-01 00:00:00.000001+05'),
  ('timestamptz', '-infinity'), ('timestamptz', '0044-03-15 00:00:00+00 BC'), ('interval', '1 mon -2 days 03:04:05.678901'), ('json', '{"a": [1, null]}'), ('jsonb', '[1, "x", null]'), ('jsonb', '"null"'), ('jsonb', 'null'),
  ('int[]', '{1,NULL,3}'), ('int[]', '{}'), ('int[]', '[0:1]={1,2}'), ('int[]', '{{1,2},{3,4}}'), ('text[]', '{"a,b","c\"d",NULL,""}'), ('jsonb[]', '{"null","{\"a\": 1}"}'), ('timestamptz[]', '{2020-01-01}'),
  ('int4range', '[1,5)'), ('tstzrange', '["2020-01-01 00:00:00+00",)'), ('int4multirange', '{[1,2),[5,6)}'), ('point', '(1,2)'), ('inet', '10.0.0.1/8'), ('money', '$1,234.50'), ('xml', '<a>1</a>'), ('tsvector', '''a'':1 ''b'''),
  ('colour', 'green "blue"'), ('colour[]', '{red,"green \"blue\""}'), ('pair', '(1,"x, y")'), ('pair', '(,)'), ('pair[]', '{"(1,x)","(2,\"y,z\")"}'), ('positive', '5'), ('regtype', 'integer'), ('oid', '4294967295'), ('pg_lsn', '1/2'), ('int', NULL), ('pair', NULL);
CREATE TABLE round AS SELECT row_number() OVER () AS n, type, value, fails(format('CREATE FUNCTION round%s(v %s DEFAULT test.same(%L::%s), more int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS %L', row_number() OVER (), type, value, type,
  'BEGIN RETURN coalesce(v::text, ''(null)''); END')) AS made FROM values_of;
SELECT DISTINCT made FROM round;
SELECT type, value, fails(format('SELECT wf_start(%L, id => %L)', 'round' || n, 'round' || n)) AS failed FROM round WHERE fails(format('SELECT wf_start(%L, id => %L)', 'round' || n, 'round' || n)) <> 'NO ERROR';
CALL wf_work();
CREATE FUNCTION cast_of(value text, type text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE format('SELECT coalesce((%L::%s)::text, ''(null)'')', value, type) INTO r; RETURN r; END $$;
SELECT type, value, attributes->'input'->'v' AS recorded, CASE WHEN e.result #>> '{}' IS DISTINCT FROM cast_of(value, type) THEN coalesce(e.error->>'message', e.result #>> '{}') END AS differs
FROM round r JOIN wf_executions e ON workflow_id = 'round' || n, LATERAL (SELECT attributes FROM wf_history(workflow_id) WHERE event_id = 1) h ORDER BY n;
DROP OWNED BY regress_durable_starts;
DROP ROLE regress_durable_starts;
