-- Code that does not give the commands it gave before: what a turn, wf_check_replay, wf_migrate and wf_replay say, for each kind of command and each way not to.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION export(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg(to_jsonb(h)) FROM wf_history(id) h $$;
CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION other(what text DEFAULT 'other') RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;
CREATE FUNCTION kid() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('never'); END $$;
CREATE FUNCTION kid2() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('never'); END $$;
CREATE FUNCTION target() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_shield(); PERFORM wf_wait_signal('never'); END $$;
SELECT wf_start('target', id => 'target') \gset

-- A command of each kind, the same with another name, and one of another kind.
CREATE TABLE kinds (kind text, k text, renamed text, another text);
INSERT INTO kinds VALUES
  ('step', $$PERFORM wf_activity('act', '{"what": "k"}')$$, $$PERFORM wf_activity('other')$$, $$PERFORM wf_start_timer('1 day')$$),
  ('statement', $$PERFORM wf_sql('SELECT 1')$$, NULL, $$PERFORM wf_start_timer('1 day')$$),
  ('queued', $$PERFORM wf_start_activity('act', '{"what": "k"}')$$, $$PERFORM wf_start_activity('other')$$, $$PERFORM wf_start_child('kid')$$),
  ('external', $$PERFORM wf_start_activity('mail', task_queue => 'q')$$, $$PERFORM wf_start_activity('post', task_queue => 'q')$$, $$PERFORM wf_start_timer('1 day')$$),
  ('timer', $$PERFORM wf_start_timer('1 day')$$, NULL, $$PERFORM wf_activity('act', '{"what": "k"}')$$),
  ('timed wait', $$PERFORM wf_wait_signal('k', '1 day')$$, $$PERFORM wf_wait_signal('k2', '1 day')$$, $$PERFORM wf_wait_signal('k'), wf_start_child('kid')$$),
  ('update wait', $$PERFORM wf_next_update('k', '1 min')$$, $$PERFORM wf_next_update('k2', '1 min')$$, $$PERFORM wf_start_child('kid')$$),
  ('child', $$PERFORM wf_start_child('kid')$$, $$PERFORM wf_start_child('kid2')$$, $$PERFORM wf_start_timer('1 day')$$),
  ('signal', $$PERFORM wf_signal_external('target', 's')$$, $$PERFORM wf_signal_external('target', 's2')$$, $$PERFORM wf_cancel_external('target')$$),
  ('cancel', $$PERFORM wf_cancel_external('target', 'why')$$, $$PERFORM wf_cancel_external('target', 'because')$$, $$PERFORM wf_signal_external('target', 's')$$),
  ('memo', $$PERFORM wf_upsert_memo('{"a": 1}')$$, NULL, $$PERFORM wf_upsert_search_attributes('{"a": 1}')$$),
  ('attributes', $$PERFORM wf_upsert_search_attributes('{"a": 1}')$$, NULL, $$PERFORM wf_upsert_memo('{"a": 1}')$$),
  ('compensation', $$PERFORM wf_compensate('act', '{"what": "k"}'); PERFORM wf_run_compensations()$$, $$PERFORM wf_compensate('other'); PERFORM wf_run_compensations()$$,
   $$PERFORM wf_compensate('act', '{"what": "k"}'); PERFORM wf_clear_compensations(); PERFORM wf_start_timer('1 day')$$);
-- The command, a wait that is over, another command, a wait that is over, and the one the run is in.  Before the waits is a timer: a turn that is cut short
-- after a step leaves no trace of where it went on if it only waits then.
CREATE TABLE variants (variant text, body text);
INSERT INTO variants VALUES
  ('same', '{k}; {a}; {mid}; {b}; {c};'),
  ('gone', '{a}; {mid}; {b}; {c};'),
  ('renamed', '{renamed}; {a}; {mid}; {b}; {c};'),
  ('another kind', '{another}; {a}; {mid}; {b}; {c};'),
  ('new before', '{new}; {k}; {a}; {mid}; {b}; {c};'),
  ('new after', '{k}; {new}; {a}; {mid}; {b}; {c};'),
  ('twice', '{k}; {k}; {a}; {mid}; {b}; {c};'),
  ('moved after the wait', '{a}; {k}; {mid}; {b}; {c};'),
  ('next one moved before the wait', '{k}; {t}; {mid}; {wa}; {b}; {c};'),
  ('next one gone', '{k}; {a}; {b}; {c};'),
  ('the two exchanged', '{mid}; {a}; {k}; {b}; {c};'),
  ('new before the last wait', '{k}; {a}; {mid}; {t}; {k}; {wb}; {c};'),
  ('last one moved after its wait', '{k}; {a}; {mid}; {wb}; {t}; {c};'),
  ('last one gone', '{k}; {a}; {mid}; {wb}; {c};'),
  ('at its end', '{k}; {a}; {mid}; {b}; {k}; {c};'),
  ('ends early', '{k}; {a}; {mid}; {t};'),
  ('fails early', '{k}; {a}; {mid}; {t}; RAISE ''oh'';'),
  ('goes on early', '{k}; {a}; {mid}; {t}; PERFORM wf_continue_as_new();');
CREATE FUNCTION text_of(o kinds, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE part record;
BEGIN
  IF body ~ '{renamed}' AND o.renamed IS NULL THEN RETURN NULL; END IF;
  FOR part IN VALUES ('{a}', '{t}; {wa}'), ('{b}', '{t}; {wb}'), ('{k}', o.k), ('{renamed}', coalesce(o.renamed, '')), ('{another}', o.another),
    ('{new}', $n$PERFORM wf_activity('other', '{"what": "new"}')$n$), ('{mid}', $n$PERFORM wf_activity('act', '{"what": "mid"}')$n$),
    ('{t}', $n$PERFORM wf_start_timer('1 day')$n$), ('{wa}', $n$PERFORM wf_wait_signal('a')$n$), ('{wb}', $n$PERFORM wf_wait_signal('b')$n$),
    ('{c}', $n$PERFORM wf_wait_signal('c')$n$)
  LOOP body := replace(body, part.column1, part.column2); END LOOP;
  RETURN 'BEGIN ' || body || ' END';
END $$;
CREATE TABLE cases AS
SELECT row_number() OVER () AS n, kind, variant, text_of(o, '{k}; {a}; {mid}; {b}; {c};') AS before, text_of(o, body) AS after
FROM kinds o, variants WHERE text_of(o, body) IS NOT NULL
  AND (kind IN ('step', 'timed wait', 'child') OR variant NOT IN ('twice', 'the two exchanged', 'ends early', 'fails early', 'goes on early'));
-- Each has a workflow with the commands in its own text, and one with them in a helper.
SELECT count(*) FROM cases, LATERAL (SELECT format('CREATE FUNCTION own%s() RETURNS void LANGUAGE plpgsql AS %L', n, before) AS own,
  format('CREATE FUNCTION helper%s() RETURNS void LANGUAGE plpgsql AS %L', n, before) AS helper,
  format('CREATE FUNCTION calls%s() RETURNS void LANGUAGE plpgsql AS %L', n, format('BEGIN PERFORM helper%s(); END', n)) AS calls) f,
  LATERAL (SELECT fails(own), fails(helper), fails(calls), wf_start('own' || n, id => 'own' || n), wf_start('calls' || n, id => 'calls' || n)) x;
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT count(wf_signal(f || n, s)) FROM cases, unnest('{own,calls}'::text[]) f, unnest('{k}'::text[]) s WHERE kind = 'timed wait';
CALL wf_work();
SELECT count(wf_signal(f || n, 'a')) FROM cases, unnest('{own,calls}'::text[]) f;
CALL wf_work();
SELECT count(wf_signal(f || n, 'b')) FROM cases, unnest('{own,calls}'::text[]) f;
CALL wf_work();
SELECT waiting_for, count(*) FROM wf_executions WHERE workflow_id ~ '^(own|calls)' GROUP BY 1;
-- The other texts
SELECT count(*) FROM cases, LATERAL (SELECT fails(format('CREATE OR REPLACE FUNCTION own%s() RETURNS void LANGUAGE plpgsql AS %L', n, after)),
  fails(format('CREATE OR REPLACE FUNCTION helper%s() RETURNS void LANGUAGE plpgsql AS %L', n, after))) x;
CREATE TABLE said AS
SELECT n, kind, variant, c.ok, c.severity, c.event_id, c.problem, fails(format('SELECT wf_replay(export(%L), ''own%s()'', false)', 'own' || n, n)) AS replay
FROM cases, LATERAL (SELECT * FROM wf_check_replay('own' || n) OFFSET 0) c;
CREATE TABLE moved AS SELECT n, m.migrated, m.event_id, m.problem FROM cases, LATERAL (SELECT * FROM wf_migrate('own' || n) OFFSET 0) m;
SELECT count(wf_signal('calls' || n, 'c')) FROM cases;
CALL wf_work();
CREATE TABLE turned AS SELECT n, status, error->>'message' AS problem, error->>'sqlstate' AS sqlstate FROM cases JOIN wf_executions ON workflow_id = 'calls' || n;

-- What a check says; of kinds that say the same, one.
SELECT kind, variant, ok, event_id, problem FROM said WHERE kind IN ('step', 'timed wait') ORDER BY n;
SELECT variant, ok, count(*), string_agg(kind, ', ' ORDER BY kind) AS kinds FROM said GROUP BY 1, 2 ORDER BY 1, 2;
-- and the others the same
SELECT kind, variant, s.ok, m.migrated, t.status, s.problem, m.problem AS migration, t.problem AS turn, replay
FROM said s JOIN moved m USING (n) JOIN turned t USING (n)
WHERE s.ok IS DISTINCT FROM m.migrated OR (NOT s.ok AND (s.problem IS DISTINCT FROM m.problem OR s.event_id IS DISTINCT FROM m.event_id))
  OR (NOT s.ok AND (t.status <> 'running' OR t.sqlstate IS DISTINCT FROM 'WF008')) OR (s.ok AND (t.sqlstate IS NOT NULL OR replay <> 'NO ERROR'))
  OR (NOT s.ok AND replay NOT LIKE 'WF008 ' || s.problem || '%')
  -- the signal c is there: the code does not wait for it any more
  OR (NOT s.ok AND variant NOT IN ('fails early', 'next one gone', 'last one gone') AND s.problem <> t.problem)
ORDER BY n;
-- What fits goes on, also after what is new has been recorded.
SELECT count(wf_signal('own' || n, 'c')) FROM cases;
CALL wf_work();
SELECT e.status, s.ok, count(*) FROM said s JOIN wf_executions e ON workflow_id = 'own' || n GROUP BY 1, 2;
SELECT kind, variant, fails(format('SELECT wf_replay(export(%L), ''calls%s()'', false)', 'calls' || n, n)) FROM said WHERE ok AND variant = 'at its end'
  AND fails(format('SELECT wf_replay(export(%L), ''calls%s()'', false)', 'calls' || n, n)) <> 'NO ERROR';

-- What is no command of its own: cancelling, answering; and what is registered only.  `goes' says what becomes of the run with the other text.
RESET durable.clock_offset;
CREATE TABLE acts (what text, before text, after text);
INSERT INTO acts VALUES
  ('timer cancelled', $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$),
  ('not any more', $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_timer('1 day'); {a} {b}$$),
  ('before', $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_timer('1 day'); PERFORM wf_cancel_handle(h); {a} {b}$$),
  ('after', $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_timer('1 day'); {a} {b} PERFORM wf_cancel_handle(h);$$),
  ('only now', $$h := wf_start_timer('1 day'); {a} {b}$$, $$h := wf_start_timer('1 day'); {a} PERFORM wf_cancel_handle(h); {b}$$),
  ('activity cancelled', $$h := wf_start_activity('mail', task_queue => 'q'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_activity('mail', task_queue => 'q'); {a} PERFORM wf_cancel_handle(h); {b}$$),
  ('not any more', $$h := wf_start_activity('mail', task_queue => 'q'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_activity('mail', task_queue => 'q'); {a} {b}$$),
  ('before', $$h := wf_start_activity('mail', task_queue => 'q'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_activity('mail', task_queue => 'q'); PERFORM wf_cancel_handle(h); {a} {b}$$),
  ('only now', $$h := wf_start_activity('mail', task_queue => 'q'); {a} {b}$$, $$h := wf_start_activity('mail', task_queue => 'q'); {a} PERFORM wf_cancel_handle(h); {b}$$),
  ('child cancelled', $$h := wf_start_child('kid'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_child('kid'); {a} PERFORM wf_cancel_handle(h); {b}$$),
  ('not any more', $$h := wf_start_child('kid'); {a} PERFORM wf_cancel_handle(h); {b}$$, $$h := wf_start_child('kid'); {a} {b}$$),
  ('update answered', $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$, $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$),
  ('not any more', $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$, $$SELECT * INTO u FROM wf_next_update(); {a} {b}$$),
  ('before', $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$, $$SELECT * INTO u FROM wf_next_update(); PERFORM wf_reply(u.update_id, '1'); {a} {b}$$),
  ('only now', $$SELECT * INTO u FROM wf_next_update(); {a} {b}$$, $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$),
  ('otherwise, which is its answer all the same', $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reply(u.update_id, '1'); {b}$$, $$SELECT * INTO u FROM wf_next_update(); {a} PERFORM wf_reject(u.update_id, 'no'); {b}$$),
  ('marker', $$IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$, $$IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$),
  ('not asked for any more', $$IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$, $$PERFORM wf_start_timer('1 day'); {a} {b}$$),
  ('asked for elsewhere', $$IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$, $$PERFORM wf_start_timer('1 day'); {a} IF NOT wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {b}$$),
  ('only now', $$PERFORM wf_start_timer('1 day'); {a} {b}$$, $$PERFORM wf_start_timer('1 day'); IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$),
  ('what it guards is gone', $$IF wf_patched('p') THEN PERFORM wf_start_timer('1 day'); END IF; {a} {b}$$, $$PERFORM wf_patched('p'); {a} {b}$$),
  ('timer', $$PERFORM wf_start_timer('1 day'); {a} {b}$$, $$PERFORM wf_start_timer('2 days'); {a} {b}$$),
  ('compensation registered, not run', $$PERFORM wf_compensate('act', '{"what": "undo"}'); {a} {b}$$, $$PERFORM wf_compensate('other'); {a} {b}$$),
  ('input', $$PERFORM wf_start_child('takes', '{"n": 1}'); {a} {b}$$, $$PERFORM wf_start_child('takes', '{"n": 2}'); {a} {b}$$),
  ('of a statement', $$PERFORM wf_sql('SELECT $1::int', 1); {a} {b}$$, $$PERFORM wf_sql('SELECT $1::int', 2); {a} {b}$$),
  ('of an activity', $$PERFORM wf_start_activity('mail', '{"to": "me"}', task_queue => 'q'); {a} {b}$$, $$PERFORM wf_start_activity('mail', '{"to": "you"}', task_queue => 'q'); {a} {b}$$),
  ('the same, written otherwise', $$PERFORM wf_start_activity('mail', '{"to": "me", "n": 1}', task_queue => 'q'); {a} {b}$$, $$PERFORM wf_start_activity('mail', '{"n":1,"to":"me"}', task_queue => 'q'); {a} {b}$$),
  ('of a signal', $$PERFORM wf_signal_external('target', 's', '1'); {a} {b}$$, $$PERFORM wf_signal_external('target', 's', '2'); {a} {b}$$),
  ('large', $$PERFORM wf_start_activity('mail', jsonb_build_object('x', repeat('y', 20000)), task_queue => 'q'); {a} {b}$$, $$PERFORM wf_start_activity('mail', jsonb_build_object('x', repeat('z', 20000)), task_queue => 'q'); {a} {b}$$);
CREATE FUNCTION takes(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('never'); END $$;
CREATE TABLE act AS SELECT row_number() OVER () AS n, what, w.before, w.after FROM acts, LATERAL (SELECT w[1] AS before, w[2] AS after FROM (SELECT array_agg(
  format('DECLARE h wf_handle; u record; BEGIN %s END', replace(replace(t, '{a}', $n$PERFORM wf_start_timer('1 day'), wf_wait_signal('a');$n$), '{b}', $n$PERFORM wf_start_timer('1 day'), wf_wait_signal('b'), wf_wait_signal('c');$n$))) AS w
  FROM unnest(ARRAY[before, after]) t) x) w;
SELECT DISTINCT fails(format('CREATE FUNCTION act%s() RETURNS void LANGUAGE plpgsql AS %L', n, before)) FROM act;
SELECT count(wf_start('act' || n, id => 'act' || n)) FROM act;
CALL wf_work();
SELECT count(*) FROM (SELECT wf_update('act' || n, 'u', update_id => 'u', wait_for => 'admitted') FROM act WHERE before ~ 'next_update' OFFSET 0) u;
CALL wf_work();
SELECT count(wf_signal('act' || n, 'a')) FROM act;
CALL wf_work();
SELECT count(wf_signal('act' || n, 'b')) FROM act;
CALL wf_work();
SELECT DISTINCT fails(format('CREATE OR REPLACE FUNCTION act%s() RETURNS void LANGUAGE plpgsql AS %L', n, after)) FROM act;
SELECT what, ok, severity, event_id, left(problem, 150) AS problem FROM act, LATERAL (SELECT * FROM wf_check_replay('act' || n) OFFSET 0) c ORDER BY n;
SELECT what, m.migrated, c.ok, m.event_id, m.problem FROM act, LATERAL (SELECT * FROM wf_check_replay('act' || n) OFFSET 0) c, LATERAL (SELECT * FROM wf_migrate('act' || n) OFFSET 0) m
WHERE m.migrated <> c.ok OR (NOT c.ok AND m.problem <> c.problem) ORDER BY n;
CALL wf_work();
SELECT workflow_id, why FROM wf_stuck WHERE workflow_id ~ '^act';

-- What was lost in silence: the first of two steps of one name is gone, and the second would take its result.
CREATE FUNCTION ship() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb := wf_activity('act', '{"what": "reserve"}');
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN r || wf_activity('act', '{"what": "ship"}');
END $$;
CREATE FUNCTION reserve() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('act', '{"what": "reserve"}'); END $$;
CREATE FUNCTION ship2() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb := reserve();
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN r || wf_activity('act', '{"what": "ship"}');
END $$;
TRUNCATE done;
SELECT wf_start('ship', id => 'ship') \gset
SELECT wf_start('ship2', id => 'ship2') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION ship() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN wf_activity('act', '{"what": "ship"}');
END $$;
CREATE OR REPLACE FUNCTION reserve() RETURNS jsonb LANGUAGE sql AS 'SELECT ''[]''::jsonb';
SELECT ok, event_id, problem FROM wf_check_replay('ship');
SELECT migrated FROM wf_migrate('ship');
SELECT wf_signal('ship', 'go'), wf_signal('ship2', 'go') \gset
CALL wf_work();
-- the first goes on with the text it has; the other waits to be mended
SELECT id, status, result, error FROM runs('ship%');
SELECT * FROM done ORDER BY 1;
CREATE OR REPLACE FUNCTION reserve() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('act', '{"what": "reserve"}'); END $$;
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT id, status, result, error FROM runs('ship%');
SELECT * FROM done ORDER BY 1;
RESET durable.clock_offset;

-- A helper that does more where the run waits: other code takes over, which an event says, and replays find it there.
CREATE FUNCTION more() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION waits() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start_timer('1 day'); PERFORM more(); PERFORM wf_wait_signal('go'); PERFORM more(); RETURN wf_wait_signal('end'); END $$;
SELECT wf_start('waits', id => 'waits') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION more() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('act', '{"what": "more"}'); END $$;
SELECT ok FROM wf_check_replay('waits');
SELECT wf_signal('waits', 'go') \gset
CALL wf_work();
SELECT n, event, attributes FROM events('waits') ORDER BY 1;
SELECT ok FROM wf_check_replay('waits');
SELECT wf_signal('waits', 'end', '"the end"') \gset
CALL wf_work();
SELECT id, status, result, error FROM runs('waits');
SELECT wf_replay(export('waits'), 'waits()', false) - 'waiting_at' AS replay;
-- That goes for compensations too: it fails there now.
CREATE OR REPLACE FUNCTION more() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION undoes() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_compensate('act', '{"what": "undo"}', mode => 'queued'); PERFORM wf_start_timer('1 day'); PERFORM more(); RETURN wf_wait_signal('go'); END $$;
SELECT wf_start('undoes', id => 'undoes') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION more() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more'; END $$;
SELECT wf_signal('undoes', 'go') \gset
CALL wf_work();
CALL wf_work();
SELECT id, status, result, error FROM runs('undoes');
SELECT n, event, attributes - 'failure' AS attributes FROM events('undoes') ORDER BY 1;
