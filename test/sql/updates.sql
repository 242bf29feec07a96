-- Updates: read, answered, rejected, validated, deduplicated; driven without workers, so by wait_for => 'admitted'.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- What became of the updates of a workflow id.
CREATE FUNCTION updates(id text) RETURNS TABLE (update_id text, update text, state text, args jsonb, result jsonb, error text) LANGUAGE sql AS $$
  SELECT update_id, update, state, args, result, error->>'message' FROM wf_updates WHERE workflow_id = id ORDER BY requested_at, update_id
$$;

-- A cart: adds, refuses what is not to be, ends when told.
CREATE FUNCTION cart() RETURNS int LANGUAGE plpgsql AS $$
DECLARE u record; total int = 0;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update();
    CASE u.name
      WHEN 'add' THEN
        total := total + (u.args->>'n')::int;
        PERFORM wf_reply(u.update_id, to_jsonb(total));
      WHEN 'close' THEN
        PERFORM wf_reply(u.update_id);
        RETURN total;
      ELSE
        PERFORM wf_reject(u.update_id, 'a cart knows no ' || u.name);
    END CASE;
  END LOOP;
END $$;
SELECT wf_start('cart', id => 'cart') \gset
-- before the first turn, and several at once
SELECT wf_update('cart', 'add', '{"n": 2}', 'a', wait_for => 'admitted');
SELECT wf_update('cart', 'add', '{"n": 3}', 'b', wait_for => 'admitted');
SELECT * FROM updates('cart');
CALL wf_work();
SELECT * FROM updates('cart');
SELECT waiting_for FROM wf_executions WHERE workflow_id = 'cart';
-- the answers, and the same ones again: nothing new is sent
SELECT wf_update('cart', 'add', '{"n": 2}', 'a'), wf_update('cart', 'add', NULL, 'b', wait_for => 'accepted') IS NULL AS accepted, wf_update('cart', 'add', update_id => 'b');
SELECT wf_update('cart', 'add', '{"n": 2}', 'a', wait_for => 'admitted') IS NULL AS again;
SELECT fails($$SELECT wf_update('cart', 'close', update_id => 'a')$$);
SELECT wf_update('cart', 'sing', update_id => 'c', wait_for => 'admitted') \gset
CALL wf_work();
SELECT fails($$SELECT wf_update('cart', 'sing', update_id => 'c')$$);
SELECT wf_describe('cart')->'pending_updates' AS pending;
SELECT wf_update('cart', 'close', update_id => 'd', wait_for => 'admitted') \gset
SELECT jsonb_path_query_array(wf_describe('cart')->'pending_updates', '$[*].state') AS pending;
CALL wf_work();
SELECT * FROM events('cart');
SELECT * FROM runs('cart');
-- after the end: answers stay, requests do not come in
SELECT wf_update('cart', 'add', update_id => 'b'), wf_update('cart', 'close', update_id => 'd') IS NULL AS closed;
SELECT fails($$SELECT wf_update('cart', 'sing', update_id => 'c')$$);
SELECT fails($$SELECT wf_update('cart', 'add', update_id => 'e')$$);
SELECT fails($$SELECT wf_update('cart', 'add', update_id => 'e', wait_for => 'admitted')$$);
SELECT fails($$SELECT wf_update('nobody', 'add')$$);
-- without an id each call is another request
SELECT wf_start('cart', id => 'many') \gset
SELECT wf_update('many', 'add', '{"n": 1}', wait_for => 'admitted') FROM generate_series(1, 5) n \g /dev/null
CALL wf_work();
SELECT update, state, result FROM wf_updates WHERE workflow_id = 'many' ORDER BY result;

-- It commits with the caller's transaction, or not at all.
BEGIN;
SELECT wf_update('many', 'add', '{"n": 100}', 'gone', wait_for => 'admitted') \gset
SELECT fails($$SELECT wf_update('many', 'add', update_id => 'gone')$$);
ROLLBACK;
CALL wf_work();
SELECT count(*) FROM wf_updates WHERE update_id = 'gone';
BEGIN;
SELECT wf_start('cart', id => 'fresh') \gset
SELECT fails($$SELECT wf_update('fresh', 'add')$$);
ROLLBACK;
BEGIN READ ONLY;
SELECT fails($$SELECT wf_update('many', 'add')$$);
ROLLBACK;

