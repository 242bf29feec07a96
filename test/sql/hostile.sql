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
SELECT replace(fails(format('SELECT durable.workflow_id_of(%L)', :'victim_run')), :'victim_run', '<run>');

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test CASCADE;
DROP ROLE regress_victim, regress_mallory;
