-- The fence, whatever the shape of a query, an expression or a statement, and whatever was called before: every shape is tried with
-- every way to read the clock, cold, after it was called and cached by this session, and after a step called it in the same transaction.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS plperl;
CREATE EXTENSION IF NOT EXISTS plpython3u;
RESET client_min_messages;
SET statement_timeout = '120s';

-- Functions that tell the time: one that is inlined, one with the clock in a literal, others that are not inlined.
CREATE FUNCTION inlined() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT CURRENT_TIMESTAMP';
CREATE FUNCTION inlined_literal() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT 'now'::timestamptz $$;
CREATE FUNCTION not_inlined() RETURNS timestamptz VOLATILE SECURITY DEFINER LANGUAGE sql AS 'SELECT now()';
CREATE FUNCTION atomic() RETURNS timestamptz STABLE LANGUAGE sql RETURN localtimestamp::timestamptz;
CREATE FUNCTION in_plpgsql() RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN clock_timestamp(); END';
CREATE FUNCTION aliased() RETURNS timestamptz IMMUTABLE LANGUAGE internal AS 'now';
CREATE FUNCTION word(w text) RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN w::timestamptz; END';
CREATE OPERATOR ?? (RIGHTARG = text, FUNCTION = word);
CREATE PROCEDURE proc(t timestamptz) LANGUAGE plpgsql AS 'BEGIN END';
CREATE DOMAIN past AS timestamptz CHECK (VALUE < CURRENT_TIMESTAMP + interval '1 day');
CREATE TYPE dated AS (a int, at timestamptz);
CREATE TABLE clock (name text, expression text);
INSERT INTO clock VALUES
  ('now', 'now()'), ('keyword', 'CURRENT_TIMESTAMP'), ('date', 'CURRENT_DATE::timestamptz'), ('volatile', 'clock_timestamp()'),
  ('literal', $$'now'::timestamptz$$), ('typed literal', $$timestamptz 'tomorrow 10:00'$$), ('array', $$('{today}'::timestamptz[])[1]$$),
  ('range', $$lower('[yesterday,)'::tstzrange)$$), ('row', $$('(1,now)'::test.dated).at$$), ('text', $$('no'||'w')::timestamptz$$),
  ('json', $$(jsonb_populate_record(NULL::test.dated, '{"at": "today"}')).at$$), ('input', $$timestamptz_in('now', 0, -1)$$),
  ('domain', $$'2020-01-01'::timestamptz::test.past::timestamptz$$), ('domain by text', $$('2020-01-'||'01')::test.past::timestamptz$$),
  ('inlined', 'test.inlined()'), ('inlined literal', 'test.inlined_literal()'), ('not inlined', 'test.not_inlined()'), ('atomic', 'test.atomic()'),
  ('plpgsql', 'test.in_plpgsql()'), ('internal', 'test.aliased()'), ('operator', $$operator(test.??) 'now'::text$$);

