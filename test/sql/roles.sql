-- Who may do what: a run belongs to the role that started it, and to the members of that role.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ann, regress_bob, regress_ops, regress_aloof;
RESET client_min_messages;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_bob LOGIN;
-- ops is a member of ann
CREATE ROLE regress_ops LOGIN IN ROLE regress_ann;
-- aloof is one too, but has its rights only after SET ROLE
CREATE ROLE regress_aloof LOGIN NOINHERIT IN ROLE regress_ann;
GRANT USAGE, CREATE ON SCHEMA test TO PUBLIC;

CREATE FUNCTION waits() RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN concat_ws(' ', current_user, session_user, wf_wait_signal('go')#>>'{}', wf_activity('who')#>>'{}'); END $$;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT 'activity as ' || current_user $$;

-- Each runs his own.
SET SESSION AUTHORIZATION regress_ann;
SELECT wf_start('waits', id => 'ann', request_id => 'ann asks') AS ann_run \gset
CALL wf_work();
SELECT workflow_id, owner FROM wf_executions;
-- Another role sees nothing of it,
SET SESSION AUTHORIZATION regress_bob;
SELECT (SELECT count(*) FROM wf_executions) AS executions, (SELECT count(*) FROM wf_events) AS events, (SELECT count(*) FROM wf_timers) AS timers,
  (SELECT count(*) FROM wf_stuck) AS stuck;
-- may do nothing with it,
SELECT replace(call, :'ann_run', '<run>') AS call, fails('SELECT ' || call) FROM unnest(ARRAY['wf_signal(''ann'', ''go'')', 'wf_cancel(''ann'')', 'wf_terminate(''ann'')', 'wf_delete(''ann'')',
  'wf_result(''ann'', timeout => ''0'')', 'wf_query(''ann'', ''k'')', 'wf_query(''ann'', ''__stack'')', 'wf_describe(''ann'')', 'count(*) FROM wf_history(''ann'')',
  'wf_signal_with_start(''waits'', ''ann'', ''go'')', 'wf_start(''waits'', id => ''ann'', on_running => ''use_existing'')',
  'wf_start(''waits'', id => ''ann'', on_running => ''terminate_existing'')', 'wf_start(''waits'', id => ''ann'')',
  'wf_start(''waits'', id => ''x'', request_id => ''ann asks'')', 'wf_signal_with_start(''waits'', ''x'', ''go'', request_id => ''ann asks'')',
  format('wf_signal(''ann'', ''go'', run_id => %L)', :'ann_run'), format('wf_delete(''ann'', run_id => %L)', :'ann_run')]) call;
-- nor with the tables below,
SELECT t, fails('SELECT count(*) FROM durable.' || t) FROM unnest('{execution,history,message,payload,state,closed,timer,activity,signal_request}'::text[]) t;
SELECT fails('INSERT INTO durable.signal_request VALUES (gen_random_uuid(), ''x'')'), fails('SELECT nextval(''durable.message_seq'')'), fails('SELECT wf_adopt()'),
  fails('SELECT durable.installed()');
SELECT fails(format('SET durable.%s = 1', s)) FROM unnest('{clock_offset,max_payload_size,turn_timeout}'::text[]) s;
-- and does not run it.
CALL wf_work();
SELECT wf_start('waits', id => 'bob') \gset
CALL wf_work();
SELECT workflow_id, owner, waiting_for FROM wf_executions;
-- A member without its rights may not.
SET SESSION AUTHORIZATION regress_aloof;
SELECT (SELECT count(*) FROM wf_executions) AS executions, (SELECT count(*) FROM wf_events) AS events, (SELECT count(*) FROM wf_versions) AS versions;
SELECT fails('SELECT wf_signal(''ann'', ''go'')'), fails('SELECT wf_set_task_queue(''q'', owner => ''regress_ann'')'), (SELECT count(*) FROM wf_check_replay('waits'));
SET ROLE regress_ann;
SELECT (SELECT count(*) FROM wf_executions) AS executions, (SELECT count(*) FROM wf_check_replay('waits')) AS checked;
RESET ROLE;
-- A member of the owner may.
SET SESSION AUTHORIZATION regress_ops;
SELECT workflow_id, owner, waiting_for FROM wf_executions;
SELECT count(*) FROM wf_history('ann');
SELECT wf_signal('ann', 'go', '"from ops"') \gset
-- But the turn is the owner's: wf_work runs the session role's runs only.
CALL wf_work();
SELECT status FROM wf_executions;
SET SESSION AUTHORIZATION regress_ann;
CALL wf_work();
SELECT wf_result('ann');
-- A role that was only set is refused: code could reset it.
RESET SESSION AUTHORIZATION;
SET ROLE regress_ann;
CALL wf_work();
CALL wf_execute('who', id => 'ann');
-- A start belongs to the current role all the same.
SELECT wf_start('waits', id => 'set role') \gset
SELECT owner FROM wf_executions WHERE workflow_id = 'set role';
RESET ROLE;
-- A superuser sees all.
SELECT workflow_id, owner, status FROM wf_executions ORDER BY 1;
SET SESSION AUTHORIZATION regress_ops;
SELECT wf_terminate('set role');

-- EXECUTE is checked at the start, for the workflow, and at each step, for the activity, as the owner.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION secret() RETURNS text LANGUAGE sql AS $$ SELECT 'secret' $$;
REVOKE EXECUTE ON FUNCTION secret FROM PUBLIC;
CREATE TABLE private (x int);
CREATE FUNCTION uses(what text, unused int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r jsonb;
BEGIN
  IF what = 'activity' THEN r := wf_activity('secret'); END IF;
  IF what = 'sql' THEN r := wf_sql('INSERT INTO private VALUES (1)'); END IF;
  IF what = 'call' THEN PERFORM secret(); END IF;
  RETURN 'used';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SET SESSION AUTHORIZATION regress_bob;
SELECT fails($$SELECT wf_start('secret', id => 'no')$$);
SELECT count(wf_start('uses', jsonb_build_object('what', w), id => 'u-' || w)) FROM unnest('{activity,sql,call}'::text[]) w;
CALL wf_work();
SELECT workflow_id, result FROM wf_executions WHERE workflow_id LIKE 'u-%' ORDER BY 1;
-- A security definer activity works with its owner's rights, and only for its own time.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION definer() RETURNS text SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN INSERT INTO private VALUES (2); RETURN current_user = session_user; END $$;
CREATE FUNCTION uses_definer() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN jsonb_build_array(wf_activity('definer'), current_user, wf_activity('who')); END $$;
SET SESSION AUTHORIZATION regress_bob;
SELECT wf_start('uses_definer', id => 'definer') \gset
CALL wf_work();
SELECT wf_result('definer');
-- An activity that sets the role has not set it for what follows.
CREATE FUNCTION sets_role() RETURNS text LANGUAGE plpgsql AS $$ BEGIN SET ROLE regress_bob; RETURN current_user; END $$;
CREATE FUNCTION after_role() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_activity('sets_role'), wf_activity('who')); END $$;
RESET SESSION AUTHORIZATION;
GRANT regress_bob TO regress_ann;
SET SESSION AUTHORIZATION regress_ann;
SELECT wf_start('after_role', id => 'after_role') \gset
CALL wf_work();
SELECT wf_result('after_role'), current_user;
-- A workflow of another role's id is no obstacle in another namespace.
SELECT wf_start('uses', '{"what": "x"}', id => 'bob', namespace => 'ann') IS NOT NULL AS started;
-- A session that has become another role does not go on with a run that was cut short.
CREATE TABLE ran_as (who name, superuser text);
RESET SESSION AUTHORIZATION;
CREATE FUNCTION note() RETURNS void LANGUAGE sql AS $$ INSERT INTO ran_as VALUES (session_user, current_setting('is_superuser')) $$;
CREATE FUNCTION notes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..120 LOOP PERFORM wf_activity('note'); END LOOP; END $$;
SET SESSION AUTHORIZATION regress_ann;
CALL wf_work();
SELECT wf_start('notes', id => 'notes') \gset
CALL wf_work(1);
SELECT count(*) BETWEEN 1 AND 119 AS cut_short FROM ran_as;
RESET SESSION AUTHORIZATION;
CALL wf_work();
SET SESSION AUTHORIZATION regress_ann;
CALL wf_work();
SELECT who, superuser, count(*) FROM ran_as GROUP BY 1, 2;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test CASCADE;
DROP ROLE regress_ann, regress_bob, regress_ops, regress_aloof;
