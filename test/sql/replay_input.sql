-- Histories from outside: whatever they say, they are replayed or refused, and what refuses them says why.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- A run that has known every type of event there is, as far as one can
CREATE TABLE types AS SELECT n AS type, durable.event_type_name(n::int2) AS name FROM generate_series(1, 43) n;
CREATE FUNCTION row_of(n bigint, type text, attributes jsonb, turn bigint DEFAULT 1, mail boolean DEFAULT true, ran boolean DEFAULT true) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('at', '2026-01-01T00:00:00Z'::timestamptz, 'turn_at', '2026-01-01T00:00:00Z'::timestamptz, 'ran', ran, 'mail', mail, 'turn', turn, 'goes_on', false,
    'run_id', '01a22e0b-d7f2-7045-83ff-e12260f9f362', 'event_id', n, 'attributes', attributes, 'event_type', type, 'has_payload', true)
$$;
-- a function that asks for everything
CREATE FUNCTION looks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb := '[]'; u record; h wf_handle[]; i int;
BEGIN
  r := r || wf_info() || to_jsonb(wf_now()) || to_jsonb(wf_uuid()) || to_jsonb(wf_patched('p')) || to_jsonb(wf_version('v', -1, 5));
  FOR i IN 1..2 LOOP
    r := r || coalesce(wf_poll_signal('s'), 'null');
    SELECT * INTO u FROM wf_poll_update();
    IF u.update_id IS NOT NULL THEN PERFORM wf_reply(u.update_id, '1'); END IF;
  END LOOP;
  r := r || to_jsonb(wf_cancel_requested());
  PERFORM wf_compensate('act');
  h := ARRAY[wf_start_activity('act', task_queue => 'q')];
  BEGIN
    PERFORM wf_await_any(h);
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE);
  END;
  PERFORM wf_cancel_handle(h[1]);
  RETURN r || wf_info();
END $$;
CREATE FUNCTION act() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION once() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('act'); END $$;
CREATE FUNCTION sends() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_signal_external('a name', 'a name'); PERFORM wf_cancel_external('a name', 'a name'); END $$;
CREATE FUNCTION changes() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_upsert_memo('{}'), wf_upsert_search_attributes('{}'); RETURN wf_info(); END $$;
CREATE FUNCTION parent() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('a name'); END $$;
CREATE FUNCTION sleeps() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 s'), wf_wait_signal('a name', '1 s'); RETURN wf_info(); END $$;

-- What each type says as it should be: its command, name, payload and what else; then without each, and with each wrong
CREATE TABLE sayings (type int, what text, attributes jsonb);
INSERT INTO sayings SELECT t.type, 'all', jsonb_strip_nulls(jsonb_build_object('command', CASE WHEN t.type IN (10, 11, 12, 13, 14, 15, 16, 17, 18, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 37, 38) THEN 1 END))
  || jsonb_build_object(durable.event_name_key(t.type::int2), 'a name')
  || CASE WHEN durable.event_payload_key(t.type::int2) IS NOT NULL THEN jsonb_build_object(durable.event_payload_key(t.type::int2), '{}'::jsonb) ELSE '{}' END
  || CASE WHEN durable.event_rest_key(t.type::int2) IS NOT NULL THEN '{"failure": {"message": "m"}}'::jsonb ELSE '{}' END
  || CASE t.type WHEN 1 THEN '{"not_before": "2026-01-01"}' WHEN 21 THEN '{"update_id": "u"}' WHEN 22 THEN '{"update_id": "u", "failure": {"message": "m"}}' WHEN 36 THEN '{"version": 1}'
    WHEN 37 THEN '{"search_attributes": {}, "before": {}}' WHEN 38 THEN '{"memo": {}, "before": {}}' WHEN 41 THEN '{"seed": "01a22e0b-d7f2-7045-83ff-e12260f9f362"}' WHEN 42 THEN '{"version": 2, "from": 1}' ELSE '{}' END::jsonb
FROM types t;
INSERT INTO sayings SELECT type, 'all but ' || key, attributes - key FROM sayings, jsonb_object_keys(attributes) key WHERE what = 'all';
INSERT INTO sayings SELECT type, format('%s is %s', key, left(value::text, 20)), jsonb_set(attributes, ARRAY[key], value) FROM sayings, jsonb_object_keys(attributes) key,
  unnest(ARRAY['null', '[]', '"x"', '-1', '2147483648', '{"a": [1]}']::jsonb[]) value WHERE what = 'all' AND NOT (key = 'signal' AND type NOT IN (9, 15, 30));