CREATE TABLE shape (name text, body text);
-- X is the clock.
INSERT INTO shape SELECT 'query: ' || q, 'PERFORM ' || q || ';' FROM unnest(ARRAY[
  'X', 'array[X]', 'row(X)', 'coalesce(NULL, X)', 'greatest(X, NULL)', 'nullif(X, NULL)', 'CASE WHEN X IS NULL THEN 1 END', 'X IN (SELECT NULL::timestamptz)',
  '(SELECT X)', 'EXISTS (SELECT WHERE X IS NOT NULL)', 'NOT EXISTS (SELECT FROM generate_series(1, 2) g WHERE g > extract(year FROM X))',
  'X = ANY (ARRAY[NULL::timestamptz])', '(X, 1) < (NULL::timestamptz, 2)', 'generate_series(X, X, ''1 day'')', '1 WHERE X IS NOT NULL',
  '1 FROM generate_series(1, 2) g WHERE g < extract(year FROM X)', 'g FROM generate_series(X, X, ''1 day'') g',
  'g FROM ROWS FROM (unnest(ARRAY[1]), unnest(ARRAY[X])) g', 'column1 FROM (VALUES (X), (X)) v', 'x FROM (SELECT X AS x OFFSET 0) s',
  '* FROM (SELECT X AS x FROM generate_series(1, 2) OFFSET 1) s', 'min(x) FROM (SELECT X AS x UNION ALL SELECT X) s', '1 UNION SELECT extract(year FROM X)::int',
  'X EXCEPT SELECT NULL::timestamptz', '1 FROM generate_series(1, 3) LIMIT extract(year FROM X)::int', '1 FROM generate_series(1, 3) OFFSET extract(year FROM X)::int',
  '1 FROM generate_series(1, 3) g ORDER BY X, g', 'count(*) FROM generate_series(1, 3) g GROUP BY g, X HAVING count(*) > 0',
  'count(*) FROM generate_series(1, 3) g HAVING X IS NOT NULL', 'DISTINCT ON (X) g FROM generate_series(1, 3) g', 'max(X) FROM generate_series(1, 3) g',
  'count(*) FILTER (WHERE X IS NOT NULL) FROM generate_series(1, 3) g', 'string_agg(g::text, '','' ORDER BY ROW(g, X)) FROM generate_series(1, 3) g',
  'percentile_disc(0.5) WITHIN GROUP (ORDER BY X) FROM generate_series(1, 3) g', 'sum(g) OVER (PARTITION BY X) FROM generate_series(1, 3) g',
  'sum(g) OVER (ORDER BY X, g) FROM generate_series(1, 3) g', 'sum(g) OVER (ROWS extract(year FROM X)::int PRECEDING) FROM generate_series(1, 3) g',
  'lag(X) OVER () FROM generate_series(1, 3) g', '1 FROM generate_series(1, 3) a JOIN generate_series(1, 3) b ON a < b + extract(year FROM X)',
  '1 FROM generate_series(1, 3) a LEFT JOIN generate_series(1, 3) b ON a = b AND b < extract(year FROM X)',
  '1 FROM generate_series(1, 3) a FULL JOIN generate_series(1, 3) b ON a = b + extract(year FROM X)::int',
  'b.* FROM generate_series(1, 3) a, LATERAL (SELECT X + a * interval ''1 day'') b', 'y FROM (WITH c AS MATERIALIZED (SELECT X AS y) SELECT c.* FROM c, c d) s',
  'n FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3 AND X IS NOT NULL) SELECT * FROM r) s',
  'x.* FROM XMLTABLE(''/a'' PASSING ''<a/>'' COLUMNS b timestamptz DEFAULT X) x', 'xmlelement(name a, X)', 'jsonb_build_object(''x'', X)', 'format(''%s'', X)',
  '(SELECT min(x) FROM (SELECT X AS x UNION ALL SELECT X) s WHERE one > 0)', 'X + one * interval ''1 day'' FROM generate_series(1, one)']) q;
