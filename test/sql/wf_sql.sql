-- wf_sql: a statement as a step.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE item (id int PRIMARY KEY, name text, price numeric CHECK (price >= 0), at timestamptz, tags text[], u uuid, j jsonb);
-- Parameters of many types, NULL among them; RETURNING gives the rows.
CREATE FUNCTION inserts() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz = '2026-01-01 12:00Z'; tags text[] = '{a,"b c"}'; j jsonb = '{"k": [1, null]}'; none text;
BEGIN
  PERFORM wf_sql('INSERT INTO item VALUES ($1, $2, $3, $4, $5, $6, $7)',
    1, 'one', 1.50, at, tags, '00000000-0000-0000-0000-00000000000a'::uuid, j);
  RETURN wf_sql('INSERT INTO item (id, name, price) VALUES (2, $1, $2), (3, $3, $2) RETURNING id, name, price', none, 2.5::numeric, 'it''s');
END $$;
SELECT wf_start('inserts', id => 'inserts') \gset
CALL wf_work();
SELECT wf_result('inserts');
SELECT * FROM item ORDER BY id;
SELECT n, event, attributes - 'result' AS attributes FROM events('inserts');

-- Rows as an array of objects, none as an empty array, also of statements that return none.
CREATE FUNCTION reads() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_object(
    'rows', wf_sql('SELECT id, name FROM item WHERE id < $1 ORDER BY id', 3),
    'none', wf_sql('SELECT * FROM item WHERE id > 100'),
    'update', wf_sql('UPDATE item SET price = price + 1 WHERE id = 1'),
    'returning', wf_sql('UPDATE item SET price = price + 1 WHERE id = $1 RETURNING price', 1),
    'delete', wf_sql('DELETE FROM item WHERE id = 3'),
    'values', wf_sql('VALUES (1, true), (2, NULL)'),
    'null', wf_sql('SELECT NULL::int AS x, $1::jsonb AS j', 'null'::jsonb),
    'ddl', wf_sql('CREATE TABLE made AS SELECT 1 AS one'),
    'twice', wf_sql('SELECT 1 AS a, 2 AS a'),
    'variadic', wf_sql('SELECT $1 AS first, $2 AS second', VARIADIC ARRAY[10, 20]),
    'with', wf_sql('WITH d AS (DELETE FROM item WHERE id = 2 RETURNING id) SELECT count(*) FROM d'),
    'function', wf_sql('SELECT g FROM generate_series(1, $1) g', 3));
END $$;
SELECT wf_start('reads', id => 'reads') \gset
CALL wf_work();
SELECT key, value FROM jsonb_each(wf_result('reads'));
SELECT id, price FROM item;
SELECT * FROM made;

-- An error is WF001 like an activity's; the statement is undone.
CREATE FUNCTION errs() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE statement text; r jsonb = '[]'; d text;
BEGIN
  FOREACH statement IN ARRAY ARRAY[
    'INSERT INTO item (id, price) VALUES (10, -1)', 'INSERT INTO item (id) VALUES (11), (11)', 'SELEC 1', 'SELECT * FROM no_table',
    'SELECT 1/0', 'INSERT INTO item (id) VALUES (12); SELECT 1/0', 'SELECT $1 + 1', 'COMMIT', 'BEGIN', 'SAVEPOINT s', 'VACUUM item',
    'CREATE INDEX CONCURRENTLY ON item (name)', 'COPY item TO STDOUT', ''] LOOP
    BEGIN
      r := r || jsonb_build_array(statement, wf_sql(statement));
    EXCEPTION WHEN SQLSTATE 'WF001' THEN
      GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
      r := r || jsonb_build_array(statement, d::jsonb->>'sqlstate', SQLERRM);
    END;
  END LOOP;
  RETURN r;
END $$;
SELECT wf_start('errs', id => 'errs') \gset
CALL wf_work();
SELECT * FROM runs('errs') WHERE status <> 'completed';
SELECT string_agg(e#>>'{}', E'\n') FROM jsonb_array_elements(wf_result('errs')) e;
SELECT id FROM item;

-- Several statements in one are one step; its result is the last one's.
CREATE FUNCTION several() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_sql('INSERT INTO item (id) VALUES (20); INSERT INTO item (id) VALUES (21) RETURNING id'); END $$;
SELECT wf_start('several', id => 'several') \gset
CALL wf_work();
SELECT wf_result('several');
SELECT id FROM item ORDER BY id;

-- It runs once, however often the code is replayed.
CREATE FUNCTION once() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = wf_sql('INSERT INTO item (id) VALUES (30) RETURNING id');
BEGIN
  PERFORM wf_sleep('1 min');
  PERFORM wf_sleep('1 min');
  RETURN r;
END $$;
SELECT wf_start('once', id => 'once') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SET durable.clock_offset = '4min';
CALL wf_work();
SELECT wf_result('once');
SELECT * FROM wf_stuck;
