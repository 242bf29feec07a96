-- wf_replay: a history that was exported, against a function, in any session.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION export(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg(to_jsonb(h)) FROM wf_history(id) h $$;

-- Every type of event comes back as it was.
CREATE TABLE raw AS
SELECT t.type, ROW(t.type, '2026-01-02 03:04:05.678901+00', CASE WHEN t.type % 2 = 0 THEN t.type END, CASE WHEN t.type % 3 > 0 OR t.type = 15 THEN 'a name' END,
  CASE WHEN durable.event_payload_key(t.type::int2) IS NOT NULL THEN p.payload END, NULL, a.attributes)::durable.event AS e
FROM generate_series(1, 43) t(type),
  (VALUES ('{"x": [1, 2.50, null, "y"]}'::jsonb), ('null'), (NULL)) p(payload),
  (VALUES ('{"version": 3, "update_id": "u", "fire_at": "2026-01-01"}'::jsonb), ('{"message": "m", "detail": {"k": []}}'), ('{"wait": "update"}'), (NULL)) a(attributes);
SELECT count(*), count(*) FILTER (WHERE b IS NOT DISTINCT FROM e) AS same
FROM raw, durable.event_of(durable.event_type_name((e).type), (to_jsonb((e).at) #>> '{}')::timestamptz, durable.event_attributes(e, NULL), (e).payload IS NOT NULL) b;
SELECT DISTINCT durable.event_type_name((e).type) FROM raw, durable.event_of(durable.event_type_name((e).type), (e).at, durable.event_attributes(e, NULL), (e).payload IS NOT NULL) b
WHERE b IS DISTINCT FROM e ORDER BY 1;

CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN IF what = 'fail' THEN RAISE 'will not'; END IF; INSERT INTO done VALUES (what); RETURN repeat(what, CASE what WHEN 'large' THEN 10000 ELSE 1 END); END $$;
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION flow(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb := jsonb_build_array(n); patched boolean; i int;
BEGIN
  RAISE NOTICE 'begin %', n;
  r := r || wf_activity('act', '{"what": "one"}') || jsonb_build_array(wf_activity('nothing') IS NULL);
  r := r || jsonb_build_array(length(wf_activity('act', '{"what": "large"}')#>>'{}'));
  BEGIN
    PERFORM wf_activity('act', '{"what": "fail"}');
  EXCEPTION WHEN SQLSTATE 'WF001' THEN r := r || to_jsonb(SQLERRM);
  END;
  patched := wf_patched('a change');
  r := r || jsonb_build_array(wf_random(), wf_uuid(), wf_now(), patched, wf_info()->>'workflow_id');
  r := r || coalesce(wf_wait_signal('go', '1 hour'), '"late"');
  PERFORM wf_sleep('1 minute');
  FOR i IN 1..2 LOOP r := r || coalesce(wf_poll_signal('more'), '"none"'); END LOOP;
  PERFORM wf_activity('act', '{"what": "queued"}', mode => 'queued');
  RETURN r || jsonb_build_array(wf_now());
END $$;
SELECT wf_start('flow', '{"n": 1}', id => 'r') \gset
SET client_min_messages = warning;
CALL wf_work();
RESET client_min_messages;
-- in the middle
SELECT wf_replay(export('r'), 'flow(int)');
SELECT wf_signal('r', 'more', '1'), wf_signal('r', 'go', '{"who": "me"}') \gset
SET client_min_messages = warning;
CALL wf_work();
SELECT wf_signal('r', 'more', '2') \gset
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
RESET client_min_messages;
SELECT status FROM wf_executions;
-- closed: the same end, everything included
CREATE TABLE exported AS SELECT export('r') AS history;
SELECT r - 'result' AS replay, r->'result' = e.result AS same FROM wf_replay((SELECT history FROM exported), 'flow(int)') r, wf_executions e;
-- as it is from any order of its rows, and where the run is not known
SELECT wf_delete('r');
SELECT r->>'status' AS status, r->'result_differs' AS differs, (r->'result') - 9 = (r->'recorded_result') - 9 AS but_for_the_id FROM wf_replay((SELECT jsonb_agg(h ORDER BY h->>'at' DESC) FROM exported, jsonb_array_elements(history) h), 'flow(int)', verbose => false) r;
SELECT * FROM done;

-- Code that does not fit: which event, and where
CREATE FUNCTION other(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_activity('something');
END $$;
\set SHOW_CONTEXT errors
SELECT wf_replay(history, 'other(int)') FROM exported;
\set SHOW_CONTEXT never
CREATE FUNCTION early(n int) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '1'; END $$;
SELECT fails('SELECT wf_replay(history, ''early(int)'') FROM exported');
CREATE FUNCTION bad(n int) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN to_jsonb(random()); END $$;
SELECT fails('SELECT wf_replay(history, ''bad(int)'') FROM exported');
-- and how it ends
CREATE FUNCTION small(n int, how text DEFAULT 'as always') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_wait_signal('go');
  RETURN how;
END $$;
SELECT wf_start('small', '{"n": 1}', id => 'small') \gset
CALL wf_work();
SELECT wf_replay(export('small'), 'small(int, text)', false);
SELECT wf_signal('small', 'go') \gset
CALL wf_work();
SELECT wf_replay(export('small'), 'small(int, text)', false);
CREATE OR REPLACE FUNCTION small(n int, how text DEFAULT 'as never') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_wait_signal('go');
  RETURN how;
END $$;
SELECT wf_replay(export('small'), 'small(int, text)', false);
CREATE OR REPLACE FUNCTION small(n int, how text DEFAULT 'as never') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_wait_signal('go');
  RAISE 'at last';
END $$;
SELECT r #- '{failure,context}' FROM wf_replay(export('small'), 'small(int, text)', false) r;
CREATE OR REPLACE FUNCTION small(n int, how text DEFAULT 'as never') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "one"}');
  PERFORM wf_wait_signal('go');
  PERFORM wf_activity('act', '{"what": "one more"}');
  RETURN how;
END $$;
SELECT fails($$SELECT wf_replay(export('small'), 'small(int, text)', false)$$);
-- failed, cancelled, terminated
CREATE FUNCTION ends() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RAISE 'the end'; END $$;
SELECT wf_start('ends', id => 'failed'), wf_start('ends', id => 'cancelled'), wf_start('ends', id => 'terminated'), wf_start('ends', id => 'timed', run_timeout => '1 min') \gset
CALL wf_work();
SELECT wf_signal('failed', 'go'), wf_cancel('cancelled', 'no more'), wf_terminate('terminated') \gset
SET durable.clock_offset = '1h';
CALL wf_work();
RESET durable.clock_offset;
SELECT workflow_id, status, wf_replay(export(workflow_id), 'ends()', false) #- '{failure,context}' FROM wf_executions WHERE workflow = 'ends' ORDER BY 1;
-- continued as new; by code that does not, any more
CREATE FUNCTION goes_on(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n < 2 THEN PERFORM wf_continue_as_new('{"n": 2}'); END IF; RETURN n; END $$;
CREATE FUNCTION stops(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n; END $$;
CREATE FUNCTION stays(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN n; END $$;
SELECT wf_start('goes_on', '{"n": 1}', id => 'goes on') AS goes_on \gset
CALL wf_work();
SELECT jsonb_agg(to_jsonb(h)) AS history FROM wf_history('goes on', :'goes_on') h \gset
SELECT wf_replay(:'history', 'goes_on(int)');
SELECT wf_replay(:'history', 'stops(int)') - 'recorded_result';
SELECT fails(format('SELECT wf_replay(%L, ''stays(int)'')', :'history'));
-- what a closed run knew of itself
CREATE FUNCTION knows() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF wf_info() ? 'continued_from' THEN RETURN wf_info() - 'history_bytes'; END IF;
  PERFORM wf_continue_as_new();
END $$;
SELECT wf_start('knows', id => 'knows', run_timeout => '1 hour', execution_timeout => '2 hours', retry => wf_retry(3), priority => 1) \gset
CALL wf_work();
SELECT status, wf_replay((SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('knows', e.run_id) h), 'knows()', false)->'result_differs' AS differs
FROM wf_executions e WHERE workflow_id = 'knows' ORDER BY run_id;
-- timed waits for updates
CREATE FUNCTION patient() RETURNS text LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('add', timeout => '1 min');
  SELECT * INTO u FROM wf_next_update(timeout => '1 min');
  RETURN 'nobody came';
END $$;
SELECT wf_start('patient', id => 'patient') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SET durable.clock_offset = '4min';
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_replay(export('patient'), 'patient()');
-- not yet begun, between two attempts
SELECT wf_start('ends', id => 'new') \gset
SELECT wf_replay(export('new'), 'ends()', false);
CREATE FUNCTION retries() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('act', '{"what": "fail"}', retry => wf_retry(5)); END $$;
SELECT wf_start('retries', id => 'retries') \gset
CALL wf_work();
SELECT wf_replay(export('retries'), 'retries()');
-- What is no history
SELECT fails($$SELECT wf_replay(NULL, 'ends()')$$);
SELECT fails($$SELECT wf_replay('[]', NULL)$$);
SELECT fails($$SELECT wf_replay('[]', 'ends()')$$);
SELECT fails($$SELECT wf_replay('{}', 'ends()')$$);
SELECT fails($$SELECT wf_replay('[{"event_id": 1, "event_type": "workflow_started", "attributes": {}}]', 'ends()')$$);
SELECT fails($$SELECT wf_replay(jsonb_set(export('retries'), '{1,event_type}', '"gone"'), 'retries()')$$);
SELECT fails($$SELECT wf_replay(export('retries') - 1, 'retries()', false)$$);
SELECT fails($$SELECT wf_replay(export('failed') - 1, 'ends()', false)$$);
SELECT count(*) FROM done;