INSERT INTO shape VALUES
  ('assignment', 't := X;'), ('expression', 'o := o || X;'), ('if', 'IF X IS NULL THEN NULL; END IF;'), ('elsif', 'IF one = 0 THEN NULL; ELSIF X IS NULL THEN NULL; END IF;'),
  ('case', 'CASE X WHEN NULL THEN NULL; ELSE NULL; END CASE;'), ('case when', 'CASE one WHEN 0 THEN NULL; WHEN extract(year FROM X) THEN NULL; ELSE NULL; END CASE;'),
  ('searched case', 'CASE WHEN X IS NULL THEN NULL; ELSE NULL; END CASE;'), ('while', 'WHILE X IS NULL LOOP NULL; END LOOP;'),
  ('for', 'FOR i IN 1..(extract(year FROM X) - extract(year FROM X))::int LOOP NULL; END LOOP;'), ('for by', 'FOR i IN REVERSE 1..0 BY extract(year FROM X)::int LOOP NULL; END LOOP;'),
  ('for query', 'FOR r IN SELECT X LOOP NULL; END LOOP;'), ('for execute', $$FOR r IN EXECUTE 'SELECT $1' USING X LOOP NULL; END LOOP;$$),
  ('for cursor', 'FOR r IN c LOOP NULL; END LOOP;'), ('for cursor argument', 'FOR r IN ca(X) LOOP NULL; END LOOP;'), ('foreach', 'FOREACH t IN ARRAY ARRAY[X] LOOP NULL; END LOOP;'),
  ('exit', 'LOOP EXIT WHEN X IS NOT NULL; END LOOP;'), ('raise', $$RAISE DEBUG '%', X;$$), ('raise using', $$RAISE DEBUG USING MESSAGE = 'it is ' || X;$$),
  ('assert', 'ASSERT X IS NOT NULL;'), ('assert message', 'ASSERT one > 0, X::text; PERFORM X;'), ('into', 'SELECT X INTO t;'), ('select into record', 'SELECT 1 AS a, X AS b INTO r;'),
  ('execute', $$EXECUTE 'SELECT $1' INTO t USING X;$$), ('execute text', $$EXECUTE format('SELECT %L', X) INTO t;$$), ('open', 'OPEN c; FETCH c INTO r; CLOSE c;'),
  ('open argument', 'OPEN ca(X); FETCH ca INTO r; CLOSE ca;'), ('open for', 'OPEN f FOR SELECT X; FETCH f INTO r; CLOSE f;'),
  ('open execute', $$OPEN f FOR EXECUTE 'SELECT $1' USING X; CLOSE f;$$), ('call', 'CALL test.proc(X);'), ('block', 'DECLARE b timestamptz = X; BEGIN NULL; END;'),
  ('block after a record', 'DECLARE q record = ROW(1); b timestamptz = X + q.f1 * interval ''1 day''; BEGIN NULL; END;'),
  ('handler', 'BEGIN PERFORM 1 / (one - one); EXCEPTION WHEN division_by_zero THEN t := X; END;'), ('return', 'RETURN X::text;'),
  ('subscript', 'arr[extract(year FROM X)::int] := 1;'), ('field', 'r := ROW(1, NULL)::test.dated; d.at := X;');

