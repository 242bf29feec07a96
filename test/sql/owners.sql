-- Runs change hands: their code, mail, timers and activities are the new owner's.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
GRANT USAGE ON SCHEMA test TO PUBLIC;
CREATE ROLE owner_ann LOGIN;
CREATE ROLE owner_bob;
CREATE ROLE owner_both IN ROLE owner_ann, owner_bob;
CREATE SCHEMA owners_app;
GRANT USAGE ON SCHEMA owners_app TO PUBLIC;
CREATE FUNCTION owners_app.who() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE FUNCTION owners_app.flow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  h wf_handle := wf_start_activity('owners_app.who', mode => 'queued', task_queue => 'later');
  x wf_handle := wf_start_activity('away', task_queue => 'away');
  first jsonb := wf_activity('owners_app.who');
BEGIN
  PERFORM wf_set('first', first);
  PERFORM wf_sleep('1 hour');
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_array(first, wf_await(h), wf_await(x), wf_activity('owners_app.who'));
END $$;
SET SESSION AUTHORIZATION owner_ann;
SELECT wf_start('owners_app.flow', id => 'given') IS NOT NULL AS started;
SELECT wf_start('owners_app.flow', id => 'kept') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_signal('given', 'go');
-- only who could become both roles may give it away
\set VERBOSITY sqlstate
SELECT wf_change_owner('given', 'owner_bob');
\set VERBOSITY default
SET SESSION AUTHORIZATION owner_bob;
SELECT wf_change_owner('given', 'owner_bob');
SET SESSION AUTHORIZATION owner_both;
\set VERBOSITY sqlstate
SELECT wf_change_owner('given', 'postgres');
\set VERBOSITY default
SELECT wf_change_owner('given', 0);
SELECT fails($$SELECT wf_change_owner('given', NULL)$$);
SELECT wf_change_owner('none', 'owner_bob');
SELECT wf_change_owner('given', 'owner_ann');
SELECT wf_change_owner('given', 'owner_bob');
SELECT wf_change_owner('given', 'owner_bob');
-- the old owner has lost all of it
SET SESSION AUTHORIZATION owner_ann;
SELECT workflow_id FROM wf_executions ORDER BY 1;
SELECT count(*) FROM wf_events v WHERE NOT EXISTS (SELECT FROM wf_executions e WHERE e.run_id = v.run_id);
SELECT workflow_id, task_queue, owner FROM wf_activities ORDER BY 1, 2;
SELECT workflow_id, activity FROM wf_poll_activities('away', 10);
-- and the new one has it
SET SESSION AUTHORIZATION owner_bob;
SELECT workflow_id, owner, waiting_for FROM wf_executions ORDER BY 1;
SELECT wf_query('given', 'first');
SELECT workflow_id, task_queue, owner, state FROM wf_activities ORDER BY 1, 2;
SELECT workflow_id, activity, wf_complete_activity(task_token, '"away"') FROM wf_poll_activities('away', 10);
RESET SESSION AUTHORIZATION;
SET durable.clock_offset = 4000;
SET SESSION AUTHORIZATION owner_bob;
CALL wf_work();
SELECT wf_result('given', timeout => '0 s');
RESET SESSION AUTHORIZATION;
RESET durable.clock_offset;
-- its step is none that could give itself away
CREATE FUNCTION owners_app.flee() RETURNS boolean LANGUAGE sql AS $$ SELECT wf_change_owner('flees', 'owner_bob') $$;
CREATE FUNCTION owners_app.flees() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('owners_app.flee'); END $$;
SELECT wf_start('owners_app.flees', id => 'flees') IS NOT NULL AS started;
CALL wf_work();
SELECT status, error->'cause'->>'message' AS message FROM wf_executions WHERE workflow_id = 'flees';
-- a closed one
SELECT wf_change_owner('given', 'owner_ann');
SELECT owner, status FROM wf_executions WHERE workflow_id = 'given';
SELECT wf_change_owner('given', 'owner_bob');
-- a role that is gone: its runs are a superuser's to give
CREATE ROLE owner_gone LOGIN;
SET SESSION AUTHORIZATION owner_gone;
SELECT wf_start('owners_app.flow', id => 'orphan') IS NOT NULL AS started;
RESET SESSION AUTHORIZATION;
DROP ROLE owner_gone;
SET SESSION AUTHORIZATION owner_both;
\set VERBOSITY terse
SELECT wf_change_owner('orphan', 'owner_both');
\set VERBOSITY default
RESET SESSION AUTHORIZATION;
SELECT wf_change_owner('orphan', 'owner_bob');
SELECT owner FROM wf_executions WHERE workflow_id = 'orphan';
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions;
DROP SCHEMA owners_app CASCADE;
DROP ROLE owner_both, owner_ann, owner_bob;
