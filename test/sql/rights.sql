-- Who may call what with whose ids, function by function; what the views show to whom; what may be replicated.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
\set ECHO none
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_victim, regress_mallory, regress_monitor, regress_reader;
CREATE ROLE regress_victim LOGIN;
CREATE ROLE regress_mallory LOGIN;
CREATE ROLE regress_monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_reader LOGIN IN ROLE pg_read_all_data;
GRANT USAGE, CREATE ON SCHEMA test TO PUBLIC;
SET SESSION AUTHORIZATION regress_victim;
CREATE FUNCTION secret(secret text DEFAULT '') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  PERFORM wf_set('secret', '"state"');
  u := wf_next_update();
  PERFORM wf_start_timer('1 day');
  RETURN wf_activity('secret activity', '{"secret": "input"}', task_queue => 'victims');
END $$;
REVOKE ALL ON FUNCTION secret FROM PUBLIC;
SELECT wf_start('secret', '{"secret": "input"}', id => 'victim', memo => '{"secret": "memo"}', request_id => 'request') AS run \gset
SELECT wf_update('victim', 'secret', update_id => 'update', wait_for => 'admitted') \g /dev/null
SELECT wf_start('secret', id => 'other') AS other \gset
SELECT wf_set_task_queue('victims', max_concurrent => 7, fairness_weights => '{"secret": 2}') \g /dev/null
CALL wf_work();
SELECT task_token AS token FROM wf_poll_activities('victims', worker => 'victim''s') \gset
SELECT wf_start('secret', id => 'closed') AS closed \gset
SELECT wf_terminate('closed') \g /dev/null
CREATE TABLE secret_table();
CREATE FUNCTION reads() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN count(*) FROM secret_table; END $$;
SELECT wf_start('reads', id => 'stuck') \g /dev/null
SELECT wf_start('secret', id => 'failing') \g /dev/null
CALL wf_work();
SELECT wf_update('failing', 'secret', update_id => 'update', wait_for => 'admitted') \g /dev/null
CALL wf_work();
SELECT wf_fail_activity(task_token, 'secret"', 'secret activity') FROM wf_poll_activities('victims') \g /dev/null
\c -
SET search_path = test, public;
SET client_min_messages = warning;
SELECT queue AS queue, topic AS topic FROM durable.activity LIMIT 1 \gset
CREATE TABLE state AS SELECT 0 AS n, ''::text AS state;
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
  SELECT md5(concat((SELECT string_agg(e::text, '' ORDER BY run_id) FROM durable.execution e), (SELECT string_agg(c::text, '' ORDER BY run_id) FROM durable.closed c),
    (SELECT string_agg(h::text, '' ORDER BY run_id, first_event) FROM durable.history h), (SELECT string_agg(m::text, '' ORDER BY seq) FROM durable.message m),
    (SELECT string_agg(a::text, '' ORDER BY run_id, command) FROM durable.activity a), (SELECT string_agg(u::text, '' ORDER BY run_id, update_id) FROM durable.update u),
    (SELECT string_agg(t::text, '' ORDER BY run_id, command) FROM durable.timer t), (SELECT string_agg(q::text, '' ORDER BY queue) FROM durable.task_queue q),
    (SELECT string_agg(s::text, '' ORDER BY run_id, key) FROM durable.state s), (SELECT string_agg(v::text, '' ORDER BY function, version) FROM durable.version v),
    (SELECT string_agg(w::text, '' ORDER BY function) FROM durable.workflow_type w), (SELECT string_agg(i::text, '') FROM durable.identity i),
    (SELECT string_agg(l::text, '' ORDER BY run_id, ended_at) FROM durable.attempt l), (SELECT string_agg(r::text, '') FROM durable.signal_request r)))
$$;
INSERT INTO state SELECT 1, state();