CREATE FUNCTION helper(n int, body text, x text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE FUNCTION test.h_%s() RETURNS text LANGUAGE plpgsql AS %L', n, regexp_replace(format('
    DECLARE t timestamptz; o text = ''''; r record; d test.dated; arr int[]; one int = 1; f refcursor; c CURSOR FOR SELECT X; ca CURSOR (p timestamptz) FOR SELECT p;
    BEGIN %s RETURN ''passed''; END', body), '\mX\M', '(' || x || ')', 'g'));
END $$;
CREATE TABLE tried AS
  SELECT row_number() OVER (ORDER BY s.ctid, c.ctid)::int AS n, s.name AS shape, c.name AS clock, s.body, c.expression FROM shape s, clock c
  WHERE c.name IN ('now', 'keyword', 'literal', 'text', 'inlined', 'inlined literal') OR s.name IN ('query: X', 'assignment', 'for query', 'return');
SELECT count(helper(n, body, expression)) > 500 AS many FROM tried;
-- A workflow that calls one
CREATE FUNCTION calls(h int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE format('SELECT test.h_%s()', h) INTO r; RETURN r; END $$;
-- the same after a step has
CREATE FUNCTION steps(h int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  PERFORM wf_activity('h_' || h, '{}');
  PERFORM wf_activity('h_' || h, '{}');
  EXECUTE format('SELECT test.h_%s()', h) INTO r;
  RETURN r;
END $$;
CREATE FUNCTION passed(how text) RETURNS TABLE (shape text, clock text, status text, sqlstate text, message text) LANGUAGE sql AS $$
  SELECT t.shape, t.clock, e.status, e.error->>'sqlstate', e.error->>'message' FROM tried t JOIN wf_executions e ON e.workflow_id = how || ' ' || t.n
  WHERE e.status <> 'running' OR e.error->>'sqlstate' IS DISTINCT FROM 'WF010' ORDER BY t.n
$$;
SELECT count(wf_start('calls', jsonb_build_object('h', n), id => 'cold ' || n)) > 500 AS many FROM tried;
CALL wf_work();
SELECT * FROM passed('cold');
SELECT count(wf_start('steps', jsonb_build_object('h', n), id => 'step ' || n)) > 500 AS many FROM tried;
CALL wf_work();
SELECT * FROM passed('step');
-- Seven calls, so that generic plans are made.
DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT n FROM test.tried LOOP
    FOR i IN 1..7 LOOP EXECUTE format('SELECT test.h_%s()', t.n); END LOOP;
  END LOOP;
END $$;
SELECT count(wf_start('calls', jsonb_build_object('h', n), id => 'warm ' || n)) > 500 AS many FROM tried;
CALL wf_work();
SELECT * FROM passed('warm');
-- All of them were in fact refused.
SELECT count(*) = (SELECT 3 * count(*) FROM tried) AS all FROM wf_executions WHERE status = 'running' AND error->>'sqlstate' = 'WF010';

-- Values that become dates only when the code runs, and what else differs from turn to turn; and what is no such thing. Each in a
-- function of its own, cold and after it was called seven times.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE noted AS (note text, mood mood);
CREATE TYPE timed AS (n int, t timetz);
CREATE FUNCTION abbreviates_sql() RETURNS text LANGUAGE sql SET timezone_abbreviations = 'Australia' AS $$ SELECT 'done' $$;
CREATE FUNCTION abbreviates_and(w text) RETURNS timestamptz LANGUAGE sql SET timezone_abbreviations = 'Australia' AS $$ SELECT w::timestamptz $$;
CREATE TABLE expression (n serial, refused boolean, e text);
INSERT INTO expression (refused, e) SELECT true, unnest(ARRAY[
  $$w::date$$, $$w::time$$, $$w::timestamp$$, $$(w || ' ')::timestamptz$$, $$(' ' || upper(w))::timestamptz$$, $$(jsonb_build_object('a', w)->>'a')::timestamptz$$,
  $$('{' || w || '}')::timestamptz[]$$, $$('[' || w || ',)')::tstzrange$$, $$('{[' || w || ',)}')::tstzmultirange$$, $$('(1,' || w || ')')::test.dated$$,
  $$(SELECT at FROM jsonb_to_record(jsonb_build_object('at', w)) r(at timestamptz))$$, $$(json_populate_record(NULL::test.dated, json_build_object('at', w))).at$$,
  $$(SELECT at FROM XMLTABLE('/a' PASSING xmlparse(content '<a>' || w || '</a>') COLUMNS at timestamptz PATH '.') x)$$,
  $$'12:00'::text::timetz$$, $$'12:00'::timetz$$, $$timetz '12:00 PM'$$, $$'{12:00}'::timetz[]$$, $$('{12:' || '00}')::timetz[]$$, $$(jsonb_populate_record(NULL::test.timed, '{"t": "12:00"}')).t$$,
  $$('(1,12:' || '00)')::test.timed$$, $$t FROM jsonb_to_record('{"t": "12:00"}') r(t timetz)$$, $$t FROM XMLTABLE('/a' PASSING '<a>12:00</a>' COLUMNS t timetz PATH '.') x$$,
  $$jsonb_path_exists_tz('["12:00:00", "12:00:00+01"]', '$[0].datetime() < $[1].datetime()')$$,
  $$test.abbreviates_sql() || (w::timestamptz)::text$$, $$(w::timestamptz)::text || test.abbreviates_sql() || (w::timestamptz)::text$$, $$test.abbreviates_and(w)$$,
  $$set_config('timezone_abbreviations', 'Australia', true) || (w::timestamptz)::text$$,
  $$'12:00'::time::timetz$$, $$timetz '12:00+00' AT TIME ZONE 'Europe/Berlin'$$, $$age(xmin) FROM (SELECT '3'::xid AS xmin) x$$,
  $$version()$$, $$current_setting('work_mem')$$, $$current_setting('is_superuser')$$, $$current_setting(lower('TIMEZONE'))$$, $$current_setting('durable.clock_offset', true)$$,
  $$has_table_privilege('test.tried', 'select')$$, $$has_schema_privilege('test', 'usage')$$, $$pg_has_role(current_user, 'usage')$$, $$pg_table_is_visible('test.tried'::regclass)$$,
  $$pg_relation_size('test.tried')$$, $$pg_get_functiondef('test.calls'::regproc)$$, $$pg_get_userbyid(10)$$, $$obj_description(1, 'pg_class')$$, $$pg_column_size('x'::text)$$, $$row_security_active('test.tried')$$,
  $$count(*) FROM pg_class$$, $$count(*) FROM pg_settings$$, $$count(*) FROM pg_stat_activity$$, $$count(*) FROM information_schema.tables$$, $$count(*) FROM durable.execution$$, $$count(*) FROM wf_workers$$,
  $$count(*) FROM pg_timezone_names$$, $$txid_status(1)$$, $$inet_server_port()$$, $$pg_trigger_depth()$$, $$query_to_xml('SELECT 1', true, true, '')$$, $$lo_get(0) FROM generate_series(1, 0)$$]);
INSERT INTO expression (refused, e) SELECT false, unnest(ARRAY[
  $$'epoch'::timestamptz$$, $$'12:00+01'::timetz$$, $$timetz '04:05 PM -2'$$, $$'12:00 UTC'::timetz$$, $$jsonb_path_query_array('["12:00:00"]', '$[*] ? (@ == "12:00:00")')$$, $$test.abbreviates_sql()$$,
  $$('infi' || 'nity')::date$$, $$('2026-01-01 12:00 ' || 'CET')::timestamptz$$, $$('2026-07-01 12:00 ' || 'MSK')::timestamptz$$, $$'2026-01-01 12:00 Europe/Berlin'::timestamptz$$,
  $$w || ' is now a word, today'$$, $$'now' = w OR w IN ('today', 'tomorrow')$$, $$'{now,today}'::text[]$$, $$'{"at": "now"}'::jsonb$$, $$to_json(w)$$, $$(jsonb_populate_record(NULL::test.dated, '{"at": "2026-01-01"}')).at$$,
  $$current_setting('TimeZone')$$, $$current_setting('datestyle', true)$$, $$to_char('2026-01-01'::timestamptz, 'YYYY')$$, $$'2026-01-01'::timestamptz AT TIME ZONE 'Asia/Tokyo'$$, $$age('2026-01-01'::date, '2025-01-01'::date)$$,
  $$generate_series('2026-01-01'::timestamptz, '2026-01-02', '1 day')$$, $$to_regclass('tried')$$, $$'test.tried'::regclass$$, $$pg_typeof(w)$$, $$format_type(23, NULL)$$, $$current_user = session_user$$, $$current_schema()$$,
  $$CURRENT_CATALOG = current_database()$$, $$enum_first(NULL::test.mood)$$, $$to_tsvector('simple', w)$$, $$greatest(1, 2)$$, $$array_agg(g ORDER BY g DESC) FROM generate_series(1, 3) g$$]);
DO $$
DECLARE x record;
BEGIN
  FOR x IN SELECT * FROM test.expression LOOP
    EXECUTE format('CREATE FUNCTION test.x_%s() RETURNS text LANGUAGE plpgsql AS %L', x.n,
      format('DECLARE w text = ''now''; BEGIN PERFORM %s; RETURN ''passed''; END', x.e));
  END LOOP;
END $$;
CREATE FUNCTION calls_x(n int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE format('SELECT test.x_%s()', n) INTO r; RETURN r; END $$;
CREATE FUNCTION unexpected(how text) RETURNS TABLE (expression text, refused boolean, status text, message text) LANGUAGE sql AS $$
  SELECT x.e, x.refused, e.status, e.error->>'message' FROM expression x JOIN wf_executions e ON e.workflow_id = how || ' x ' || x.n
  WHERE CASE WHEN x.refused THEN e.status <> 'running' OR e.error->>'sqlstate' <> 'WF010' ELSE e.status <> 'completed' END ORDER BY x.n
$$;
SELECT count(wf_start('calls_x', jsonb_build_object('n', n), id => 'cold x ' || n)) > 70 AS many FROM expression;
CALL wf_work();
SELECT * FROM unexpected('cold');
DO $$
DECLARE x record;
BEGIN
  FOR x IN SELECT * FROM test.expression LOOP
    FOR i IN 1..7 LOOP EXECUTE format('SELECT test.x_%s()', x.n); END LOOP;
  END LOOP;
END $$;
SELECT count(wf_start('calls_x', jsonb_build_object('n', n), id => 'warm x ' || n)) > 70 AS many FROM expression;
CALL wf_work();
SELECT * FROM unexpected('warm');
-- Outside nothing is refused, and the words are words.
SELECT 'now'::timestamptz = now() AS now, ('to' || 'day')::date = CURRENT_DATE AS today, count(*) > 0 AS abbreviations FROM pg_timezone_abbrevs;

-- Other languages keep plans, too: of a query, and of a function's query in it.
CREATE FUNCTION perl(q text) RETURNS text LANGUAGE plperl AS $$
  my $plan = $_SHARED{$_[0]} //= spi_prepare($_[0]);
  return spi_exec_prepared($plan)->{rows}[0]{r};
$$;
CREATE FUNCTION python(q text) RETURNS text LANGUAGE plpython3u AS $$
  if q not in GD:
    GD[q] = plpy.prepare(q)
  return str(GD[q].execute()[0]['r'])
$$;
CREATE FUNCTION sql_twice() RETURNS timestamptz VOLATILE LANGUAGE sql AS $$ SELECT 1; SELECT 'now'::timestamptz; $$;
CREATE TABLE kept AS SELECT l || ' ' || n AS id, l, q, q !~ 'now|CURRENT|pg_class|twice|inlined' AS fine FROM unnest('{perl,python}'::text[]) l,
  unnest(ARRAY['SELECT now() AS r', 'SELECT CURRENT_TIMESTAMP AS r', $$SELECT 'now'::timestamptz AS r$$, $$SELECT E'now'::timestamptz AS r$$, $$SELECT max(x) AS r FROM (SELECT test.inlined() AS x UNION ALL SELECT NULL) s$$,
    'SELECT count(*) AS r FROM pg_class', 'SELECT test.sql_twice() AS r', $$SELECT '2026-01-01'::timestamptz AS r$$, $$SELECT 'it is today' AS r$$]) WITH ORDINALITY q(q, n);
SELECT count(CASE l WHEN 'perl' THEN perl(q) ELSE python(q) END) FROM kept, generate_series(1, 7);
SELECT count(wf_start(l, jsonb_build_object('q', q), id => id)) FROM kept;
CALL wf_work();
SELECT k.* FROM kept k JOIN wf_executions e ON e.workflow_id = k.id WHERE fine <> (status = 'completed') OR NOT fine AND e.error->>'sqlstate' <> 'WF010';

-- Statements
CREATE FUNCTION runs_it(s text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE s; RETURN 'ran'; END $$;
PREPARE prepared AS SELECT now();
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT now();
COMMIT;
CREATE FUNCTION fetches() RETURNS text LANGUAGE plpgsql AS $$ DECLARE c refcursor = 'held'; r timestamptz; BEGIN FETCH c INTO r; RETURN r; END $$;
CREATE FUNCTION sets() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL TimeZone = 'Asia/Tokyo'; SET work_mem = '5MB'; SET my.own = 'mine';
  RETURN concat_ws(' ', '2026-01-01 00:00Z'::timestamptz::text, current_setting('work_mem'), current_setting('my.own'));
END $$;
-- what the code has set it may read; what it has not, it may not, also if another run did before
CREATE FUNCTION sets_once(how int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF how = 1 THEN PERFORM set_config('my.once', 'set', false); END IF;
  RETURN current_setting('my.once', true);
END $$;
CREATE FUNCTION abbreviates() RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM set_config('timezone_abbreviations', 'Australia', false); PERFORM ('to' || 'day')::date; RETURN 'passed'; END $$;
CREATE FUNCTION swallows() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN PERFORM ('to' || 'day')::date; EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN 'swallowed';
END $$;
SELECT count(wf_start('runs_it', jsonb_build_object('s', s), id => s)) FROM unnest(ARRAY['SHOW work_mem', 'SHOW timezone', 'EXPLAIN SELECT 1', 'EXECUTE prepared',
  'SET timezone_abbreviations = ''Australia''', 'DO $d$ BEGIN PERFORM now(); END $d$', 'CALL test.proc(now())', 'CALL test.proc(''now'')', 'FETCH held']) s;
