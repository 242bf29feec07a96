-- wf_cancel: a request, raised as WF003 in the code at its next wait.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done VALUES (what) RETURNING 'did ' || what $$;

-- At a signal, at a timer, before the first turn: not caught, the run is cancelled.
CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "first"}');
  RETURN wf_wait_signal('go');
END $$;
CREATE FUNCTION sleeps() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 hour'); END $$;
SELECT wf_start('waits', id => 'c-signal') \gset
SELECT wf_start('sleeps', id => 'c-timer') \gset
CALL wf_work();
SELECT wf_start('waits', id => 'c-unborn') \gset
SELECT wf_cancel('c-signal', 'no longer wanted'), wf_cancel('c-timer'), wf_cancel('c-unborn', reason => 'too soon');
-- It is a request: the runs are open until their turns.
SELECT status FROM wf_executions WHERE workflow_id LIKE 'c-%';
CALL wf_work();
SELECT * FROM runs('c-%');
SELECT * FROM events('c-signal');
SELECT * FROM events('c-timer');
SELECT * FROM events('c-unborn');
SELECT count(*) AS timers FROM wf_timers;
SELECT * FROM done;
TRUNCATE done;

-- Caught, the code cleans up, and what it does then is the outcome.
CREATE FUNCTION tidy(then_what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('1 hour');
  RETURN 'slept';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  PERFORM wf_activity('act', '{"what": "clean up"}');
  PERFORM wf_sleep('1 min');
  PERFORM wf_activity('act', '{"what": "still there"}');
  IF then_what = 'raise' THEN RAISE; END IF;
  IF then_what = 'fail' THEN RAISE EXCEPTION 'on my own'; END IF;
  RETURN 'cancelled, and cleaned up: ' || SQLERRM;
END $$;
SELECT count(wf_start('tidy', jsonb_build_object('then_what', w), id => 't-' || w)) FROM unnest('{return,raise,fail}'::text[]) w;
CALL wf_work();
SELECT wf_cancel(id, 'stop') FROM runs('t-%');
CALL wf_work();
SELECT * FROM runs('t-%');
-- A second request changes nothing.
SELECT wf_cancel('t-return', 'again');
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('t-%');
SELECT what, count(*) FROM done GROUP BY 1 ORDER BY 1;
SELECT * FROM events('t-return');
TRUNCATE done;

-- Shielded, the wait goes on; the first wait after the shield is cancelled.
CREATE FUNCTION shielded() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  PERFORM wf_shield();
  r := wf_wait_signal('go')#>>'{}';
  PERFORM wf_activity('act', '{"what": "shielded"}');
  r := r || ' ' || wf_cancel_requested();
  PERFORM wf_shield(false);
  PERFORM wf_activity('act', '{"what": "not reached"}');
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN 'cancelled after ' || r;
END $$;
SELECT wf_start('shielded', id => 'shielded') \gset
CALL wf_work();
SELECT wf_cancel('shielded');
CALL wf_work();
SELECT * FROM runs('shielded');
SELECT wf_signal('shielded', 'go', '"signal"') \gset
CALL wf_work();
SELECT * FROM runs('shielded');
SELECT * FROM done;
TRUNCATE done;

-- wf_cancel_requested: code that asks instead of being told; it never waits again, so it completes.
CREATE FUNCTION asks() RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int = 0;
BEGIN
  PERFORM wf_shield(true);
  WHILE NOT wf_cancel_requested() LOOP
    n := n + 1;
    PERFORM wf_sleep('1 min');
  END LOOP;
  RETURN 'asked ' || n || ' times';
END $$;
SELECT wf_start('asks', id => 'asks') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT wf_cancel('asks');
CALL wf_work();
SELECT status FROM wf_executions WHERE workflow_id = 'asks';
SET durable.clock_offset = '4min';
CALL wf_work();
SELECT * FROM runs('asks');
RESET durable.clock_offset;

-- Code that does not wait any more does not notice. A cancel beside a signal: the first in order counts.
CREATE FUNCTION race() RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN 'got ' || (wf_wait_signal('go')#>>'{}'); EXCEPTION WHEN SQLSTATE 'WF003' THEN RETURN 'cancelled'; END $$;
SELECT wf_start('race', id => 'r-signal') \gset
SELECT wf_start('race', id => 'r-cancel') \gset
CALL wf_work();
SELECT wf_signal('r-signal', 'go', '1'), wf_cancel('r-signal') \gset
SELECT wf_cancel('r-cancel'), wf_signal('r-cancel', 'go', '1') \gset
CALL wf_work();
SELECT * FROM runs('r-%');

-- While an activity waits for its next attempt, the wait ends at once.
CREATE FUNCTION never() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;
CREATE FUNCTION hopes() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('never', retry => wf_retry(initial_interval => '1 hour'));
EXCEPTION
  WHEN SQLSTATE 'WF001' THEN RETURN 'failed';
  WHEN SQLSTATE 'WF003' THEN RETURN 'gave up';
END $$;
SELECT wf_start('hopes', id => 'hopes') \gset
CALL wf_work();
SELECT waiting_for FROM wf_executions WHERE workflow_id = 'hopes';
SELECT wf_cancel('hopes');
CALL wf_work();
SELECT * FROM runs('hopes');
SELECT * FROM events('hopes');
SELECT (SELECT count(*) FROM durable.activity) AS pending, (SELECT count(*) FROM wf_timers) AS timers;

-- During a start delay the run is not born yet: it is cancelled at its first wait, when the delay is over.
SELECT wf_start('waits', id => 'delayed', start_delay => '1 hour') \gset
SELECT wf_cancel('delayed', 'early');
CALL wf_work();
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('delayed');

-- A cancelled run is not retried by the workflow's policy.
SELECT wf_start('waits', id => 'once', retry => wf_retry()) \gset
CALL wf_work();
SELECT wf_cancel('once');
CALL wf_work();
SELECT * FROM runs('once');

-- WF003 that the code makes up is an ordinary failure.
CREATE FUNCTION makes_up() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fake' USING ERRCODE = 'WF003'; END $$;
SELECT wf_start('makes_up', id => 'fake') \gset
CALL wf_work();
SELECT * FROM runs('fake');

-- Closed: false. Unknown: WF005. Batches are SQL.
SELECT wf_cancel('once');
SELECT fails($$SELECT wf_cancel('nobody')$$);
SELECT count(wf_start('waits', id => 'batch-' || i)) FROM generate_series(1, 20) i;
SELECT count(*) FILTER (WHERE wf_cancel(workflow_id)) FROM wf_executions WHERE workflow_id LIKE 'batch-%';
CALL wf_work();
SELECT status, count(*) FROM wf_executions WHERE workflow_id LIKE 'batch-%' GROUP BY 1;
