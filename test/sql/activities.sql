-- wf_activity: inline steps, their failures, retries and timeouts.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE done (what text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES (what);
  RETURN 'did ' || what;
END $$;
CREATE FUNCTION act_fail(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES (what);
  RAISE EXCEPTION 'cannot do %', what USING ERRCODE = 'AB123', DETAIL = 'because', HINT = 'do not';
END $$;

-- Five steps in a row: each ran once, all in one turn.
CREATE FUNCTION five() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  FOR i IN 1..5 LOOP r := r || wf_activity('act', jsonb_build_object('what', i)); END LOOP;
  RETURN r;
END $$;
SELECT wf_start('five', id => 'five') \gset
CALL wf_work();
SELECT wf_result('five');
SELECT what, count(*), count(DISTINCT xmin::text) FROM done GROUP BY what ORDER BY what;
SELECT count(*) AS history_rows FROM durable.history h JOIN wf_executions e USING (run_id) WHERE workflow_id = 'five';
SELECT * FROM events('five');

-- A failure is WF001 in the workflow: its message, and all about it in the detail.
TRUNCATE done;
CREATE FUNCTION catches() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text;
BEGIN
  PERFORM wf_activity('act_fail', '{"what": "it"}');
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN jsonb_build_object('state', state, 'message', message, 'detail', detail::jsonb - 'context',
    'then', wf_activity('act', '{"what": "instead"}'));
END $$;
SELECT wf_start('catches', id => 'catches') \gset
CALL wf_work();
SELECT jsonb_pretty(wf_result('catches'));
-- What the failed step did is undone; what came after it is there.
SELECT * FROM done;
SELECT * FROM events('catches');
-- Not caught, it fails the workflow; so does RAISE in a handler.
CREATE FUNCTION does_not() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_activity('act_fail', '{"what": "it"}'); END $$;
CREATE FUNCTION reraises() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act_fail', '{"what": "it"}');
EXCEPTION WHEN OTHERS THEN
  PERFORM wf_activity('act', '{"what": "undo"}');
  RAISE;
END $$;
SELECT wf_start('does_not', id => 'f1') \gset
SELECT wf_start('reraises', id => 'f2') \gset
CALL wf_work();
SELECT * FROM runs('f_');
SELECT error->>'sqlstate' AS state, (error->>'detail')::jsonb->>'sqlstate' AS cause FROM wf_executions WHERE workflow_id = 'f1';
SELECT * FROM done;

-- Without a policy an ordinary error is final; with one the activity is tried again, by the clock.
TRUNCATE done;
CREATE SEQUENCE tries;
CREATE FUNCTION third_time() RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int = nextval('tries');
BEGIN
  INSERT INTO done VALUES ('try ' || n);
  IF n < 3 THEN RAISE EXCEPTION 'not yet, %', n; END IF;
  RETURN 'at last';
END $$;
CREATE FUNCTION retrying(policy jsonb, unused int DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('third_time', retry => policy, summary => 'three times', activity_id => 'third'); END $$;
SELECT wf_start('retrying', jsonb_build_object('policy', wf_retry(initial_interval => '1 min', backoff => 10)), id => 'retry') \gset
CALL wf_work();
SELECT * FROM runs('retry');
SELECT a->>'activity' AS activity, a->>'attempt' AS attempt, a->'last_failure'->>'message' AS last_failure,
  (a->>'next_attempt_at')::timestamptz - (a->>'scheduled_at')::timestamptz BETWEEN '59 s' AND '61 s' AS in_a_minute
FROM jsonb_array_elements(wf_describe('retry')->'pending_activities') a;
SELECT kind FROM wf_timers WHERE workflow_id = 'retry';
-- Not before its time
CALL wf_work();
SELECT last_value FROM tries;
SET durable.clock_offset = '2min';
CALL wf_work();
-- The second wait is ten times as long.
SET durable.clock_offset = '10min';
CALL wf_work();
SELECT last_value FROM tries;
SELECT wf_describe('retry')->'pending_activities'->0->'attempt' AS attempt;
SET durable.clock_offset = '13min';
CALL wf_work();
SELECT * FROM runs('retry');
SELECT * FROM done;
SELECT * FROM events('retry');
SELECT count(*) AS pending FROM durable.activity;
RESET durable.clock_offset;

-- max_attempts: the last failure says which attempt it was.
SELECT setval('tries', 1, false) \gset
SELECT wf_start('retrying', jsonb_build_object('policy', wf_retry(max_attempts => 2)), id => 'two') \gset
CALL wf_work();
SET durable.clock_offset = '10s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('two');
SELECT * FROM events('two');
SELECT count(*) AS pending FROM durable.activity;
-- One attempt is no retry.
SELECT setval('tries', 1, false) \gset
SELECT wf_start('retrying', jsonb_build_object('policy', wf_retry(max_attempts => 1)), id => 'one') \gset
CALL wf_work();
SELECT * FROM runs('one');
-- non_retryable, by SQLSTATE
SELECT setval('tries', 1, false) \gset
SELECT wf_start('retrying', jsonb_build_object('policy', wf_retry(non_retryable => '{XX000,P0001}')), id => 'not') \gset
CALL wf_work();
SELECT * FROM runs('not');
-- max_interval caps the wait.
SELECT setval('tries', 1, false) \gset
SELECT wf_start('retrying', jsonb_build_object('policy', wf_retry(backoff => 1000, max_interval => '5 s')), id => 'cap') \gset
CALL wf_work();
SET durable.clock_offset = '3s';
CALL wf_work();
SET durable.clock_offset = '10s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('cap');

-- What may pass by itself (here a serialization failure) is retried without a policy.
SELECT setval('tries', 1, false) \gset
CREATE FUNCTION may_pass() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') < 2 THEN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END IF;
  RETURN 'passed';
END $$;
CREATE FUNCTION passing() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('may_pass'); END $$;
SELECT wf_start('passing', id => 'pass') \gset
CALL wf_work();
SET durable.clock_offset = '5s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('pass');

-- start_to_close ends an attempt: WF002, and the detail says which timeout.
TRUNCATE done;
CREATE FUNCTION slow() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('slow');
  PERFORM pg_sleep(1);
EXCEPTION WHEN OTHERS THEN
  INSERT INTO done VALUES ('caught');
END $$;
CREATE FUNCTION impatient() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
  PERFORM wf_activity('slow', start_to_close => '100ms', retry => wf_retry(max_attempts => 1));
EXCEPTION WHEN SQLSTATE 'WF002' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN jsonb_build_object('message', SQLERRM, 'detail', detail::jsonb);
END $$;
SELECT wf_start('impatient', id => 'impatient') \gset
CALL wf_work();
SELECT wf_result('impatient');
SELECT * FROM done;
SELECT * FROM events('impatient');
-- With a policy the timeout is retried.
CREATE FUNCTION impatient2() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('slow', start_to_close => '50ms', retry => wf_retry(max_attempts => 2)); END $$;
SELECT wf_start('impatient2', id => 'impatient2') \gset
CALL wf_work();
SELECT * FROM runs('impatient2');
SET durable.clock_offset = '5s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('impatient2');
-- schedule_to_close bounds an attempt too,
CREATE FUNCTION bounded() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('slow', schedule_to_close => '100ms'); END $$;
SELECT wf_start('bounded', id => 'bounded') \gset
CALL wf_work();
SELECT status, error->>'sqlstate' AS state, error->>'message' AS message FROM wf_executions WHERE workflow_id = 'bounded';
-- and all attempts together: there is none after it.
SELECT setval('tries', 1, false) \gset
CREATE FUNCTION bounded2() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('third_time', schedule_to_close => '10s', retry => wf_retry(initial_interval => '6s', backoff => 1)); END $$;
SELECT wf_start('bounded2', id => 'bounded2') \gset
CALL wf_work();
SET durable.clock_offset = '7s';
CALL wf_work();
SET durable.clock_offset = '30s';
CALL wf_work();
RESET durable.clock_offset;
SELECT last_value AS attempts FROM tries;
SELECT status, error->>'sqlstate' AS state, error->>'message' AS message FROM wf_executions WHERE workflow_id = 'bounded2';

-- A missing or ambiguous activity fails like any other: that is recorded, so creating it later does not change the past.
CREATE FUNCTION missing(f text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_activity(f); RETURN 'ran'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM; END $$;
CREATE FUNCTION act_two(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION act_two(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT wf_start('missing', '{"f": "no_such_activity"}', id => 'missing') \gset
SELECT wf_start('missing', '{"f": "act_two"}', id => 'missing2') \gset
CALL wf_work();
SELECT * FROM runs('missing%');
SELECT * FROM events('missing');

-- An activity may start, signal and look at other workflows, in the step's own transaction.
CREATE FUNCTION child(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN n || (wf_wait_signal('go')#>>'{}'); END $$;
CREATE FUNCTION start_child(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_start('child', jsonb_build_object('n', n), id => 'child-' || n);
  PERFORM wf_signal('child-' || n, 'go', '"!"');
  IF n = 2 THEN RAISE EXCEPTION 'and not'; END IF;
END $$;
CREATE FUNCTION parent() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('start_child', '{"n": 1}');
  PERFORM wf_activity('start_child', '{"n": 2}');
  RETURN 'not reached';
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  RETURN 'second failed';
END $$;
SELECT wf_start('parent', id => 'parent') \gset
CALL wf_work();
SELECT * FROM runs('parent');
SELECT * FROM runs('child%');

-- A deferred constraint that an activity violates is that activity's failure.
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION add_child(id int) RETURNS void LANGUAGE sql AS 'INSERT INTO children VALUES (id, id)';
CREATE FUNCTION add_both(id int) RETURNS void LANGUAGE sql AS 'INSERT INTO children VALUES (id, id); INSERT INTO parents VALUES (id)';
CREATE FUNCTION kin(good text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('act', '{"what": "before"}');
  PERFORM wf_activity(good, '{"id": 1}');
  PERFORM wf_activity('act', '{"what": "after"}');
  PERFORM wf_activity('add_child', '{"id": 2}');
  RETURN 'not reached';
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  RETURN SQLERRM;
END $$;
TRUNCATE done;
SELECT wf_start('kin', '{"good": "add_both"}', id => 'family') \gset
CALL wf_work();
SELECT * FROM runs('family');
SELECT event, attributes->'activity' AS activity, attributes#>'{failure,sqlstate}' AS sqlstate FROM events('family');
SELECT * FROM done;
SELECT * FROM children;
-- Beside other runs in the batch the others' work is kept.
TRUNCATE done, children, parents;
SELECT wf_start('kin', '{"good": "add_child"}', id => 'family2') \gset
SELECT wf_start('five', id => 'five2') \gset
CALL wf_work();
SELECT id, status, result FROM runs('f%2') WHERE id <> 'f2';
SELECT what, count(*) FROM done GROUP BY 1 ORDER BY 1;
SELECT * FROM wf_stuck;

-- A failed step's rollback may take longer than the watchdog's tick.
CREATE FUNCTION big_failure() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..100 LOOP EXECUTE format('CREATE TABLE big_%s (x text)', i); END LOOP;
  RAISE EXCEPTION 'all in vain';
END $$;
CREATE FUNCTION big() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_activity('big_failure', retry => '{"max_attempts": 1}'); END $$;
SELECT count(wf_start('big', id => 'big-' || n)) FROM generate_series(1, 5) n;
CALL wf_work();
SELECT * FROM runs('big%');
SELECT * FROM wf_stuck;