-- Every function there is, with the victim's ids wherever it takes some. A new function shows up here, and has to be looked at.
CREATE TABLE call AS
WITH value(name, type, value) AS (VALUES ('id', 'text', '''victim'''), ('workflow', 'text', '''secret'''), ('name', 'text', '''secret'''), ('run_id', 'uuid', quote_literal(:'run')),
  ('task_token', 'text', quote_literal(:'token')), ('task_tokens', 'text[]', format('ARRAY[%L]', :'token')), ('results', 'jsonb[]', '''{null}'''), ('task_queue', 'text', '''victims'''),
  ('activity_id', 'text', '''2'''), ('owner', 'regrole', '''regress_victim'''), ('new_owner', 'regrole', '''regress_mallory'''), ('owner', 'oid', '''regress_victim''::regrole'), ('id', 'bigint', :'queue'), ('topic', 'bigint', :'topic'),
  ('request_id', 'text', '''request'''), ('update_id', 'text', '''update'''), ('update', 'text', '''secret'''), ('query', 'text', '''secret'''), ('namespace', 'text', '''default'''),
  ('function', 'regprocedure', '''secret(text)'''), ('function', 'text', '''test.secret(text)'''), ('on_running', 'text', '''use_existing'''), ('timeout', 'interval', '''0'''), ('wait', 'interval', '''0'''),
  ('point', 'text', '''first'''), ('retry', 'jsonb', '''{}'''), ('history', 'jsonb', '''[]'''), ('worker', 'text', '''mallory'''))
SELECT p.oid::regprocedure::text AS function, p.prokind, n.nspname || '.' || p.proname || '(' || coalesce(string_agg(a.name || ' => ' ||
  coalesce(v.value, CASE WHEN a.default_from <= a.n THEN NULL WHEN a.type = 'jsonb' THEN '''{}''' WHEN a.type = 'text' THEN '''x''' WHEN a.type IN ('integer', 'bigint') THEN '1' WHEN a.type = 'smallint' THEN '''1'''
    WHEN a.type = 'interval' THEN '''1 h''' WHEN a.type = 'boolean' THEN 'true' ELSE 'NULL' END), ', ' ORDER BY a.n)
  FILTER (WHERE v.value IS NOT NULL OR a.default_from > a.n), '') || ')' AS call
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  LEFT JOIN LATERAL (SELECT quote_ident(p.proargnames[u.n]) AS name, format_type(t, NULL) AS type, u.n, p.pronargs - p.pronargdefaults + 1 AS default_from
    FROM unnest(p.proargtypes) WITH ORDINALITY u(t, n)) a ON true
  LEFT JOIN value v ON v.name = a.name AND v.type = a.type
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'durable') AND p.prorettype NOT IN ('trigger'::regtype, 'cstring'::regtype, 'wf_handle'::regtype)
  AND p.proname NOT IN ('handle_out', 'wf_test_begin') AND p.provariadic <> '"any"'::regtype
GROUP BY p.oid, n.nspname;
CREATE FUNCTION outcome(kind "char", call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  IF kind = 'p' THEN EXECUTE 'CALL ' || call; RETURN 'done'; END IF;
  EXECUTE format('SELECT string_agg(nullif(nullif(t::text, ''''), ''f''), '' '') FROM (SELECT * FROM %s) t WHERE NOT (t IS NULL)', call) INTO result;
  RETURN coalesce('returns ' || regexp_replace(regexp_replace(result, '-?\d{3,}', 'N', 'g'), '[0-9a-f]{8}-[0-9a-f-]{27}', '<uuid>', 'g'), 'nothing');
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || CASE WHEN SQLSTATE NOT IN ('WF009', '42501') THEN ' ' || SQLERRM ELSE '' END;
END $$;
CREATE TABLE outcome(function text, outcome text);
GRANT SELECT ON call TO PUBLIC;
GRANT INSERT ON outcome TO PUBLIC;
SET SESSION AUTHORIZATION regress_mallory;
SELECT format('INSERT INTO outcome VALUES (%L, outcome(%L, %L))', function, prokind, call) FROM call ORDER BY function \gexec
RESET SESSION AUTHORIZATION;
UNLISTEN *;
INSERT INTO state SELECT 2, state();
\set ECHO all
\a\t
SELECT regexp_replace(function, '\(.*', '') AS function, outcome FROM outcome ORDER BY function COLLATE "C";
\a\t
-- Nothing of the victim's has changed.
SELECT count(DISTINCT state) FROM state WHERE n > 0;

-- How many rows a view shows, and how many of them tell what the victim's workflows are about: to another role none; to who monitors the server how much there is
-- and where it is stuck; to who may read all tables, all.
CREATE FUNCTION shown() RETURNS TABLE (view name, rows int, secrets int) LANGUAGE plpgsql AS $$
BEGIN
  FOR view IN SELECT v.relname FROM pg_class v JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = v.oid AND d.deptype = 'e'
    WHERE v.relkind = 'v' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'durable') ORDER BY 1
  LOOP
    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v::text ~ ''secret"|secret activity|secret_table'') FROM public.%I v %s',
      view, CASE WHEN view = 'wf_workers' THEN 'WHERE v.role = ''regress_victim''::regrole' END) INTO rows, secrets;
    RETURN NEXT;
  END LOOP;
