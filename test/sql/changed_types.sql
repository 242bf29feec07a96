-- Each change of a type that parameters and results use, at any depth, holds from the next call on.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TYPE part AS (amount int, unit int);
CREATE TABLE item (id int, qty int);
CREATE DOMAIN part_domain AS part CHECK ((VALUE).amount IS DISTINCT FROM 13);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TYPE crate AS (lid part, sides part[]);
CREATE TYPE part_range AS RANGE (subtype = part);
CREATE TYPE colour AS ENUM ('red');
CREATE FUNCTION flat(p part) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p)';
CREATE FUNCTION many(p part[]) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p)';
CREATE FUNCTION named(p part_domain) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p)';
CREATE FUNCTION nested(p crate[]) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p)';
CREATE FUNCTION of_table(i item) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(i)';
CREATE FUNCTION gives() RETURNS item LANGUAGE plpgsql AS $$ DECLARE i item; BEGIN i.id := 1; RETURN i; END $$;
CREATE FUNCTION gives_many() RETURNS SETOF item LANGUAGE plpgsql AS $$ DECLARE i item; BEGIN i.id := 1; RETURN NEXT i; END $$;
CREATE FUNCTION paint(c colour) RETURNS text LANGUAGE sql AS 'SELECT c::text';
CREATE FUNCTION ranged(r part_range) RETURNS text LANGUAGE sql AS 'SELECT r::text';
CREATE FUNCTION few(n small) RETURNS int LANGUAGE sql AS 'SELECT n::int';
-- The same values for all of them: flat() is a child, too.
CREATE FUNCTION all_of(part jsonb, item jsonb, colour text, m text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE f text; a jsonb; outcome jsonb; result jsonb := '{}';
BEGIN
  FOR f, a IN VALUES ('flat', jsonb_build_object('p', part)), ('many', jsonb_build_object('p', jsonb_build_array(part))),
    ('named', jsonb_build_object('p', part)),
    ('nested', jsonb_build_object('p', jsonb_build_array(jsonb_build_object('lid', part, 'sides', jsonb_build_array(part))))),
    ('of_table', jsonb_build_object('i', item)), ('gives', '{}'), ('gives_many', '{}'),
    ('paint', jsonb_build_object('c', colour)), ('ranged', '{"r": "[\"(1,1)\",\"(2,2)\"]"}'), ('few', '{"n": 50}')
  LOOP
    BEGIN
      outcome := wf_activity(f, a, mode => m, retry => wf_retry(max_attempts => 1));
    EXCEPTION WHEN SQLSTATE 'WF001' THEN
      outcome := to_jsonb(SQLERRM);
    END;
    result := result || jsonb_build_object(f, outcome);
  END LOOP;
  RETURN result || jsonb_build_object('child', wf_child('flat', jsonb_build_object('p', part)),
    'query', wf_sql('SELECT * FROM item'));
END $$;
CREATE PROCEDURE show(part jsonb, item jsonb, colour text DEFAULT 'red') LANGUAGE plpgsql AS $$
DECLARE
  id text := format('run %s ', (SELECT count(*) FROM wf_executions));
  m text;
  results jsonb[] := '{}';
  line text;
BEGIN
  FOREACH m IN ARRAY '{inline,queued}'::text[] LOOP
    PERFORM wf_start('all_of', jsonb_build_object('part', part, 'item', item, 'colour', colour, 'm', m), id => id || m);
    COMMIT;
    CALL wf_work();
    results := results || wf_result(id || m, timeout => '0');
  END LOOP;
  PERFORM wf_start('flat', jsonb_build_object('p', part), id => id);
  COMMIT;
  CALL wf_work();
  RAISE INFO 'same queued: %, as workflow: %', results[1] = results[2], results[1]->'flat' = wf_result(id, timeout => '0');
  FOR line IN SELECT key || ' ' || value FROM jsonb_each(results[1]) ORDER BY key COLLATE "C" LOOP
    RAISE INFO '%', line;
  END LOOP;
END $$;
INSERT INTO item VALUES (1, 2);
CALL show('{"amount": 1, "unit": 2}', '{"id": 3, "qty": 4}');
ALTER TYPE part ADD ATTRIBUTE note text CASCADE;
ALTER TABLE item ADD note text DEFAULT 'none';
ALTER TYPE colour ADD VALUE 'blue';
CALL show('{"amount": 1, "unit": 2, "note": "n"}', '{"id": 3, "qty": 4, "note": "m"}', 'blue');
ALTER TYPE part RENAME ATTRIBUTE unit TO ui CASCADE;
ALTER TABLE item RENAME qty TO quantity;
ALTER TYPE colour RENAME VALUE 'red' TO 'rouge';
ALTER DOMAIN small DROP CONSTRAINT small_check;
ALTER DOMAIN small ADD CHECK (VALUE < 50);
CALL show('{"amount": 1, "ui": 2, "note": "n"}', '{"id": 3, "quantity": 4, "note": "m"}', 'rouge');
DROP FUNCTION ranged, named;
DROP TYPE part_range;
DROP DOMAIN part_domain, small CASCADE;
ALTER TYPE part ALTER ATTRIBUTE amount TYPE text CASCADE;
ALTER TYPE part DROP ATTRIBUTE note CASCADE;
ALTER TABLE item ALTER id TYPE text, DROP note;
CREATE DOMAIN part_domain AS crate;
CREATE FUNCTION named(p part) RETURNS text LANGUAGE sql AS $$ SELECT 'new' $$;
CALL show('{"amount": "5 EUR", "ui": 2}', '{"id": "x", "quantity": 4}', 'blue');
-- another type of the same name, and all that used it made anew
DROP TYPE part CASCADE;
CREATE TYPE part AS (colour colour);
CREATE FUNCTION flat(p part) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p)';
CALL show('{"colour": "rouge"}', '{"id": "x"}', 'blue');
-- The function is replaced, or gone, while its input is converted, its default evaluated, or it runs.
CREATE FUNCTION replaces(v int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF v < 10 THEN
    CREATE OR REPLACE FUNCTION victim(a checked, b checked) RETURNS text LANGUAGE sql AS $f$ SELECT 'y' $f$;
    PERFORM wf_start('victim', '{"a": 10, "b": 11}');
    PERFORM repeat('z', 100000);
  END IF;
  RETURN true;
END $$;
CREATE DOMAIN checked AS int CHECK (replaces(VALUE));
CREATE FUNCTION victim(a checked, b checked) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
SELECT count(wf_start('victim', jsonb_build_object('a', n, 'b', 12), id => 'victim ' || n)) FROM generate_series(1, 5) n;
SELECT runs('victim%');
CREATE FUNCTION replaces_self() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  CREATE OR REPLACE FUNCTION by_default(a int, b boolean DEFAULT replaces_self()) RETURNS text LANGUAGE sql AS $f$ SELECT 'y' $f$;
  PERFORM repeat('z', 100000);
  RETURN true;
END $$;
CREATE FUNCTION by_default(a int, b boolean DEFAULT replaces_self()) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
SELECT count(wf_start('by_default', jsonb_build_object('a', n))) FROM generate_series(1, 5) n;
CREATE FUNCTION drops_self(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  DROP FUNCTION drops_self(int);
  PERFORM wf_start('flat', '{"p": null}');
  RETURN 'kept ' || n;
END $$;
CREATE PROCEDURE replaces_itself(INOUT n int) LANGUAGE plpgsql AS $$
BEGIN
  CREATE OR REPLACE PROCEDURE replaces_itself(INOUT n int) LANGUAGE sql AS 'SELECT 0';
  COMMIT;
  PERFORM wf_start('flat', '{"p": null}');
  COMMIT;
END $$;
CREATE FUNCTION two() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_array(wf_activity('drops_self', '{"n": 1}'), wf_activity('replaces_itself', '{"n": 1}', mode => 'queued'));
END $$;
SELECT wf_start('two', id => 'two') IS NOT NULL;
CALL wf_work();
SELECT wf_result('two', timeout => '0');
-- an error in the middle of a conversion leaves nothing behind that a later one stumbles over
CREATE FUNCTION plain(a int, b text[], c date) RETURNS text LANGUAGE sql AS 'SELECT a || b[1] || c';
SELECT fails($$ SELECT wf_start('plain', '{"a": "no", "b": ["x"], "c": "2000-01-01"}') $$);
SELECT fails($$ SELECT wf_start('plain', '{"a": 1, "b": {"x": 1}, "c": "2000-01-01"}') $$);
SELECT fails($$ SELECT wf_start('plain', '{"a": 1, "b": ["x"], "c": "2000-13-01"}') $$);
SELECT wf_start('plain', '{"a": 1, "b": ["x"], "c": "2000-01-01"}', id => 'plain') IS NOT NULL;
CALL wf_work();
SELECT wf_result('plain', timeout => '0');