-- By name: others wait unread, and all are read in order.
CREATE FUNCTION picky() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record; got jsonb = '[]';
BEGIN
  SELECT * INTO u FROM wf_poll_update();
  got := got || coalesce(to_jsonb(u.name), '"none"');
  SELECT * INTO u FROM wf_next_update('b'); got := got || u.args;
  PERFORM wf_reply(u.update_id, '"b"');
  SELECT * INTO u FROM wf_poll_update('a'); got := got || u.args;
  PERFORM wf_sleep('1 minute');
  SELECT * INTO u FROM wf_next_update('a'); got := got || u.args;
  SELECT * INTO u FROM wf_poll_update(); got := got || coalesce(u.args, '"none"');
  SELECT * INTO u FROM wf_poll_update('a'); got := got || coalesce(u.args, '"none"');
  RETURN got;
END $$;
SELECT wf_start('picky', id => 'picky') \gset
CALL wf_work();
SELECT waiting_for FROM wf_executions WHERE workflow_id = 'picky';
SELECT wf_update('picky', 'a', jsonb_build_object('n', n), 'a' || n, 'admitted') FROM generate_series(1, 2) n \g /dev/null
CALL wf_work();
SELECT history_events, waiting_for FROM wf_executions WHERE workflow_id = 'picky';
SELECT wf_update('picky', 'b', '{"n": 3}', 'b', 'admitted'), wf_update('picky', 'c', '{"n": 4}', 'c', 'admitted') \g /dev/null
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT * FROM runs('picky');
RESET durable.clock_offset;
-- Read but not answered at the end, not read, answered: only the last has an answer.
SELECT * FROM updates('picky');
SELECT fails($$SELECT wf_update('picky', 'a', update_id => 'a1')$$);
SELECT wf_update('picky', 'a', update_id => 'a1', wait_for => 'accepted') IS NULL AS accepted, wf_update('picky', 'b', update_id => 'b');

-- Timeouts of the code's wait, and cancellation.
CREATE FUNCTION patient() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record; got jsonb = '[]';
BEGIN
  SELECT * INTO u FROM wf_next_update('x', timeout => '10 min');
  got := got || coalesce(u.args, '"timeout"');
  SELECT * INTO u FROM wf_next_update(timeout => '0'); got := got || coalesce(u.args, '"none"');
  SELECT * INTO u FROM wf_next_update(timeout => '10 min'); got := got || coalesce(u.args, '"timeout"');
  SELECT * INTO u FROM wf_next_update();
  RETURN got;
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN got || to_jsonb('cancelled'::text);
END $$;
SELECT wf_start('patient', id => 'patient') \gset
CALL wf_work();
SET durable.clock_offset = '20min';
CALL wf_work();
SELECT wf_update('patient', 'x', '{"n": 1}', 'x', 'admitted') \g /dev/null
CALL wf_work();
SELECT wf_cancel('patient');
CALL wf_work();
SELECT * FROM runs('patient');
SELECT * FROM events('patient');
RESET durable.clock_offset;

-- Where no update came, each form of the call gives a row of NULLs.
CREATE FUNCTION forms() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record; v record; id text; n text;
BEGIN
  u := wf_next_update('x', '10 ms');
  v := wf_poll_update();
  SELECT update_id, name INTO id, n FROM wf_next_update('x', '10 ms');
  RETURN jsonb_build_array(u.update_id, u.name, u.args, v.update_id, id, n, u IS NULL, (wf_poll_update()).name, (SELECT count(*) FROM wf_poll_update()), to_jsonb(u));
END $$;
SELECT wf_start('forms', id => 'forms') \gset
CALL wf_work();
SET durable.clock_offset = '1min';
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('forms');

-- Mistakes in the code.
CREATE FUNCTION sloppy() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record; got jsonb = '[]'; said text;
BEGIN
  BEGIN PERFORM wf_reply('x'); EXCEPTION WHEN OTHERS THEN got := got || to_jsonb(SQLERRM); END;
  SELECT * INTO u FROM wf_next_update();
  PERFORM wf_reply(u.update_id, '1');
  BEGIN PERFORM wf_reject(u.update_id, 'no'); EXCEPTION WHEN OTHERS THEN got := got || to_jsonb(SQLERRM); END;
  BEGIN PERFORM wf_reply('y'); EXCEPTION WHEN OTHERS THEN got := got || to_jsonb(SQLERRM); END;
  PERFORM wf_sleep('1 min');
  RETURN got;
