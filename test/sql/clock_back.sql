-- The order of a workflow's runs, and of what its code sees, when the clock is set back.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION say(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION fails_now() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad'; END $$;
CREATE FUNCTION times() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  before timestamptz := wf_now();
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN wf_now() >= before;
END $$;
-- an hour ahead, and then back: for this session, and for others
SET durable.clock_offset = '1h';
SELECT wf_start('say', '{"n": 1}', id => 'x'), wf_start('fails_now', id => 'y'), wf_start('say', '{"n": 1}', id => 'z'), wf_start('times', id => 't') \gset
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_start('say', '{"n": 2}', id => 'x'), wf_start('say', '{"n": 2}', id => 'y'), wf_start('fails_now', id => 'z') \gset
CALL wf_work();
\c -
SET search_path = test, public;
SELECT wf_result('x'), wf_result('y');
SELECT wf_start('say', '{"n": 3}', id => 'x') \gset
SELECT wf_signal('t', 'go');
CALL wf_work();
SELECT wf_result('x'), wf_result('t');
-- on_closed goes by the last run
SELECT fails($$SELECT wf_start('say', '{"n": 3}', id => 'y', on_closed => 'allow_failed_only')$$);
SELECT wf_start('say', '{"n": 3}', id => 'z', on_closed => 'allow_failed_only') IS NOT NULL AS allowed;
-- A turn that fails after the clock went back, and a run that is to be tried again, are tried again soon, not when the old time comes again
CREATE FUNCTION fails_after() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); PERFORM now(); RETURN 1; END $$;
CREATE FUNCTION ends_after() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RAISE 'not yet'; END $$;
SET durable.clock_offset = '1h';
SELECT wf_start('fails_after', id => 'turn'), wf_start('ends_after', id => 'run', retry => wf_retry(2)) \gset
CALL wf_work();
RESET durable.clock_offset;
SELECT wf_signal('turn', 'go'), wf_signal('run', 'go') \gset
CALL wf_work();
SELECT workflow_id, kind, fire_at < now() + interval '1 min' AS soon FROM wf_timers WHERE workflow_id IN ('turn', 'run') ORDER BY 1;
-- The next attempt of a step: its timer has fired, and then the clock went back.  It is set again.
CREATE FUNCTION not_at_first() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF (wf_activity_info()->>'attempt')::int = 1 THEN RAISE 'not yet'; END IF; RETURN 7; END $$;
CREATE FUNCTION step_later() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('not_at_first', retry => wf_retry(initial_interval => '10 min')); END $$;
SET durable.clock_offset = '1h';
SELECT wf_start('step_later', id => 'step') \gset
CALL wf_work();
SELECT wf_pause('step');
SET durable.clock_offset = '71 min';
CALL wf_work();
SELECT kind FROM wf_timers WHERE workflow_id = 'step';
RESET durable.clock_offset;
SELECT wf_unpause('step');
CALL wf_work();
SELECT kind, fire_at > now() + interval '69 min' AS after_all FROM wf_timers WHERE workflow_id = 'step';
SET durable.clock_offset = '71 min';
CALL wf_work();
SELECT wf_result('step', timeout => '5 s');
RESET durable.clock_offset;
