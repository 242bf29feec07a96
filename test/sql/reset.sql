-- wf_reset: a new run from a point in the history of another.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE done (step text, n int DEFAULT 1);
CREATE FUNCTION step(name text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES (name); RETURN 'did ' || name; END $$;
CREATE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$;

-- The main use: the code of the workflow has a bug, is replaced, and the run goes on from where it failed.
CREATE FUNCTION order_flow(item text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  r := r || wf_activity('step', '{"name": "one"}') || to_jsonb(wf_random() < 1);
  r := r || wf_activity('step', '{"name": "two"}');
  r := r || to_jsonb(1 / (length(item) - 3));
  RETURN r || wf_activity('step', '{"name": "three"}');
END $$;
SELECT wf_start('order_flow', '{"item": "abc"}', id => 'bug') AS bug \gset
CALL wf_work();
SELECT * FROM runs('bug');
CREATE OR REPLACE FUNCTION order_flow(item text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  r := r || wf_activity('step', '{"name": "one"}') || to_jsonb(wf_random() < 1);
  r := r || wf_activity('step', '{"name": "two"}');
  r := r || to_jsonb(length(item));
  RETURN r || wf_activity('step', '{"name": "three"}');
END $$;
SELECT wf_reset('bug', point => 'last_failure', reason => 'fixed division') AS reset \gset
SELECT id, status FROM runs('bug');
CALL wf_work();
SELECT id, status, result FROM runs('bug');
SELECT step, count(*) FROM done GROUP BY 1 ORDER BY 1;
SELECT n, event, attributes - 'original_run_id' AS attributes FROM events('bug');
SELECT first_run_id = :'bug' AS first, continued_from = :'bug' AS from, run_id = :'reset' AS returned FROM wf_executions WHERE workflow_id = 'bug' ORDER BY run_id DESC LIMIT 1;
-- Without the old run the new one still has all it needs.
SELECT wf_delete('bug', run_id => :'bug');
SELECT wf_result('bug');

-- The code of a step has a bug: the step is done again.
CREATE FUNCTION with_bad() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  r := r || wf_activity('step', '{"name": "before"}');
  r := r || wf_activity('bad_step');
  RETURN r;
END $$;
SELECT wf_start('with_bad', id => 'bad') \gset
CALL wf_work();
SELECT * FROM runs('bad');
CREATE OR REPLACE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'mended'; END $$;
SELECT count(wf_reset('bad', point => 'last_failure')) FROM generate_series(1, 1);
CALL wf_work();
SELECT id, status, result FROM runs('bad');
SELECT count(*) FROM done WHERE step = 'before';

-- A failure that the code got over before it failed otherwise is not the point.
CREATE FUNCTION survives() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN PERFORM wf_activity('no_such_step'); EXCEPTION WHEN SQLSTATE 'WF001' THEN PERFORM wf_activity('step', '{"name": "instead"}'); END;
  RAISE EXCEPTION 'later bug';
END $$;
SELECT wf_start('survives', id => 'survives') \gset
CALL wf_work();
SELECT count(wf_reset('survives', point => 'last_failure')) FROM generate_series(1, 1);
CALL wf_work();
SELECT * FROM runs('survives');
SELECT count(*) FROM done WHERE step = 'instead';
SELECT n, event FROM events('survives');

-- Activities, timers and signals; each point.  The copy ends at the given event or the next place before it.
CREATE FUNCTION long_flow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  r := r || wf_activity('step', '{"name": "l1"}');
  r := r || wf_activity('ext', '{"x": 1}', task_queue => 'q', retry => wf_retry(max_attempts => 3), start_to_close => '5 min', priority => 1, fairness_key => 'k', summary => 's');
  PERFORM wf_set('phase', '"after ext"');
  r := r || coalesce(wf_wait_signal('go', timeout => '1 h'), '"timeout"');
  r := r || wf_activity('step', '{"name": "l2"}');
  RETURN r;
END $$;
SELECT wf_start('long_flow', id => 'l') AS l \gset
CALL wf_work();
SELECT count(wf_complete_activity(task_token, '"e1"')) FROM wf_poll_activities('q');
CALL wf_work();
SELECT wf_signal('l', 'go', '"s1"'), wf_signal('l', 'more', '"unread"') \gset
CALL wf_work();
SELECT * FROM runs('l');
SELECT n, event FROM events('l');
-- Nothing is left of a run that is reset again before it had a turn, so try where each event would lead.
CREATE FUNCTION copied(id text, run uuid, e bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE r uuid = wf_reset(id, to_event => e, run_id => run); n bigint;
BEGIN
  SELECT (attributes->>'to_event')::bigint INTO n FROM wf_events WHERE run_id = r AND event_type = 'workflow_reset';
  PERFORM wf_delete(id, run_id => r);
  RETURN n;
END $$;
SELECT e AS to_event, copied('l', :'l', e) AS copied FROM generate_series(1, 12) e;
-- The activity is pending again, as it was.
SELECT wf_reset('l', to_event => 4) AS reset \gset
CALL wf_work();
SELECT activity, state, attempt, max_attempts, input, start_to_close, priority, fairness_key, task_queue FROM wf_activities;
SELECT id, status, waiting_for FROM runs('l');
SELECT count(wf_complete_activity(task_token, '"e2"')) FROM wf_poll_activities('q');
CALL wf_work();
SELECT result FROM wf_executions WHERE run_id = :'reset';
-- A timer is pending again, for when it was to fire; without the signal it does.
SELECT wf_reset('l', to_event => 6, run_id => :'l', reapply => '{update}') AS reset \gset
CALL wf_work();
SELECT kind, t.fire_at = (e.attributes->>'fire_at')::timestamptz AS same FROM wf_timers t, wf_events e WHERE e.run_id = :'l' AND e.event_type = 'timer_started';
SELECT status, waiting_for, wf_query('l', 'phase') FROM wf_executions WHERE run_id = :'reset';
SET durable.clock_offset = '1h';
CALL wf_work();
RESET durable.clock_offset;
SELECT result FROM wf_executions WHERE run_id = :'reset';
-- From the beginning, and from the last thing it learned.
SELECT wf_reset('l', point => 'first', run_id => :'l') AS reset \gset
CALL wf_work();
SELECT history_events, waiting_for FROM wf_executions WHERE run_id = :'reset';
SELECT event_type, attributes - '{original_run_id}'::text[] AS attributes FROM wf_history('l') WHERE event_id > 1;
-- It runs: no other run of the id can be reset meanwhile; itself can, and what waits for the result gets that of the last.
SELECT fails(format('SELECT wf_reset(''l'', point => ''last'', run_id => %L)', :'l'));
SELECT wf_reset('l', point => 'last', reason => 'again') AS again \gset
SELECT status, error->>'message' AS reason, next_run_id = :'again' AS next FROM wf_executions WHERE run_id = :'reset';
CALL wf_work();
SELECT count(*) AS activities, bool_and(run_id = :'again') AS of_the_last FROM wf_activities;
SELECT count(wf_complete_activity(task_token, '"e3"')) FROM wf_poll_activities('q', max => 5);
CALL wf_work();
SELECT wf_result('l', run_id => :'reset'), wf_result('l') FROM wf_executions WHERE run_id = :'again';

-- Of a fan-out those are pending again that were not done in the copy; the others keep their results.
CREATE FUNCTION fan() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle[]; r jsonb[];
BEGIN
  FOR i IN 1..4 LOOP h := h || wf_start_activity('part', jsonb_build_object('i', i), task_queue => 'fan', activity_id => 'a' || i); END LOOP;
  h := h || wf_start_timer('1 h');
  r := wf_await_all(h);
  RETURN to_jsonb(r);
END $$;
SELECT wf_start('fan', id => 'fan') AS fan \gset
CALL wf_work();
SELECT count(*) FROM (SELECT wf_complete_activity(task_token, input || '{"by": 1}') FROM wf_poll_activities('fan', max => 2)) x;
CALL wf_work();
SELECT count(*) FROM (SELECT wf_fail_activity(task_token, 'oops', 'it broke', non_retryable => true) FROM wf_poll_activities('fan', max => 1)) x;
CALL wf_work();
SELECT * FROM runs('fan');
SELECT wf_reset('fan', point => 'last_failure') AS failure \gset
SELECT attributes->'to_event' AS to_event FROM wf_history('fan') WHERE event_type = 'workflow_reset';
CALL wf_work();
SELECT activity_id, state FROM wf_activities WHERE workflow_id = 'fan' ORDER BY 1;
SELECT wf_terminate('fan');
SELECT wf_reset('fan', to_event => 7, run_id => :'fan') AS again \gset
CALL wf_work();
SELECT activity_id, state FROM wf_activities WHERE workflow_id = 'fan' ORDER BY 1;
SELECT count(*) FROM (SELECT wf_complete_activity(task_token, input || '{"by": 2}') FROM wf_poll_activities('fan', max => 9)) x;
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
SELECT result FROM wf_executions WHERE run_id = :'again';

-- wf_random and wf_uuid go on as they would have.
CREATE FUNCTION lucky() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE a jsonb = jsonb_build_array(wf_random(), wf_uuid());
BEGIN PERFORM wf_sql('SELECT 1'); RETURN a || to_jsonb(wf_random()); END $$;
SELECT wf_start('lucky', id => 'lucky') AS lucky \gset
CALL wf_work();
SELECT wf_reset('lucky', point => 'last') AS again \gset
CALL wf_work();
SELECT wf_reset('lucky', point => 'first') AS more \gset
CALL wf_work();
SELECT count(*), count(DISTINCT result) FROM wf_executions WHERE workflow_id = 'lucky';

-- Large payloads are the new run's own.
CREATE FUNCTION large(t text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE r jsonb = wf_activity('ext', jsonb_build_object('t', t), task_queue => 'q'); s jsonb;
BEGIN
  s := wf_wait_signal('s');
  RETURN length(t) + length(r->>'t') + length(s->>'t');
END $$;
SELECT wf_start('large', jsonb_build_object('t', repeat('i', 20000)), id => 'large') AS large \gset
CALL wf_work();
SELECT wf_signal('large', 's', jsonb_build_object('t', repeat('s', 30000))) \gset
SELECT count(wf_complete_activity(task_token, jsonb_build_object('t', repeat('r', 40000)))) FROM wf_poll_activities('q');
CALL wf_work();
SELECT wf_reset('large', point => 'first') AS again \gset
SELECT wf_delete('large', run_id => :'large');
CALL wf_work();
SELECT count(wf_complete_activity(task_token, input)) FROM wf_poll_activities('q');
CALL wf_work();
SELECT result FROM wf_executions WHERE run_id = :'again';
SELECT count(*) AS foreign_payloads FROM durable.payload p WHERE NOT EXISTS (SELECT 1 FROM wf_executions e WHERE e.run_id = p.run_id);

-- A terminated run goes on; so does one that timed out, with a run timeout of its own; a run of a chain, from its start.
CREATE FUNCTION waits(n int DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF n < 2 THEN PERFORM wf_continue_as_new('{"n": 2}'); END IF;
  PERFORM wf_sql('SELECT 1');
  RETURN jsonb_build_array(n, wf_wait_signal('s'));
END $$;
SELECT wf_start('waits', id => 'terminated'), wf_start('waits', id => 'timed', run_timeout => '1 h', execution_timeout => '90 min') \gset
CALL wf_work();
SELECT wf_terminate('terminated', 'by mistake');
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT id, status, error FROM runs('t%');
SELECT count(wf_reset('terminated', point => 'last')), count(wf_reset('timed', point => 'last_continue_as_new')) FROM generate_series(1, 1);
CALL wf_work();
SELECT workflow_id, kind FROM wf_timers ORDER BY 1, 2;
SELECT wf_signal('terminated', 's', '1'), wf_signal('timed', 's', '2') \gset
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result FROM runs('t%') WHERE result IS NOT NULL;

-- A paused one goes on, too: the pause is in the copy, but the new run is not paused.
SELECT wf_start('waits', id => 'paused') \gset
CALL wf_work();
SELECT wf_pause('paused');
SELECT count(wf_reset('paused', point => 'last')) FROM generate_series(1, 1);
SELECT wf_signal('paused', 's', '3') \gset
CALL wf_work();
SELECT id, status, result FROM runs('paused');

-- Children of a run that is closed: those that live on are its children again, also one that was to cancel itself, and of the
-- others it hears how they ended. 'gone' is deleted, 'never' was not started, since its parent closed in that turn.
CREATE FUNCTION kid() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN repeat('done', 10000);
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_wait_signal('cleaned');
  RAISE;
END $$;
CREATE FUNCTION parent() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  kids wf_handle[];
  r text[];
BEGIN
  kids := ARRAY[wf_start_child('kid', id => 'done', parent_close_policy => 'abandon'), wf_start_child('kid', id => 'gone', parent_close_policy => 'abandon'),
                wf_start_child('kid', id => 'terminated'), wf_start_child('kid', id => 'cancelled', parent_close_policy => 'cancel'),
                wf_start_child('kid', id => 'abandoned', parent_close_policy => 'abandon')];
  PERFORM wf_wait_signal('fail');
  kids := kids || wf_start_child('kid', id => 'never');
  PERFORM wf_activity('step', '{"name": "parent"}');
  PERFORM wf_activity('bad_step');
  FOR i IN 1..6 LOOP
    BEGIN
      r := r || left(wf_await(kids[i])#>>'{}', 8);
    EXCEPTION WHEN SQLSTATE 'WF004' THEN r := r || sqlerrm;
    END;
  END LOOP;
  RETURN r;
END $$;
CREATE OR REPLACE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$;
SELECT wf_start('parent', id => 'parent') \gset
CALL wf_work();
SELECT wf_signal('parent', 'fail') \gset
CALL wf_work();
SELECT wf_signal('done', 'go') \gset
CALL wf_work();
SELECT wf_delete('gone');
SELECT workflow_id, status FROM wf_executions WHERE workflow IN ('kid', 'parent') ORDER BY workflow_id COLLATE "C";
CREATE OR REPLACE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'mended'; END $$;
SELECT count(wf_reset('parent', point => 'last_failure')) FROM generate_series(1, 1);
CALL wf_work();
SELECT n, event, attributes->'failure'->'message' AS message FROM events('parent') WHERE n > 8 AND attributes ? 'failure' OR event IN ('child_workflow_completed', 'workflow_reset');
SELECT c->>'workflow_id' AS child FROM jsonb_array_elements(wf_describe('parent')->'children') c ORDER BY 1;
SELECT wf_signal('cancelled', 'cleaned'), wf_signal('abandoned', 'go') \gset
CALL wf_work();
SELECT id, status, result FROM runs('parent');

-- A request to a child to cancel itself does not hide the children after it from the reset of an open run.
CREATE FUNCTION canceller() RETURNS text LANGUAGE plpgsql AS $$
DECLARE a wf_handle; b wf_handle;
BEGIN
  a := wf_start_child('kid', id => 'first');
  b := wf_start_child('kid', id => 'second');
  PERFORM wf_wait_signal('cancel');
  PERFORM wf_cancel_handle(a);
  PERFORM wf_wait_signal('on');
  RETURN left(wf_await(b)#>>'{}', 8);
END $$;
SELECT wf_start('canceller', id => 'canceller') \gset
CALL wf_work();
SELECT wf_signal('canceller', 'cancel') \gset
CALL wf_work();
SELECT wf_signal('canceller', 'on') \gset
CALL wf_work();
SELECT count(wf_reset('canceller', point => 'last')) FROM generate_series(1, 1);
SELECT wf_signal('second', 'go'), wf_signal('first', 'cleaned') \gset
CALL wf_work();
SELECT id, status, result FROM runs('canceller');

-- The history of a run that was reset tells where its random numbers come from.
CREATE FUNCTION dice() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sql('SELECT 1');
  RETURN jsonb_build_array(wf_random(), wf_uuid());
END $$;
SELECT wf_start('dice', id => 'dice') \gset
CALL wf_work();
SELECT count(wf_reset('dice', point => 'last')) FROM generate_series(1, 1);
CALL wf_work();
SELECT count(wf_reset('dice', point => 'first')) FROM generate_series(1, 1);
CALL wf_work();
SELECT count(*), count(DISTINCT result) AS results,
  count(wf_replay((SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('dice', e.run_id) h), 'dice()', false)->'result_differs') AS differ
FROM wf_executions e WHERE workflow_id = 'dice';
-- also where the run is not known
CREATE TABLE exported AS SELECT jsonb_agg(to_jsonb(h)) AS history, wf_result('dice') AS result FROM wf_history('dice') h;
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions WHERE workflow_id = 'dice';
SELECT wf_replay(history, 'dice()', false)->'result' = result AS same FROM exported;

-- Updates: one that is sent again with the same id after a reset is the same, whether it is in the copy, or on its way to the new run.
CREATE FUNCTION serve() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  u record;
  n int := 0;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update();
    IF u.name = 'end' THEN RETURN n; END IF;
    n := n + 1;
    IF u.name = 'hold' THEN PERFORM wf_wait_signal('on'); END IF;
    IF u.name = 'no' THEN PERFORM wf_reject(u.update_id, 'no'); ELSE PERFORM wf_reply(u.update_id, to_jsonb(n)); END IF;
  END LOOP;
END $$;
CREATE PROCEDURE send_all(again boolean) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_update('serve', 'quick', update_id => 'answered', wait_for => 'admitted');
  PERFORM wf_update('serve', 'no', update_id => 'rejected', wait_for => 'admitted');
  PERFORM wf_update('serve', 'hold', update_id => 'held', wait_for => 'admitted');
  IF NOT again THEN COMMIT; CALL wf_work(); END IF;
  PERFORM wf_update('serve', 'quick', update_id => 'unread', wait_for => 'admitted');
  IF NOT again THEN COMMIT; CALL wf_work(); END IF;
  PERFORM wf_update('serve', 'quick', update_id => 'mail', wait_for => 'admitted');
END $$;
SELECT wf_start('serve', id => 'serve') \gset
CALL wf_work();
CALL send_all(false);
SELECT attributes->>'update_id' AS id, event FROM events('serve') WHERE event LIKE '%update%' ORDER BY n;
SELECT wf_reset('serve', to_event => 6) AS run \gset
CALL send_all(true);
SELECT update_id, state, result, error->>'message' AS error FROM wf_updates WHERE run_id = :'run' ORDER BY requested_at, update_id;
SELECT wf_signal('serve', 'on') \gset
CALL wf_work();
SELECT update_id, state, result, error->>'message' AS error FROM wf_updates WHERE run_id = :'run' ORDER BY requested_at, update_id;
SELECT event, count(*), count(DISTINCT attributes->>'update_id') FROM events('serve') WHERE event LIKE '%update%' GROUP BY 1 ORDER BY 1;
-- Without reapply their ids are free.
SELECT wf_reset('serve', point => 'first', reapply => '{}') AS run \gset
SELECT count(*) FROM wf_updates WHERE run_id = :'run';
SELECT wf_update('serve', 'end', update_id => 'answered', wait_for => 'admitted') \gset
CALL wf_work();
SELECT id, status, result FROM runs('serve');

-- Many at once is a query.
SELECT count(wf_start('with_bad', id => 'many-' || n)) FROM generate_series(1, 5) n;
CREATE OR REPLACE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$;
CALL wf_work();
CREATE OR REPLACE FUNCTION bad_step() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'mended'; END $$;
SELECT count(wf_reset(workflow_id, point => 'last_failure', run_id => run_id)) FROM wf_executions WHERE workflow_id LIKE 'many-%' AND status = 'failed';
CALL wf_work();
SELECT status, count(*) FROM wf_executions WHERE workflow_id LIKE 'many-%' GROUP BY 1 ORDER BY 1;

-- What cannot be.
SELECT fails('SELECT wf_reset(''bad'')');
SELECT fails('SELECT wf_reset(''bad'', 1, ''first'')');
SELECT fails('SELECT wf_reset(''bad'', point => ''second'')');
SELECT fails('SELECT wf_reset(''bad'', to_event => 0)');
SELECT fails('SELECT wf_reset(''bad'', to_event => 1000)');
SELECT fails('SELECT wf_reset(''bad'', point => ''first'', reapply => ''{signals}'')');
SELECT fails('SELECT wf_reset(''lucky'', point => ''last_failure'')');
SELECT fails('SELECT wf_reset(''nobody'', point => ''first'')');
SELECT wf_start('waits', id => 'new') \gset
SELECT fails('SELECT wf_reset(''new'', point => ''first'')');
