-- Input becomes arguments, a result becomes jsonb: the same for workflows and activities.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- Each case runs function f as a workflow (id f/workflow), and as an activity of this one (id f/activity).
CREATE FUNCTION by_activity(f text, args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity(f, args); END $$;
CREATE FUNCTION try(f text, args jsonb DEFAULT '{}', label text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_start('by_activity', jsonb_build_object('f', f, 'args', args), id => coalesce(label, f) || '/activity');
  RETURN fails(format('SELECT wf_start(%L, %L, id => %L)', f, args, coalesce(label, f) || '/workflow'));
END $$;

CREATE TYPE color AS ENUM ('red', 'green');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);

-- Values of many types arrive as PostgreSQL's own conversions make them.
CREATE FUNCTION types(i int, n numeric, t text, tz timestamptz, b boolean, ia int[], ta text[], u uuid, d date, iv interval, by bytea, j jsonb)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN concat_ws(' | ', i + 1, n * 2, t || '!', tz + interval '1 day', NOT b, ia, ta, u, d + 1, iv * 2, by, j); END $$;
SELECT try('types', '{"i": 1, "n": 12345678901234567890.123, "t": "x", "tz": "2026-01-01T00:00:00Z", "b": true, "ia": [1, 2], "ta": ["a", "b,c"],
  "u": "00000000-0000-0000-0000-00000000000a", "d": "2026-02-28", "iv": "90 min", "by": "\\x01ff", "j": {"k": [1]}}');
CREATE FUNCTION own_types(c color, p pair, ps pair[], pc percent) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN concat_ws(' | ', c, p.x, p.y, ps[2].y, pc); END $$;
SELECT try('own_types', '{"c": "green", "p": {"x": 1, "y": "one"}, "ps": [{"x": 2, "y": "two"}, {"x": 3, "y": "three"}], "pc": 50}');
-- Numbers keep their digits, text keeps its quotes, backslashes and letters.
CREATE FUNCTION same(v text) RETURNS text LANGUAGE sql AS 'SELECT v';
SELECT try('same', jsonb_build_object('v', E'it''s "so" \\ \n\t €𝄞'));
-- A key whose value is null gives NULL, not the default.
CREATE FUNCTION defaults(a int, b int DEFAULT 2, c text DEFAULT 'c' || 'd', VARIADIC rest int[] DEFAULT '{7,8}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN format('%s %s %s %s', a, b, c, rest); END $$;
SELECT try('defaults', '{"a": 1}');
SELECT try('defaults', '{"a": null, "c": "x", "b": null, "rest": [9]}', 'defaults, given');
-- One parameter of type jsonb gets the whole input; two do not. An unnamed one is $1.
CREATE FUNCTION whole(anything jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT anything';
SELECT try('whole', '{"anything": 1, "else": 2}');
SELECT try('whole', '[1, 2]', 'whole, array');
CREATE FUNCTION parts(a jsonb, b jsonb DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS 'SELECT jsonb_build_array(a, b)';
SELECT try('parts', '{"a": {"deep": true}}');
CREATE FUNCTION unnamed(int, text) RETURNS text LANGUAGE sql AS 'SELECT $2 || $1';
SELECT try('unnamed', '{"$1": 4, "$2": "x"}');
-- A strict function is not called with NULL.
CREATE FUNCTION strictly(a int) RETURNS int STRICT LANGUAGE sql AS 'SELECT 1';
SELECT try('strictly', '{"a": null}');
-- A name with capitals and blanks is quoted as in SQL.
CREATE FUNCTION "Odd Name"("A b" int) RETURNS int LANGUAGE sql AS 'SELECT $1';
SELECT try('"Odd Name"', '{"A b": 5}');

-- Results
CREATE FUNCTION r_row() RETURNS pair LANGUAGE sql AS $$ SELECT 1, 'one' $$;
CREATE FUNCTION r_out(OUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN a := 1; b := 'x'; END $$;
CREATE FUNCTION r_set() RETURNS SETOF int LANGUAGE sql AS $$ SELECT * FROM (VALUES (1), (NULL), (3)) v $$;
CREATE FUNCTION r_rows() RETURNS SETOF pair LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY VALUES (1, 'one'), (2, NULL); END $$;
CREATE FUNCTION r_table(n int) RETURNS TABLE (i int, sq int) LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1..n LOOP sq := i * i; r_table.i := i; RETURN NEXT; END LOOP; END $$;
CREATE FUNCTION r_none() RETURNS SETOF int LANGUAGE sql AS $$ SELECT 1 WHERE false $$;
CREATE FUNCTION r_void() RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION r_null() RETURNS int LANGUAGE sql AS $$ SELECT NULL::int $$;
CREATE FUNCTION r_json_null() RETURNS jsonb LANGUAGE sql AS $$ SELECT 'null'::jsonb $$;
CREATE FUNCTION r_nan() RETURNS float8 LANGUAGE sql AS $$ SELECT 'NaN'::float8 $$;
CREATE FUNCTION r_enum() RETURNS color LANGUAGE sql AS $$ SELECT 'red'::color $$;
CREATE FUNCTION r_array() RETURNS date[] LANGUAGE sql AS $$ SELECT '{2026-01-01}'::date[] $$;
CREATE FUNCTION r_time() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2026-01-01 00:00Z'::timestamptz $$;
SELECT try(f, CASE f WHEN 'r_table' THEN '{"n": 3}' ELSE '{}' END::jsonb)
FROM unnest('{r_row,r_out,r_set,r_rows,r_table,r_none,r_void,r_null,r_json_null,r_nan,r_enum,r_array,r_time}'::text[]) f;

CALL wf_work();
-- Each case came out the same both ways.
SELECT w.status, a.status = w.status AND a.result IS NOT DISTINCT FROM w.result AS same, left(w.workflow_id, -9) AS "case", w.result
FROM wf_executions w JOIN wf_executions a ON a.workflow_id = left(w.workflow_id, -9) || '/activity'
WHERE w.workflow_id LIKE '%/workflow' ORDER BY w.run_id;

-- What does not fit is refused by wf_start, and fails the activity.
SELECT try('same', '{}', 'missing');
SELECT try('same', '{"v": "x", "w": 1, "z": 2}', 'unknown');
SELECT try('same', '{"V": "x"}', 'case matters');
SELECT try('r_void', '{"v": 1}', 'no parameters');
SELECT try('same', '[]', 'array');
SELECT try('same', '"x"', 'scalar');
SELECT try('same', 'null', 'null');
SELECT try('strictly', '{"a": "x"}', 'no number');
SELECT try('strictly', '{"a": 1.5}', 'no integer');
SELECT try('strictly', '{"a": 12345678901}', 'too large');
SELECT try('own_types', '{"c": "blue", "p": null, "ps": null, "pc": null}', 'no label');
SELECT try('own_types', '{"c": null, "p": null, "ps": null, "pc": 101}', 'domain');
SELECT try('own_types', '{"c": null, "p": null, "ps": 3, "pc": 1}', 'no array');
SELECT try('no_such');
SELECT try('nowhere.same');
SELECT try('same(text)');
SELECT try('');
CREATE FUNCTION two(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION two(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT try('two');
CREATE FUNCTION poly(a anyelement) RETURNS anyelement LANGUAGE sql AS $$ SELECT a $$;
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE AGGREGATE agg(int) (sfunc = int4pl, stype = int);
SELECT try('poly', '{"a": 1}');
SELECT try('trig');
SELECT try('agg', '{"a": 1}');
SELECT try('pg_catalog.rank');
CALL wf_work();
-- Nothing was started but the workflows that call them, and those failed.
SELECT count(*) FROM wf_executions WHERE left(workflow_id, -9) IN ('missing', 'two', 'no_such') AND workflow_id LIKE '%/workflow';
SELECT left(workflow_id, -9) AS "case", status, error->>'sqlstate' AS state, error->>'message' AS message
FROM wf_executions WHERE status <> 'completed' ORDER BY run_id;

-- A procedure is an activity, but no workflow.
CREATE PROCEDURE proc(a int, INOUT b int DEFAULT 3) LANGUAGE plpgsql AS $$ BEGIN b := a + b; END $$;
SELECT try('proc', '{"a": 1}');
CALL wf_work();
SELECT * FROM runs('proc%');
-- A record whose columns only the body tells.
CREATE FUNCTION anon() RETURNS record LANGUAGE sql AS $$ SELECT 1 AS one, 'x' AS x $$;
SELECT try('anon');
CALL wf_work();
SELECT * FROM runs('anon%');
