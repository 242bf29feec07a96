-- wf_signal_external and wf_cancel_external: from one workflow to another.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION listener() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE got jsonb := '[]'; s jsonb;
BEGIN
  LOOP
    s := wf_wait_signal('s');
    EXIT WHEN s = '"end"';
    got := got || jsonb_build_array(s);
  END LOOP;
  RETURN got;
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN jsonb_build_object('got', got, 'cancelled', SQLERRM);
END $$;
CREATE FUNCTION tells(id text, payloads jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE p jsonb;
BEGIN
  FOR p IN SELECT * FROM jsonb_array_elements(payloads) LOOP
    PERFORM wf_signal_external(id, 's', p);
  END LOOP;
  RETURN 'told';
END $$;
-- In order, and all of them.
SELECT wf_start('listener', id => 'l') \gset
CALL wf_work();
SELECT wf_start('tells', '{"id": "l", "payloads": [1, "two", null, {"three": 3}, "end"]}', id => 't') \gset
CALL wf_work();
SELECT * FROM runs();
SELECT * FROM events('t');
SELECT count(*) FROM durable.message;

-- Failures are errors that code can catch: nobody of that name, one that is closed, one of another owner.
CREATE FUNCTION tries(call text, id text, run uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text;
BEGIN
  IF call = 'signal' THEN PERFORM wf_signal_external(id, 's', '1', run_id => run);
  ELSE PERFORM wf_cancel_external(id, 'no more', run_id => run); END IF;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', state, message, detail);
END $$;
SELECT count(wf_start('tries', jsonb_build_object('call', c, 'id', i), id => 'try-' || c || '-' || i)) FROM unnest('{signal,cancel}'::text[]) c, unnest('{nobody,l}'::text[]) i;
CALL wf_work();
SELECT id, status, result FROM runs('try-%');
SELECT * FROM events('try-cancel-nobody');
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_other;
CREATE ROLE regress_other LOGIN;
RESET client_min_messages;
GRANT USAGE ON SCHEMA test TO regress_other;
SELECT wf_start('listener', id => 'ours') \gset
CALL wf_work();
-- (Nor may a child be what the owner may not execute.)
CREATE FUNCTION not_yours() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
REVOKE EXECUTE ON FUNCTION not_yours FROM PUBLIC;
CREATE FUNCTION hires() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('not_yours');
EXCEPTION WHEN SQLSTATE 'WF004' THEN RETURN to_jsonb(SQLERRM);
END $$;
SET SESSION AUTHORIZATION regress_other;
SELECT wf_start('hires', id => 'theirs-3') \gset
SELECT wf_start('tries', '{"call": "signal", "id": "ours"}', id => 'theirs') \gset
SELECT wf_start('tries', '{"call": "cancel", "id": "ours"}', id => 'theirs-2') \gset
CALL wf_work();
SELECT id, result FROM runs('theirs%');
RESET SESSION AUTHORIZATION;
SELECT * FROM runs('ours');
-- Not caught, they fail the workflow.
SELECT wf_start('tells', '{"id": "nobody", "payloads": [1]}', id => 'fails') \gset
CALL wf_work();
SELECT id, status, error FROM runs('fails');

-- Of one run only.
SELECT run_id AS old FROM wf_executions WHERE workflow_id = 'l' \gset
SELECT wf_start('listener', id => 'l') AS new \gset
CALL wf_work();
SELECT wf_start('tries', jsonb_build_object('call', 'signal', 'id', 'l', 'run', :'old'::text), id => 'to-old') \gset
SELECT wf_start('tries', jsonb_build_object('call', 'signal', 'id', 'l', 'run', :'new'::text), id => 'to-new') \gset
CALL wf_work();
SELECT id, result FROM runs('to-%');

-- Cancel.
SELECT wf_start('tries', '{"call": "cancel", "id": "l"}', id => 'cancels') \gset
CALL wf_work();
SELECT * FROM runs('l');
SELECT * FROM events('cancels');

-- To itself.
CREATE FUNCTION echo(read boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_signal_external('echo-' || read, 's', '"hello"');
  IF read THEN RETURN wf_wait_signal('s'); END IF;
  RETURN '"did not listen"';
END $$;
SELECT count(wf_start('echo', jsonb_build_object('read', r), id => 'echo-' || r)) FROM unnest('{t,f}'::boolean[]) r;
CALL wf_work();
SELECT * FROM runs('echo-%');
-- Often, without listening.
CREATE FUNCTION chatty(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP
    PERFORM wf_signal_external('chatty', 's', to_jsonb(repeat('x', i * 10)));
    PERFORM wf_set('k', to_jsonb(repeat('y', i * 100)));
  END LOOP;
  RETURN 'done';
END $$;
SELECT wf_start('chatty', '{"n": 60}', id => 'chatty') \gset
CALL wf_work();
SELECT * FROM runs('chatty');
CREATE FUNCTION stops_itself() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_cancel_external('stops-itself', 'enough of me');
  PERFORM wf_sleep('1 hour');
  RETURN 'slept';
END $$;
SELECT wf_start('stops_itself', id => 'stops-itself') \gset
CALL wf_work();
SELECT * FROM runs('stops-itself');

-- Two that talk to each other, and steps before and after.
CREATE TABLE done (what text);
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO done VALUES (what) $$;
CREATE FUNCTION ping(other text, serve boolean) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int := 0;
BEGIN
  PERFORM wf_sleep('1 sec');
  IF serve THEN PERFORM wf_signal_external(other, 'ball', '0'); END IF;
  WHILE n < 6 LOOP
    n := wf_wait_signal('ball')::int + 1;
    PERFORM wf_activity('note', jsonb_build_object('what', n));
    IF n < 7 THEN PERFORM wf_signal_external(other, 'ball', to_jsonb(n)); END IF;
  END LOOP;
  RETURN n;
END $$;
SELECT wf_start('ping', '{"other": "b", "serve": true}', id => 'a') \gset
SELECT wf_start('ping', '{"other": "a", "serve": false}', id => 'b') \gset
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('_') WHERE id IN ('a', 'b');
SELECT string_agg(what, ' ') FROM done;

-- A child that signals its parent, which signals it.
CREATE FUNCTION kid() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_signal_external(wf_info()->>'parent_workflow_id', 'ready', to_jsonb(wf_info()->>'workflow_id'));
  RETURN wf_wait_signal('go') #>> '{}';
END $$;
CREATE FUNCTION starter() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_child('kid') #>> '{}';
EXCEPTION WHEN SQLSTATE 'WF003' THEN RETURN wf_poll_signal('ready') IS NOT NULL;
END $$;
SELECT wf_start('starter', id => 'starter') \gset
CALL wf_work();
SELECT wf_signal(workflow_id, 'go', '"gone"') FROM wf_executions WHERE parent_workflow_id = 'starter';
CALL wf_work();
SELECT * FROM runs('starter');
SELECT event, attributes->'signal' AS signal FROM events('starter');

-- Large payloads.
SELECT wf_start('listener', id => 'l') \gset
CALL wf_work();
SELECT wf_start('tells', jsonb_build_object('id', 'l', 'payloads', jsonb_build_array(repeat('x', 20000), 'end')), id => 'large') \gset
CALL wf_work();
SELECT id, status, length(result::text) FROM runs('l') WHERE result::text ~ 'xxx';
SELECT event, length(attributes::text) > 20000 AS large FROM events('large');
SELECT wf_terminate(id) FROM runs('ours');
SELECT count(*) FROM durable.execution;
DROP OWNED BY regress_other;
SELECT count(wf_delete(id)) FROM runs('theirs%');
DROP ROLE regress_other;
