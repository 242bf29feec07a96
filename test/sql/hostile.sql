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

-- A clone is made by the extension's owner; what its text calls on the way is not called.
CREATE FUNCTION who_checks(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'checked by %', current_user; RETURN true; END $$;
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
SELECT * FROM runs('%') WHERE id = 'harmless';
SELECT workflow_id, why, error->>'sqlstate' AS state, error->>'detail' AS detail FROM wf_stuck ORDER BY 1;
SELECT count(wf_terminate(f)) FROM unnest('{climbs,climbs_body}'::text[]) f;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP EXTENSION durable CASCADE;
DROP SCHEMA test CASCADE;
DROP ROLE regress_victim, regress_mallory;
