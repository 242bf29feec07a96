-- What a role with nothing but CREATE on a schema tries.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_victim, regress_mallory;
RESET client_min_messages;
CREATE ROLE regress_victim LOGIN;
CREATE ROLE regress_mallory LOGIN;
GRANT USAGE, CREATE ON SCHEMA test TO PUBLIC;
CREATE FUNCTION waits(secret text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go')#>>'{}'; END $$;
CREATE FUNCTION ok() RETURNS text LANGUAGE sql AS $$ SELECT 'ok' $$;

SET SESSION AUTHORIZATION regress_victim;
SELECT wf_start('waits', '{"secret": "input of victim"}', id => 'victim', memo => '{"secret": "memo"}', search_attributes => '{"secret": "attribute"}') AS victim_run \gset
CALL wf_work();

-- A function that is cheaper than the check whose run it is does not see what the views hide.
SET SESSION AUTHORIZATION regress_mallory;
CREATE FUNCTION tells(what anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'seen: %', what; RETURN true; END $$;
SELECT count(*) FROM wf_executions WHERE tells(memo);
SELECT count(*) FROM wf_executions WHERE tells(workflow_id);
SELECT count(*) FROM wf_events WHERE tells(attributes);
SELECT count(*) FROM wf_timers WHERE tells(workflow_id);
SELECT count(*) FROM wf_activities WHERE tells(workflow_id);
SELECT count(*) FROM wf_attempts WHERE tells(activity);
SELECT count(*) FROM wf_task_queues WHERE tells(task_queue);
SELECT count(*) FROM wf_updates WHERE tells(args);
SELECT count(*) FROM wf_stuck WHERE tells(workflow_id);
SELECT count(*) FROM wf_versions WHERE tells(function);

-- A clone is made by the extension's owner; what its text calls is called by who runs it, not on the way.
CREATE FUNCTION who_checks(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'checked by %', current_user; RETURN current_user = 'regress_mallory'; END $$;
CREATE DOMAIN checked AS int CHECK (who_checks(VALUE));
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION climbs(a checked[] DEFAULT '{1}') RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go')#>>'{}'; END $$;
CREATE FUNCTION climbs_body() RETURNS text BEGIN ATOMIC SELECT wf_wait_signal('go')#>>'{}' WHERE '{1}'::checked[] IS NOT NULL; END;
CREATE FUNCTION harmless(a positive[] DEFAULT '{1}') RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go')#>>'{}'; END $$;
SELECT count(wf_start(f, id => f)) FROM unnest('{climbs,climbs_body,harmless}'::text[]) f;
CALL wf_work();
DROP FUNCTION climbs, climbs_body, harmless;
SELECT count(wf_signal(f, 'go', '"went"')) FROM unnest('{climbs,climbs_body,harmless}'::text[]) f;
CALL wf_work();
SELECT id, status, result FROM runs('%') WHERE id IN ('climbs', 'climbs_body', 'harmless');
SELECT workflow_id, why FROM wf_stuck ORDER BY 1;

-- Histories that no run can have had
CREATE FUNCTION asks() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('ok');
  PERFORM wf_signal_external('nobody', 'x');
  PERFORM wf_upsert_memo('{"k": 1}');
  RETURN wf_info()->'memo';
END $$;
CREATE FUNCTION history(VARIADIC events jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_agg(jsonb_build_object('run_id', '00000000-0000-7000-8000-000000000000', 'event_id', n, 'at', '2026-01-01 UTC', 'attributes', '{}'::jsonb, 'turn', 1,
    'turn_at', '2026-01-01 UTC', 'mail', n = 1, 'ran', true, 'goes_on', false, 'has_payload', e ? 'payload' OR n = 1) || e)
  FROM unnest(events) WITH ORDINALITY u(e, n)
$$;
SELECT fails(format('SELECT wf_replay(%L, ''asks()'', false)', h)) FROM (VALUES
  (1, history('{"event_type": "workflow_signaled"}')),
  (2, history('{"event_type": "workflow_started", "has_payload": false}')),
  (3, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "workflow_started", "attributes": {"input": {}}}')),
  (4, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "workflow_signaled"}')),
  (5, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "marker_recorded", "attributes": {"version": 1}}')),
  (6, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "activity_scheduled", "attributes": {"command": 1, "activity": "ok"}}',
    '{"event_type": "activity_failed", "attributes": {"command": 1}}')),
  (7, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "activity_scheduled", "attributes": {"command": 1, "activity": "ok"}}',
    '{"event_type": "activity_completed", "attributes": {"command": 1}}', '{"event_type": "signal_external_initiated", "attributes": {"command": 2, "signal": "x"}}')),
  (8, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "activity_scheduled", "attributes": {"command": 1, "activity": "ok"}}',
    '{"event_type": "activity_completed", "attributes": {"command": 1}}', '{"event_type": "signal_external_initiated", "attributes": {"command": 2, "signal": "x"}}',
    '{"event_type": "signal_external_failed", "attributes": {"command": 2}}')),
  (9, history('{"event_type": "workflow_started", "attributes": {"input": {}}}', '{"event_type": "memo_upserted", "attributes": {"command": 1, "memo": 1}}'))) v(n, h) ORDER BY n;