END $$;
CREATE TABLE shown(who text, view name, rows int, secrets int);
GRANT INSERT ON shown TO PUBLIC;
SET SESSION AUTHORIZATION regress_victim; INSERT INTO shown SELECT 'victim', * FROM shown();
SET SESSION AUTHORIZATION regress_mallory; INSERT INTO shown SELECT 'mallory', * FROM shown();
SET SESSION AUTHORIZATION regress_monitor; INSERT INTO shown SELECT 'monitor', * FROM shown();
SET SESSION AUTHORIZATION regress_reader; INSERT INTO shown SELECT 'reader', * FROM shown();
RESET SESSION AUTHORIZATION;
SELECT view, max(rows) FILTER (WHERE who = 'victim') AS victim, max(secrets) FILTER (WHERE who = 'victim') AS secrets, max(rows) FILTER (WHERE who = 'mallory') AS mallory,
  max(rows) FILTER (WHERE who = 'monitor') AS monitor, max(secrets) FILTER (WHERE who = 'monitor') AS secrets, max(rows) FILTER (WHERE who = 'reader') AS reader
FROM shown GROUP BY view ORDER BY view COLLATE "C";
SET SESSION AUTHORIZATION regress_monitor;
SELECT workflow_id, owner, why, error, failures > 0 AS failures FROM wf_stuck WHERE owner = 'regress_victim'::regrole AND failures > 0;
SELECT namespace, owner, workflow, runs, paused, failing FROM wf_open_runs WHERE owner = 'regress_victim'::regrole ORDER BY workflow;
SELECT task_queue, owner, depth, running, max_concurrent, fairness_weights FROM wf_task_queues WHERE owner = 'regress_victim'::regrole;
SELECT kind, role, name, task_queue, turns AS tasks FROM wf_workers WHERE name = 'victim''s';
SELECT fails($$SELECT wf_describe('victim')$$);
RESET SESSION AUTHORIZATION;
-- What PUBLIC may do in this schema, and with these tables: nothing. Functions that are not for everybody:
SELECT n.nspname, string_agg(p.proname, ' ' ORDER BY p.proname) AS "not for PUBLIC"
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'durable') AND NOT has_function_privilege('regress_mallory', p.oid, 'EXECUTE') GROUP BY 1;
SELECT has_schema_privilege('regress_mallory', 'durable', 'USAGE') AS usage, has_schema_privilege('regress_mallory', 'durable', 'CREATE') AS creates;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'durable'::regnamespace AND c.relkind IN ('r', 'p', 'S')
  AND (has_table_privilege('regress_mallory', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR c.relkind = 'S' AND has_sequence_privilege('regress_mallory', c.oid, 'USAGE, SELECT, UPDATE'));
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'durable') AND p.prosecdef;

-- A channel is not to be guessed: others' runs of one id are others' channels, and an id's are not its hash.
SET SESSION AUTHORIZATION regress_victim;
SELECT wf_listen_workflow('victim') AS victims, wf_listen_workflow('new') AS new \gset
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_listen_workflow('new') = :'new' AS same_channel_for_a_new_id, fails($$SELECT wf_listen_workflow('victim')$$), fails('TABLE durable.secret');
RESET SESSION AUTHORIZATION;
UNLISTEN *;