INSERT INTO sayings SELECT t.type, v.what, v.attributes FROM types t, (VALUES ('nothing', '{}'::jsonb), ('null', NULL), ('no object', '[1]'), ('a scalar', '"x"')) v(what, attributes);
CREATE TABLE outcomes (place text, type text, what text, said text);
CREATE FUNCTION tries(history jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f regprocedure;
BEGIN
  FOREACH f IN ARRAY ARRAY['looks', 'once', 'sends', 'changes', 'parent', 'sleeps']::regproc[] LOOP
    BEGIN
      PERFORM wf_replay(history, f, false);
    EXCEPTION WHEN OTHERS THEN
      IF SQLSTATE NOT IN ('WF008') THEN RETURN SQLSTATE || ' ' || SQLERRM; END IF;
    END;
  END LOOP;
  RETURN 'replayed';
END $$;
SET client_min_messages = error;
-- Alone, second, behind a command of its kind or another, twice, in a turn of its own without code
CREATE FUNCTION command(type int, n bigint) RETURNS jsonb LANGUAGE sql AS $$
  SELECT row_of(n, durable.event_type_name(type::int2), attributes, mail => false) FROM sayings s WHERE s.type = command.type AND what = 'all'
$$;
INSERT INTO outcomes SELECT 'alone', name, what, tries(jsonb_build_array(row_of(1, name, attributes))) FROM types JOIN sayings USING (type) WHERE what = 'all' OR type = 1;
INSERT INTO outcomes SELECT 'second', name, what, tries(jsonb_build_array(row_of(1, 'workflow_started', '{"input": {}}'), row_of(2, name, attributes))) FROM types JOIN sayings USING (type) WHERE what = 'all' OR type IN (10, 15, 23, 30, 33, 37, 38) OR NOT attributes ? 'command';
INSERT INTO outcomes SELECT 'behind ' || c, name, what, tries(jsonb_build_array(row_of(1, 'workflow_started', '{"input": {}}'), command(c, 2), row_of(3, name, attributes, turn => 3)))
FROM types JOIN sayings USING (type), unnest('{10,15,23,30,33}'::int[]) c WHERE attributes ? 'command' AND (what = 'all' OR c = CASE WHEN type IN (15, 16, 17) THEN 15 WHEN type < 20 THEN 10 WHEN type < 30 THEN 23 WHEN type < 33 THEN 30 ELSE 33 END);
INSERT INTO outcomes SELECT 'twice', name, what, tries(jsonb_build_array(row_of(1, 'workflow_started', '{"input": {}}'), row_of(2, name, attributes), row_of(3, name, attributes))) FROM types JOIN sayings USING (type) WHERE what = 'all';
INSERT INTO outcomes SELECT 'in a turn of its own', name, what, tries(jsonb_build_array(row_of(1, 'workflow_started', '{"input": {}}'), row_of(2, name, attributes, turn => 2, ran => r, mail => m)))
FROM types JOIN sayings USING (type), (VALUES (true, false), (false, true), (false, false)) v(r, m) WHERE what = 'all';
INSERT INTO outcomes SELECT 'in front', name, what, tries(jsonb_build_array(row_of(1, name, attributes), row_of(2, 'workflow_started', '{"input": {}}'))) FROM types JOIN sayings USING (type) WHERE what = 'all';
SELECT left(said, 5) AS sqlstate, count(*) > 0 AS some FROM outcomes GROUP BY 1 ORDER BY 1;
SELECT place, type, what, said FROM outcomes WHERE left(said, 5) NOT IN ('repla', '22023', '22P02', '22003', '22007', '22008') ORDER BY 1, 2, 3 LIMIT 20;
SELECT type, said FROM outcomes WHERE place = 'second' AND what = 'all' ORDER BY 1;
SELECT type, what, said FROM outcomes WHERE place ~ '^behind' AND what <> 'all' AND type = 'activity_failed' ORDER BY 1, 2;
SELECT place, count(*) FILTER (WHERE said = 'replayed') AS replayed, count(*) FROM outcomes WHERE place ~ '^behind' AND what = 'all' GROUP BY 1 ORDER BY 1;
SELECT type, said FROM outcomes WHERE place = 'twice' AND said <> (SELECT o.said FROM outcomes o WHERE o.place = 'second' AND o.type = outcomes.type AND o.what = 'all') ORDER BY 1;
SELECT what, said FROM outcomes WHERE place = 'alone' AND type = 'workflow_started' ORDER BY 1;
-- The rows themselves: each column missing and wrong, in each of three
CREATE FUNCTION three() RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_array(row_of(1, 'workflow_started', '{"input": {}}'), command(10, 2), row_of(3, 'activity_completed', '{"command": 1, "result": 1}', turn => 3),
    row_of(4, 'workflow_completed', '{"result": 1}', turn => 3, mail => false)) $$;
SELECT tries(three());
CREATE TABLE broken AS
SELECT row, key, value, tries(CASE WHEN value = '"gone"' THEN three() #- ARRAY[row::text, key] ELSE jsonb_set(three(), ARRAY[row::text, key], value) END) AS said
FROM generate_series(0, 3) row, jsonb_object_keys(three()->0) key,
  unnest(ARRAY['"gone"', 'null', '[]', '{}', '"x"', '-1', '0', '2', '4', '2147483648', '9223372036854775807', '99999999999999999999', 'true', 'false', '"infinity"', '"-infinity"', '"4713-01-01 BC"']::jsonb[]) value;
SELECT left(said, 5) AS sqlstate, count(*) > 0 AS some FROM broken GROUP BY 1 ORDER BY 1;
SELECT * FROM broken WHERE left(said, 5) NOT IN ('repla', '22023', '22P02', '22003', '22007', '22008') ORDER BY 1, 2, 3 LIMIT 20;
SELECT key, string_agg(DISTINCT said, E'\n' ORDER BY said) FROM broken WHERE said ~ '^22023' AND key <> 'event_type' GROUP BY 1 ORDER BY 1;
-- Rows that are none, an order that is none, and turns that are cut anywhere
SELECT DISTINCT tries(h) FROM unnest(ARRAY['[1]', '[[]]', '["x"]', '[null]', '[{}]', '[{"event_id": 1}]', '"x"', '1', 'null']::jsonb[]) h;
SELECT tries(three() - 0), tries(three() - 1) AS one, tries(three() - 2) AS two, tries(three() || three()) AS twice, tries(three() || jsonb_build_array(row_of(5, 'workflow_signaled', '{"signal": "s"}', turn => 5))) AS after_the_end;
SELECT count(*) FROM (SELECT tries((SELECT jsonb_agg(jsonb_set(jsonb_set(e, '{turn}', to_jsonb(t)), '{event_id}', to_jsonb(n))) FROM jsonb_array_elements(three()) WITH ORDINALITY x(e, n), LATERAL (SELECT CASE WHEN n >= cut THEN cut ELSE 1 END AS t) y)) FROM generate_series(1, 5) cut OFFSET 0) x;