END $$;
SELECT wf_start('sloppy', id => 'sloppy') \gset
SELECT wf_update('sloppy', 'u', '{}', 'x', 'admitted'), wf_update('sloppy', 'u', '{}', 'y', 'admitted') \g /dev/null
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('sloppy');
SELECT n, event FROM events('sloppy');
SELECT fails($$SELECT wf_reply('x')$$);
SELECT fails($$SELECT * FROM wf_next_update()$$);
-- workflow code is no client
CREATE FUNCTION client() RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_update('many', 'add') $$;
SELECT wf_start('client', id => 'client') \gset
CALL wf_work();
SELECT why FROM wf_stuck WHERE workflow_id = 'client';
-- nor can a step wait for its own workflow
CREATE FUNCTION asks_itself(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_update(id, 'me') $$;
CREATE FUNCTION selfish() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('asks_itself', '{"id": "selfish"}'); END $$;
SELECT wf_start('selfish', id => 'selfish') \gset
CALL wf_work();
SELECT * FROM runs('selfish');

-- Answers given between steps: taken in place or not, replayed or not, each is recorded once.
CREATE TABLE effects (n int);
CREATE FUNCTION effect(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO effects VALUES (n) RETURNING n';
CREATE FUNCTION steps(waits boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  FOR i IN 1..3 LOOP
    SELECT * INTO u FROM wf_next_update();
    PERFORM wf_activity('effect', u.args);
    PERFORM wf_reply(u.update_id, u.args);
  END LOOP;
  IF waits THEN PERFORM wf_wait_signal('s'); END IF;
  RETURN 'done';
END $$;
-- three straight runs, then one in place, then one in place in vain
SELECT wf_start('steps', jsonb_build_object('waits', n = 6), id => 'steps' || n) FROM generate_series(1, 6) n \g /dev/null
SELECT wf_update('steps' || n, 'do', jsonb_build_object('n', n * 10 + m), 'u' || m, 'admitted') FROM generate_series(1, 6) n, generate_series(1, 3) m \g /dev/null
CALL wf_work();
SELECT workflow_id, state, count(*), sum((result->>'n')::int) FROM wf_updates WHERE workflow_id LIKE 'steps%' GROUP BY 1, 2 ORDER BY 1;
SELECT count(*), count(DISTINCT n) FROM effects;
SELECT count(*) AS answers FROM wf_history('steps6') WHERE event_type = 'workflow_update_completed';
SELECT wf_signal('steps6', 's') \g /dev/null
CALL wf_work();
SELECT status, result FROM wf_executions WHERE workflow_id = 'steps6';

-- A large argument and a large result.
CREATE FUNCTION echo() RETURNS void LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  SELECT * INTO u FROM wf_next_update();
  PERFORM wf_reply(u.update_id, u.args);
END $$;
SELECT wf_start('echo', id => 'echo') \gset
SELECT wf_update('echo', 'e', jsonb_build_object('big', repeat('x', 50000)), 'big', 'admitted') \g /dev/null
CALL wf_work();
SELECT length(wf_update('echo', 'e', update_id => 'big')->>'big');
SELECT length(args->>'big'), length(result->>'big') FROM wf_updates WHERE update_id = 'big';
SELECT wf_delete('echo');
SELECT (SELECT count(*) FROM durable.payload) AS payloads, (SELECT count(*) FROM durable.update WHERE update_id = 'big') AS updates;

-- Terminated with an update unread: it is not accepted.
SELECT wf_start('patient', id => 'ended') \gset
CALL wf_work();
SELECT wf_update('ended', 'other', '{}', 'e1', 'admitted') \g /dev/null
CALL wf_work();
SELECT wf_update('ended', 'other', '{}', 'e2', 'admitted') \g /dev/null
SELECT wf_terminate('ended');
SELECT * FROM updates('ended');
SELECT n, event FROM events('ended');
SELECT fails($$SELECT wf_update('ended', 'other', update_id => 'e1')$$);
SELECT fails($$SELECT wf_update('ended', 'other', update_id => 'e2')$$);

-- Validators: they run before anything is written, as the owner of the run, and see its settings.
CREATE FUNCTION check_add(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF n <= 0 THEN RAISE EXCEPTION 'add more than %', n USING HINT = 'Add something.'; END IF;
END $$;
CREATE FUNCTION check_close(args jsonb) RETURNS text LANGUAGE sql AS $$ SELECT args->>'why_not' $$;
CREATE FUNCTION check_sing() RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION check_write() RETURNS boolean LANGUAGE sql AS $$ INSERT INTO effects VALUES (0); SELECT true $$;
CREATE FUNCTION check_role() RETURNS text LANGUAGE sql AS $$ SELECT current_user || ' ' || current_setting('search_path') $$;
SELECT wf_register_workflow('cart', validators => '{"add": "check_add", "close": "check_close", "sing": "check_sing", "write": "check_write", "who": "check_role"}');
SELECT fails($$SELECT wf_update('many', 'add', '{"n": 0}', 'v', 'admitted')$$);
SELECT fails($$SELECT wf_update('many', 'add', '{"n": -1}')$$);
SELECT fails($$SELECT wf_update('many', 'add', '{"n": "x"}')$$);
SELECT fails($$SELECT wf_update('many', 'add', '{"m": 1}')$$);
SELECT fails($$SELECT wf_update('many', 'close', '{"why_not": "because"}')$$);
SELECT fails($$SELECT wf_update('many', 'sing')$$);
SELECT fails($$SELECT wf_update('many', 'write')$$);
-- it may ask for the workflow's id, and by that for its state
CREATE FUNCTION check_state(n int, workflow_id text) RETURNS text LANGUAGE sql AS $$
  SELECT workflow_id || ': ' || (wf_query(workflow_id, '__stack')->>'waiting_for') || ' ' || n
$$;
SELECT wf_register_workflow('cart', validators => '{"add": "check_state", "who": "check_role"}');
SELECT fails($$SELECT wf_update('many', 'add', '{"n": 0}')$$);
SELECT wf_register_workflow('cart', validators => '{"add": "check_add", "who": "check_role"}');
SET search_path = public, test;
SELECT fails($$SELECT wf_update('many', 'who')$$);
SHOW search_path;
SET search_path = test, public;
SELECT count(*) AS traces FROM wf_updates WHERE workflow_id = 'many' AND state <> 'completed';
SELECT count(*) AS mail FROM durable.message m JOIN wf_executions e USING (run_id) WHERE workflow_id = 'many';
SELECT wf_update('many', 'add', '{"n": 5}', 'v', 'admitted') \g /dev/null
CALL wf_work();
SELECT wf_update('many', 'add', '{"n": 0}', 'v');
-- what is set is all there is
SELECT wf_register_workflow('cart', validators => '{"sing": "check_sing"}');
SELECT wf_update('many', 'add', '{"n": 0}', 'w', 'admitted') IS NULL AS sent;
SELECT wf_register_workflow('cart');
SELECT wf_update('many', 'sing', '{}', 's', 'admitted') IS NULL AS sent;
SELECT fails($$SELECT wf_register_workflow('cart', validators => '{"a": "no_such"}')$$);
SELECT fails($$SELECT wf_register_workflow('cart', validators => '{"a": 1}')$$);
SELECT fails($$SELECT wf_register_workflow('cart', validators => '[]')$$);
SELECT fails($$SELECT wf_register_workflow('nothing')$$);
SELECT fails($$SELECT wf_register_workflow('cart', max_duration => '1s')$$);
-- roles: the validator runs as the run's owner; only a workflow function's owner registers
CREATE ROLE update_owner LOGIN;
CREATE ROLE update_other;
GRANT USAGE ON SCHEMA test TO update_owner, update_other;
SELECT wf_register_workflow('cart', validators => '{"who": "check_role"}');
SET SESSION AUTHORIZATION update_owner;
SELECT wf_start('cart', id => 'owned') \gset
SELECT fails($$SELECT wf_register_workflow('cart')$$);
RESET SESSION AUTHORIZATION;
SELECT fails($$SELECT wf_update('owned', 'who')$$);
SET SESSION AUTHORIZATION update_other;
SELECT fails($$SELECT wf_update('owned', 'add', '{"n": 1}', 'o', 'admitted')$$);
SELECT count(*) FROM wf_updates;
RESET SESSION AUTHORIZATION;
-- a function that belongs to another by now takes no validators along
ALTER FUNCTION cart() OWNER TO update_owner;
SELECT wf_update('owned', 'who', '{}', 'o', 'admitted') IS NULL AS sent;
ALTER FUNCTION cart() OWNER TO CURRENT_USER;
DELETE FROM durable.workflow_type;

-- Update with start.
SELECT wf_update_with_start('cart', 'uws', 'add', '{"n": 1}', update_id => 'one');
SELECT wf_update_with_start('cart', 'uws', 'add', '{"n": 2}', update_id => 'two');
SELECT wf_update_with_start('cart', 'uws', 'add', '{"n": 1}', update_id => 'one');
CALL wf_work();
SELECT * FROM updates('uws');
SELECT fails($$SELECT wf_update_with_start('cart', 'uws', 'add', on_running => 'fail')$$);

-- Without preloading and beyond: arguments.
SELECT fails($$SELECT wf_update('many', 'add', wait_for => 'whatever')$$);
SELECT fails($$SELECT wf_update('many', NULL)$$);
SELECT fails($$SELECT wf_update('many', 'add', update_id => '')$$);
SELECT fails($$SELECT wf_update('many', 'add', timeout => '-1s')$$);
DROP OWNED BY update_owner, update_other;
SELECT count(wf_delete(workflow_id, run_id)) > 0 AS deleted FROM wf_executions;
DROP ROLE update_owner, update_other;