-- Every table that can be published can be updated and deleted from.
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;
SELECT c.relname, c.relreplident FROM pg_class c WHERE c.relnamespace = 'durable'::regnamespace AND c.relkind = 'r' AND NOT c.relreplident = 'f'
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND c.relreplident = 'd');
SELECT wf_delete('closed'), wf_delete('failing'), wf_delete('victim');
SELECT count(*) FROM durable.attempt;
DROP PUBLICATION everything;

-- Who starts what no worker can run is told so, once in a session while it is so; and wf_stuck says it. (NOLOGIN, before PostgreSQL 17: 046_replicated.pl.)
REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_mallory;
CREATE FUNCTION fine() RETURNS text LANGUAGE sql AS $$ SELECT 'fine' $$;
SELECT wf_start('fine', id => 'first') IS NOT NULL AS starts;
SELECT wf_start('fine', id => 'second') IS NOT NULL AS starts;
SELECT workflow_id, why FROM wf_stuck ORDER BY 1;
SET SESSION AUTHORIZATION regress_monitor;
SELECT workflow_id, why FROM wf_stuck WHERE owner = 'regress_mallory'::regrole ORDER BY 1;
RESET SESSION AUTHORIZATION;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO PUBLIC;
SET SESSION AUTHORIZATION regress_mallory;
SELECT wf_start('fine', id => 'third') IS NOT NULL AS starts;
RESET SESSION AUTHORIZATION;

-- Names of any length and any characters: what has room for a part of one keeps whole characters.
SELECT c, count(*) FROM unnest('{é,€,𝄞}'::text[]) c, wf_poll_activities(repeat(c, 63), worker => repeat(c, 63)) GROUP BY 1;
SELECT left(name, 1) AS of, length(name), octet_length(name), length(task_queue), name ~ '^(é+|€+|𝄞+)$' AS whole FROM wf_workers WHERE name ~ '^[é€𝄞]' ORDER BY 2;
SELECT count(*) FROM wf_poll_activities(E'queue\n\t\u0001', worker => E'wörker\n\t\u0001');
SELECT to_json(name), to_json(task_queue) FROM wf_workers WHERE name LIKE 'wörker%';
SELECT fails($$SELECT * FROM wf_poll_activities('q', worker => '')$$), fails($$SELECT * FROM wf_poll_activities('')$$), fails($$SELECT count(*) FROM wf_poll_activities('q', worker => repeat('x', 10000))$$);
SELECT wf_start('secret', id => repeat('é', 40) || E'\n') IS NOT NULL AS starts;
SELECT octet_length(workflow_id) FROM wf_executions WHERE workflow_id LIKE 'é%';

-- What others have put into the schema the extension goes to is not found by its views and functions, however well its types fit.
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
CREATE SCHEMA trap;
CREATE FUNCTION trap.pg_has_role(regrole, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION trap.pg_has_role(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION trap.jsonb_build_object(text, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $2';
CREATE FUNCTION trap.concat(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION trap.get(jsonb, jsonb) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
CREATE FUNCTION trap.times(int8, interval) RETURNS interval LANGUAGE sql AS 'SELECT $2';
CREATE OPERATOR trap.->> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = trap.get);
CREATE OPERATOR trap.* (LEFTARG = int8, RIGHTARG = interval, FUNCTION = trap.times);
CREATE EXTENSION durable SCHEMA trap;
SELECT pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) FROM pg_depend d
WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND d.deptype = 'n' AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
  AND (d.refobjid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'trap'::regnamespace AND proname !~ '^wf_') OR d.refobjid IN (SELECT oid FROM pg_operator WHERE oprnamespace = 'trap'::regnamespace));
SELECT count(*) > 0 AS installed FROM pg_proc WHERE pronamespace = 'trap'::regnamespace AND proname ~ '^wf_';
DROP EXTENSION durable CASCADE;
DROP SCHEMA trap CASCADE;
CREATE EXTENSION durable SCHEMA public;
