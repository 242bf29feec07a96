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
