-- Every function of pg_catalog that is not IMMUTABLE, in workflow code: refused or allowed as the rules say, whether it was planned before or not.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET statement_timeout = '120s';

-- What would call it, without doing so: with nulls of its types, behind a condition that does not hold.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION argument(type regtype) RETURNS text LANGUAGE sql AS $$
  SELECT format('NULL::%s', CASE type::text
    WHEN '"any"' THEN 'int' WHEN 'anyelement' THEN 'int' WHEN 'anycompatible' THEN 'int' WHEN 'anynonarray' THEN 'int'
    WHEN 'anyarray' THEN 'int[]' WHEN 'anycompatiblearray' THEN 'int[]' WHEN 'anyenum' THEN 'test.mood' WHEN 'anyrange' THEN 'int4range'
    WHEN 'anymultirange' THEN 'int4multirange' WHEN 'anycompatiblerange' THEN 'int4range' WHEN 'anycompatiblemultirange' THEN 'int4multirange'
    ELSE type::text END)
$$;
CREATE TABLE tried AS
  SELECT p.oid::regprocedure AS function, 'try_' || p.oid AS helper, p.proname, p.pronargs,
    p.proargtypes::oid[] @> ARRAY['internal'::regtype::oid] OR p.prorettype::regtype::text ~ 'internal|trigger|handler' OR p.proname = 'enum_in' AS internal,
    p.proretset OR p.prokind <> 'f' AS query, p.proargtypes::oid[] AS types,
    format('pg_catalog.%I(%s)', p.proname, (SELECT string_agg(argument(CASE WHEN n = p.pronargs AND p.provariadic <> 0 THEN p.provariadic ELSE t END), ', ' ORDER BY n)
      FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a(t, n))) AS call
  FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < 16384 AND p.provolatile <> 'i' AND p.prokind IN ('f', 'a');
-- As an expression that PL/pgSQL evaluates itself, or in a query.
DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT * FROM test.tried LOOP
    EXECUTE format($f$CREATE FUNCTION test.%I() RETURNS text LANGUAGE plpgsql AS %L$f$, t.helper, format(CASE WHEN t.query
      THEN 'DECLARE no bool = false; BEGIN PERFORM %s WHERE no; RETURN ''passed''; END'
      ELSE 'DECLARE no bool = false; BEGIN IF (CASE WHEN no THEN %s END) IS NULL THEN RETURN ''passed''; END IF; END' END, t.call));
  END LOOP;
END $$;
CREATE FUNCTION tries(helper text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE format('SELECT test.%I()', helper) INTO r; RETURN r; END $$;
CREATE FUNCTION outcomes(prefix text) RETURNS TABLE (helper text, outcome text) LANGUAGE sql AS $$
  SELECT substr(workflow_id, length(prefix) + 1), CASE status WHEN 'running' THEN error->>'sqlstate' ELSE status END
  FROM wf_executions WHERE workflow_id LIKE prefix || '%'
$$;
SELECT count(wf_start('tries', jsonb_build_object('helper', helper), id => 'cold ' || helper)) > 700 AS many FROM tried;
CALL wf_work();
-- Now each is called outside, and so planned and cached.
DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT * FROM test.tried LOOP
    BEGIN
      EXECUTE format('SELECT test.%I()', t.helper);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
END $$;
SELECT count(wf_start('tries', jsonb_build_object('helper', helper), id => 'warm ' || helper)) > 700 AS many FROM tried;
CALL wf_work();

CREATE VIEW compared AS
  SELECT t.function, t.internal, c.outcome AS cold, w.outcome AS warm, r.names AS rule,
    coalesce(r.allowed, false) AND r.names <> 'current_setting' AS allowed
  FROM tried t JOIN outcomes('cold ') c USING (helper) JOIN outcomes('warm ') w USING (helper)
    LEFT JOIN LATERAL (SELECT * FROM (SELECT f.*, row_number() OVER () AS n FROM durable.fence_rules() f) f
      WHERE EXISTS (SELECT FROM regexp_split_to_table(f.names, ' ') name WHERE t.proname ~ ('^' || replace(name, '*', '.*') || '$'))
        AND coalesce(f.arguments = t.pronargs, true) AND (f.argument_type IS NULL OR f.argument_type::oid = ANY (t.types)) ORDER BY n LIMIT 1) r ON true;
-- Each was tried, but for what only the server can call.
SELECT * FROM compared WHERE NOT internal AND cold NOT IN ('completed', 'WF010');
-- It makes no difference whether it was planned before.
SELECT * FROM compared WHERE cold <> warm;
-- What passes is allowed by a rule, what a rule allows passes, and all else is refused.
SELECT * FROM compared WHERE allowed <> (cold = 'completed') AND cold IN ('completed', 'WF010');
SELECT count(*) FILTER (WHERE cold = 'WF010') > 350 AS refused, count(*) FILTER (WHERE cold = 'completed') > 150 AS passed FROM compared;
-- Each rule says why, each refusal what to use instead.
SELECT names FROM durable.fence_rules() WHERE why IS NULL OR allowed = (instead IS NOT NULL);
SELECT count(*) FROM wf_stuck WHERE error->>'sqlstate' = 'WF010' AND error->>'hint' IS NULL;
