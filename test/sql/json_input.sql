-- What callers compose as JSON: whatever it is, it is taken or refused as an error of theirs, and never an internal one.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION act(input jsonb, more int DEFAULT 0) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
CREATE TABLE garbage (v jsonb);
INSERT INTO garbage SELECT v::jsonb FROM unnest(ARRAY['null', '{}', '[]', '""', '"x"', '0', '-1', '1e308', '1e400', 'true', '[null]', '[[]]', '[{}]', '{"": null}', '{"a": {"a": [1]}}',
  '{"max_attempts": 1e400}', '{"max_attempts": "x"}', '{"initial_interval": 1}', '{"initial_interval": "x"}', '{"initial_interval": "-1 s"}', '{"initial_interval": "1000000 years"}', '{"backoff": 1e400}', '{"backoff": -1}', '{"jitter": 5}',
  '{"non_retryable": 1}', '{"non_retryable": [1]}', '{"non_retryable": {"a": 1}}', '{"max_interval": null}', '{"next_retry_delay": "x"}', '{"type": 1, "message": []}', '{"returns": 1, "fails": 2}', '{"delay": "x"}', '{"non_retryable": true, "sqlstate": "1"}']) v;
INSERT INTO garbage VALUES (to_jsonb(repeat('x', 40000))), (jsonb_build_object(repeat('k', 1000), repeat('v', 40000))), ((repeat('[', 200) || repeat(']', 200))::jsonb);
-- Every function of ours that takes jsonb, with each of them, the other arguments as they may be
CREATE TABLE calls AS
SELECT p.oid::regprocedure::text AS call, a.n, format('%s %s(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.oid::regproc, (
  SELECT string_agg(format('%s => %s', o.name, CASE WHEN o.n = a.n THEN '$1' ELSE CASE o.type::regtype::text
    WHEN 'text' THEN CASE o.name WHEN 'workflow' THEN '''job''' WHEN 'activity' THEN '''act''' WHEN 'name' THEN '''act''' WHEN 'id' THEN '''some''' WHEN 'query' THEN '''__info''' WHEN 'signal' THEN '''s''' WHEN 'update' THEN '''u''' ELSE '''x''' END
    WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1' WHEN 'boolean' THEN 'true' WHEN 'interval' THEN '''0''::interval' WHEN 'double precision' THEN '1' WHEN 'uuid' THEN '''01a22e0b-d7f2-7045-83ff-e12260f9f362''::uuid'
    WHEN 'jsonb' THEN '''{}''::jsonb' WHEN 'timestamp with time zone' THEN 'now()' ELSE format('NULL::%s', o.type::regtype) END END), ', ' ORDER BY o.n)
  FROM (SELECT n, p.proargnames[n] AS name, p.proargtypes[n - 1] AS type FROM generate_series(1, p.pronargs) n) o WHERE o.n = a.n OR o.n <= p.pronargs - p.pronargdefaults)) AS statement
FROM pg_proc p, LATERAL (SELECT n FROM generate_series(1, p.pronargs) n WHERE p.proargtypes[n - 1] = 'jsonb'::regtype AND p.proargnames[n] IS NOT NULL) a
WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'wf\_%' AND p.proname NOT IN ('wf_next_update', 'wf_result') AND p.prokind = 'f' AND p.provariadic = 0;
CREATE FUNCTION tries(statement text, v jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN EXECUTE statement USING v; RETURN 'taken'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM; END $$;
UPDATE calls SET statement = regexp_replace(statement, '\)$', ', wait_for => ''admitted'')') WHERE call ~ '^wf_update\(';
SELECT wf_start('job', id => 'some') \gset
SET client_min_messages = error;
CREATE TABLE said AS SELECT call, n, statement, v, tries(statement, v) AS said FROM calls, garbage WHERE call !~ '^wf_replay\(';
SELECT count(DISTINCT call) > 30 AS many FROM said;
SELECT DISTINCT statement, left(v::text, 60) AS v, said FROM said WHERE said ~ '^(XX|2F|0Z|P0)' OR said ~ 'unexpected|unrecognized token|cache lookup' ORDER BY 1, 2 LIMIT 30;
-- Mocks of a test
BEGIN;
SELECT wf_test_begin() \gset
CREATE TABLE mocks AS SELECT statement, v, tries(statement, v) AS said FROM calls, garbage WHERE call ~ '^wf_test_mock';
SELECT statement, left(v::text, 60) AS v, said FROM mocks WHERE said ~ '^(XX|2F|0Z)' ORDER BY 1, 2;
ROLLBACK;