SELECT count(wf_start(f, id => f)) FROM unnest('{fetches,sets,abbreviates,swallows}'::text[]) f;
SELECT count(wf_start('sets_once', jsonb_build_object('how', n), id => 'sets_once ' || n)) FROM generate_series(1, 2) n;
CALL wf_work();
SELECT workflow_id, why, error->>'hint' AS hint FROM wf_stuck WHERE workflow_id !~ '[0-9]$' OR workflow_id ~ '^(EXPLAIN|sets)' ORDER BY run_id;
SELECT workflow_id, result FROM wf_executions WHERE status <> 'running' AND (workflow_id !~ '[0-9]$' OR workflow_id LIKE 'sets%') ORDER BY run_id;
-- An assignment that casts, and a domain's condition
CREATE FUNCTION to_mood(t timestamptz) RETURNS mood STABLE LANGUAGE sql AS $$ SELECT CASE WHEN t < CURRENT_TIMESTAMP THEN 'good'::test.mood ELSE 'bad' END $$;
CREATE CAST (timestamptz AS mood) WITH FUNCTION to_mood AS ASSIGNMENT;
CREATE FUNCTION assigns() RETURNS text LANGUAGE plpgsql AS $$ DECLARE m mood; BEGIN m := '2026-01-01'::timestamptz; RETURN m; END $$;
CREATE FUNCTION assigns_time() RETURNS text LANGUAGE plpgsql AS $$ DECLARE t timetz; w text = '12:00'; BEGIN t := w; RETURN t; END $$;
CREATE FUNCTION in_domain() RETURNS text LANGUAGE plpgsql AS $$ DECLARE d past; BEGIN d := '2026-01-01'; RETURN d; END $$;
CREATE FUNCTION steps_and(f text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN PERFORM wf_activity(f); EXECUTE format('SELECT %I()', f) INTO r; RETURN r; END $$;
SELECT count(wf_start('steps_and', jsonb_build_object('f', f), id => f)) FROM unnest('{assigns,assigns_time,in_domain}'::text[]) f;
-- The same in the rehearsal of a history, and in the test kit
CREATE FUNCTION rehearsed() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN 'old'; END $$;
SELECT wf_start('rehearsed', id => 'rehearsed') \gset
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id ~ '^(assigns|in_domain)' ORDER BY run_id;
CREATE OR REPLACE FUNCTION rehearsed() RETURNS text LANGUAGE plpgsql AS $$ BEGIN IF in_plpgsql() > '2026-01-01' THEN PERFORM wf_wait_signal('go'); END IF; RETURN 'new'; END $$;
SELECT ok, problem FROM wf_check_replay('rehearsed');
BEGIN;
SELECT wf_test_begin('2026-01-01 00:00Z');
SELECT fails($$SELECT wf_test_run('swallows')$$);
ROLLBACK;
SHOW timezone_abbreviations;
DEALLOCATE prepared;
CLOSE held;