-- Replay in the middle of a turn, and tests
CREATE FUNCTION replays(how text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  CASE how
    WHEN 'replay' THEN PERFORM wf_replay(history('{"event_type": "workflow_started", "attributes": {"input": {}}}'), 'waits(text)', false);
    WHEN 'check' THEN PERFORM wf_check_replay('waits');
    WHEN 'migrate' THEN PERFORM wf_migrate('waits');
    WHEN 'test' THEN PERFORM wf_test_begin();
  END CASE;
  RETURN 'done';
END $$;
CREATE FUNCTION nests(how text, mode text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  PERFORM wf_activity('ok');
  BEGIN
    r := wf_activity('replays', jsonb_build_object('how', how), mode => mode, retry => wf_retry(max_attempts => 1));
  EXCEPTION WHEN OTHERS THEN r := SQLERRM;
  END;
  RETURN jsonb_build_array(r, wf_activity('ok'));
END $$;
SELECT count(wf_start('nests', jsonb_build_object('how', h, 'mode', m), id => concat_ws(' ', 'nests', h, m))) FROM unnest('{replay,check,migrate,test}'::text[]) h, unnest('{inline,queued}'::text[]) m;
CALL wf_work();
SELECT id, status, result, error FROM runs('nests%');

-- Calls that fail, in code that goes on: none of them is a command
CREATE FUNCTION goes_on() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb := '[]'; call text;
BEGIN
  FOREACH call IN ARRAY ARRAY['wf_wait_signal(''s'', ''178000000 years'')', 'wf_await(''timer 1'')', 'wf_await_any(''{activity 2,child 1,signal 1}'')',
    'wf_cancel_handle(''child 3'')', 'wf_next_update(''u'', ''99999999 days'')', 'wf_start_timer(''100001 years'')', 'wf_child(''ok'', priority => 9)',
    'wf_upsert_search_attributes(jsonb_build_object(''k'', repeat(''x'', 50000)))', 'wf_child(''ok'', start_delay => ''178000000 years'')',
    'wf_activity(''ok'', retry => ''{"initial_interval": "178000000 years"}'')'] LOOP
    BEGIN
      EXECUTE 'SELECT ' || call;
    EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM);
    END;
  END LOOP;
  PERFORM wf_activity('ok');
  PERFORM wf_wait_signal('go');
  RETURN r;
END $$;
SELECT wf_start('goes_on', id => 'goes_on') \gset
CALL wf_work();
SELECT wf_signal('goes_on', 'go') \gset
CALL wf_work();
SELECT jsonb_array_elements_text(result) FROM wf_executions WHERE workflow_id = 'goes_on';
SELECT n, event FROM events('goes_on');
SELECT fails('SELECT wf_result(''goes_on'', timeout => ''178000000 years'')'), fails('SELECT wf_start(''ok'', start_delay => ''178000000 years'')'),
  fails('SELECT wf_start(''ok'', start_delay => ''-178000000 years'')');

-- Functions that SQL cannot call, since nothing is of the types they take
SELECT name, fails(format('SELECT wf_start(%L, ''{"$1": null}'')', name)) FROM unnest('{brin_bloom_options,bthandler,plpgsql_call_handler,textin,record_out}'::text[]) name;

-- Steps that saw off the branch they sit on: their own workflow, or its parent
CREATE FUNCTION does(call text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || call; RETURN 'done'; END $$;
CREATE FUNCTION saws(call text, child boolean DEFAULT false) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF child THEN
    RETURN wf_child('saws', jsonb_build_object('call', call), id => 'sawing child');
  END IF;
  RETURN jsonb_build_array(wf_activity('ok'), wf_activity('does', jsonb_build_object('call', call), retry => wf_retry(max_attempts => 1)), wf_activity('ok'));
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  RETURN to_jsonb(SQLERRM);
END $$;
SELECT count(wf_start('saws', jsonb_build_object('call', format('%s(''saw %s''%s)', c, c, CASE c WHEN 'wf_reset' THEN ', 1' END)), id => 'saw ' || c))
FROM unnest('{wf_terminate,wf_delete,wf_pause,wf_reset}'::text[]) c;
SELECT wf_start('saws', '{"call": "wf_start(''ok'', id => ''saw wf_start'', on_running => ''terminate_existing'')"}', id => 'saw wf_start') \gset
SELECT wf_start('saws', '{"call": "wf_terminate(''saw parent'')", "child": true}', id => 'saw parent') \gset
CALL wf_work();
SELECT id, status, result, error FROM runs('saw%');
SELECT why FROM wf_stuck;

-- Who ran a text first under a name does not get hold of the clones of him who has it there later.
CREATE FUNCTION deployed() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
SELECT wf_start('deployed', id => 'squatter') \gset
CALL wf_work();
DROP FUNCTION deployed;
SET SESSION AUTHORIZATION regress_victim;
CREATE FUNCTION deployed() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
SELECT wf_start('deployed', id => 'deployed') \gset
CALL wf_work();
DROP FUNCTION deployed;
SELECT wf_cancel('deployed') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_mallory;
SELECT replace(statement, proname, '<clone>') AS statement, replace(fails(statement), proname, '<clone>') AS fails
FROM pg_proc, LATERAL (VALUES (format('ALTER FUNCTION durable.%I() SET search_path = test', proname)), (format('SELECT durable.%I()', proname))) s(statement)
WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'deployed$v1$%' ORDER BY 1;

-- A validator does not LISTEN in its caller's session.
CREATE FUNCTION listens() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_listen('q'); RETURN true; END $$;
SELECT wf_register_workflow('goes_on', validators => '{"u": "listens"}') \gset
SELECT wf_start('goes_on', id => 'listens') \gset
SELECT fails('SELECT wf_update(''listens'', ''u'', wait_for => ''admitted'')');

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test CASCADE;
DROP ROLE regress_victim, regress_mallory;
