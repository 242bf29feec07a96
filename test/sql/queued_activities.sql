-- Queued SQL activities: functions and procedures of the database, run in transactions of their own.
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
CREATE FUNCTION one(name text, input jsonb, options jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity(name, input, mode => 'queued', task_queue => options->>'task_queue', activity_id => options->>'id',
    retry => options->'retry', start_to_close => (options->>'start_to_close')::interval, heartbeat => (options->>'heartbeat')::interval);
END $$;

-- The turn only schedules it. Somebody else runs it: its effect and its completion are one commit.
SELECT wf_start('one', '{"name": "act", "input": {"what": "first"}}', id => 'first') \gset
CALL wf_work(max_turns => 1);
SELECT * FROM runs('first');
SELECT activity_id, activity, command, mode, task_queue, state, attempt, max_attempts, input, started_at, worker, last_failure,
  priority, fairness_key, fairness_weight, start_to_close, schedule_to_close, schedule_to_start, heartbeat_timeout FROM wf_activities;
SELECT count(*) AS done FROM done;
CALL wf_work();
SELECT * FROM runs('first');
SELECT * FROM done;
SELECT * FROM events('first');
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages;
SELECT activity_id, activity, attempt, outcome, started_at <= ended_at AS times, duration >= '0' AS duration, worker LIKE 'session %' AS worker, failure FROM wf_attempts;

-- Quick functions share transactions: effects and completions of many are one commit.
TRUNCATE done;
ALTER TABLE done ADD xid xid8 DEFAULT pg_current_xact_id();
SELECT count(wf_start('one', jsonb_build_object('name', 'act', 'input', jsonb_build_object('what', n)), id => 'many' || n)) FROM generate_series(1, 30) n;
CALL wf_work();
SELECT count(*), count(DISTINCT what), count(DISTINCT xid) < 10 AS few_transactions FROM done;
SELECT status, count(*), count(DISTINCT result) FROM wf_executions WHERE workflow_id LIKE 'many%' GROUP BY status;
ALTER TABLE done DROP xid;
-- When the effect is committed, the activity is gone and its run has been told: a trigger that fires at the commit sees it.
CREATE TABLE seen (activities bigint, messages bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen SELECT (SELECT count(*) FROM durable.activity), (SELECT count(*) FROM durable.message WHERE kind = 10); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look();
CREATE PROCEDURE act_commits(what text) LANGUAGE plpgsql AS $$ BEGIN COMMIT; INSERT INTO done VALUES (what); END $$;
SELECT wf_start('one', '{"name": "act", "input": {"what": "function"}}', id => 'at commit 1') \gset
CALL wf_work();
SELECT wf_start('one', '{"name": "act_commits", "input": {"what": "procedure"}}', id => 'at commit 2') \gset
CALL wf_work();
SELECT * FROM seen;
DROP TRIGGER look ON done;

-- Several queues: a queue is a name, no more; all of a role's are worked off.
TRUNCATE done;
SELECT wf_start('one', '{"name": "act", "input": {"what": "a"}, "options": {"task_queue": "qa"}}', id => 'qa') \gset
SELECT wf_start('one', '{"name": "act", "input": {"what": "b"}, "options": {"task_queue": "qb"}}', id => 'qb') \gset
SELECT wf_start('one', '{"name": "act", "input": {"what": "none"}}', id => 'qc') \gset
CALL wf_work(max_turns => 3);
SELECT task_queue, mode, depth, running, backoff, paused, limited, oldest IS NOT NULL AS oldest FROM wf_task_queues ORDER BY task_queue;
-- External workers do not get them.
SELECT count(*) FROM wf_poll_activities('qa');
CALL wf_work();
SELECT id, status, result FROM runs('q_');
SELECT * FROM done ORDER BY what;

-- What activity code can know of itself.
CREATE FUNCTION info() RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_activity_info() $$;
SELECT wf_start('one', '{"name": "info", "input": {}, "options": {"task_queue": "qi", "id": "who", "start_to_close": "30 s"}}', id => 'info') AS run \gset
CALL wf_work();
SELECT r - '{run_id,idempotency_key,scheduled_at,started_at,deadline}'::text[] AS info, r->>'run_id' = :'run' AS run_id, r->>'idempotency_key' = :'run' || '/1' AS key,
  (r->>'scheduled_at')::timestamptz <= (r->>'started_at')::timestamptz AS times, (r->>'deadline')::timestamptz - (r->>'started_at')::timestamptz AS deadline
FROM wf_result('info') r;
-- The same in a step of a turn.
CREATE FUNCTION inline() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('info', activity_id => 'me'); END $$;
SELECT wf_start('inline', id => 'inline') AS run \gset
CALL wf_work();
SELECT r - '{run_id,idempotency_key,scheduled_at,started_at}'::text[] AS info, r->>'idempotency_key' = :'run' || '/1' AS key FROM wf_result('inline') r;

-- What a failing function did is undone, in a batch and alone; the next attempt begins from what is there.
TRUNCATE done;
CREATE SEQUENCE tries;
CREATE FUNCTION third_time(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int = nextval('tries');
BEGIN
  INSERT INTO done VALUES (what || ' ' || n);
  IF n < 3 THEN RAISE EXCEPTION 'not yet, %', n USING ERRCODE = 'AB123', DETAIL = 'because', HINT = 'wait'; END IF;
  RETURN 'at last, attempt ' || (wf_activity_info()->>'attempt');
END $$;
SELECT wf_start('one', '{"name": "third_time", "input": {"what": "try"}}', id => 'third') \gset
CALL wf_work();
SELECT * FROM runs('third');
SELECT state, attempt, last_failure - 'context' AS last_failure, next_attempt_at > now() AS later FROM wf_activities;
SET durable.clock_offset = '2s';
CALL wf_work();
SET durable.clock_offset = '10s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('third');
SELECT * FROM done;
SELECT a.attempt, outcome, failure->>'message' AS message, failure->>'sqlstate' AS sqlstate FROM wf_attempts a JOIN wf_executions USING (run_id)
WHERE workflow_id = 'third' ORDER BY a.attempt;
-- The history has only the end of it.
SELECT event, attributes->>'attempt' AS attempt FROM events('third');

-- wf_fail: an error type of one's own, details, and no further attempt.
CREATE FUNCTION rejects() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('rejected');
  PERFORM wf_fail('InvalidOrder', 'no such article', '{"article": 7}', non_retryable => true);
  INSERT INTO done VALUES ('never');
END $$;
CREATE FUNCTION catches(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text;
BEGIN
  RETURN wf_activity(name, mode => 'queued');
EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN jsonb_build_object('state', state, 'message', message, 'detail', detail::jsonb - 'context');
END $$;
TRUNCATE done;
SELECT wf_start('catches', '{"name": "rejects"}', id => 'rejects') \gset
CALL wf_work();
SELECT jsonb_pretty(wf_result('rejects'));
SELECT * FROM done;
-- In an inline step it is the same.
CREATE FUNCTION catches_inline(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text;
BEGIN
  RETURN wf_activity(name);
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN jsonb_build_object('state', state, 'message', message, 'detail', detail::jsonb - 'context');
END $$;
SELECT wf_start('catches_inline', '{"name": "rejects"}', id => 'rejects inline') \gset
CALL wf_work();
SELECT wf_result('rejects inline');
-- Unknown function: the activity fails at once, without a policy that would try for ever.
SELECT wf_start('catches', '{"name": "nope"}', id => 'unknown') \gset
CALL wf_work();
SELECT wf_result('unknown');
SELECT * FROM events('unknown');
SELECT count(*) AS activities FROM durable.activity;

-- A function dropped between two attempts, or before the first, is a failure like others: somebody may mend it.
CREATE FUNCTION soon_gone() RETURNS text LANGUAGE sql AS $$ SELECT 'is back' $$;
SELECT wf_start('one', '{"name": "soon_gone", "input": {}}', id => 'gone') \gset
CALL wf_work(max_turns => 1);
DROP FUNCTION soon_gone();
CALL wf_work();
SELECT state, attempt, last_failure->>'message' AS message, last_failure->>'sqlstate' AS sqlstate FROM wf_activities;
CREATE FUNCTION soon_gone() RETURNS text LANGUAGE sql AS $$ SELECT 'is back' $$;
SET durable.clock_offset = '5s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('gone');

-- Results: void and NULL, JSON null, a row, a set; inputs and results over 16 kB.
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS $$ $$;
CREATE FUNCTION sqlnull() RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL::jsonb $$;
CREATE FUNCTION jsonnull() RETURNS jsonb LANGUAGE sql AS $$ SELECT 'null'::jsonb $$;
CREATE FUNCTION a_row(OUT a int, OUT b text) LANGUAGE sql AS $$ SELECT 1, 'x'::text $$;
CREATE FUNCTION a_set() RETURNS SETOF int LANGUAGE sql AS $$ SELECT generate_series(1, 3) $$;
CREATE FUNCTION large(t text) RETURNS text LANGUAGE sql AS $$ SELECT t || t $$;
CREATE FUNCTION all_results() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE x jsonb; r jsonb = '{}'; f text;
BEGIN
  FOREACH f IN ARRAY '{nothing,sqlnull,jsonnull,a_row,a_set}'::text[] LOOP
    x := wf_activity(f, mode => 'queued');
    r := r || jsonb_build_object(f, coalesce(x::text, 'SQL NULL'));
  END LOOP;
  x := wf_activity('large', jsonb_build_object('t', repeat('0123456789', 5000)), mode => 'queued');
  RETURN r || jsonb_build_object('large', length(x#>>'{}'), 'same', x#>>'{}' = repeat('0123456789', 10000));
END $$;
SELECT wf_start('all_results', id => 'results') \gset
CALL wf_work();
SELECT wf_result('results');
SELECT count(*) > 0 AS set_aside FROM durable.payload;

-- A procedure may COMMIT between chunks. wf_heartbeat() before a COMMIT is a checkpoint that is committed with the chunk.
CREATE TABLE source AS SELECT n FROM generate_series(1, 10) n;
CREATE TABLE copied (n int, attempt int, xid xid8 DEFAULT pg_current_xact_id());
CREATE TABLE fails_at (n int);
INSERT INTO fails_at VALUES (6), (9);
CREATE PROCEDURE copy_in_chunks(chunk int, INOUT total int DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
  at int = coalesce((wf_heartbeat_details()->>'at')::int, 0);
  copies int;
BEGIN
  LOOP
    INSERT INTO copied SELECT n, (wf_activity_info()->>'attempt')::int FROM source WHERE n > at AND n <= at + chunk;
    GET DIAGNOSTICS copies = ROW_COUNT;
    EXIT WHEN copies = 0;
    IF EXISTS (SELECT FROM fails_at WHERE n > at AND n <= at + chunk) THEN
      PERFORM wf_fail('ChunkFailed', format('chunk from %s', at + 1));
    END IF;
    at := at + chunk;
    PERFORM wf_heartbeat(jsonb_build_object('at', at));
    COMMIT;
  END LOOP;
  SELECT count(*) INTO total FROM copied;
END $$;
SELECT wf_start('one', '{"name": "copy_in_chunks", "input": {"chunk": 2}}', id => 'chunks') \gset
CALL wf_work();
-- It failed in the third chunk: the first two are there, and where it was.
SELECT state, attempt, heartbeat_details, last_failure - 'context' AS last_failure FROM wf_activities;
SELECT count(*), max(n), count(DISTINCT xid) AS transactions FROM copied;
DELETE FROM fails_at WHERE n = 6;
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT state, attempt, heartbeat_details, last_failure->>'message' AS last_failure FROM wf_activities;
DELETE FROM fails_at;
SET durable.clock_offset = '5s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('chunks');
-- Each row exactly once, each attempt where the one before it had committed.
SELECT attempt, array_agg(n ORDER BY n) AS copied, count(DISTINCT xid) AS transactions FROM copied GROUP BY attempt ORDER BY attempt;
SELECT a.attempt, outcome, failure->>'type' AS type, failure->>'message' AS message FROM wf_attempts a JOIN wf_executions USING (run_id)
WHERE workflow_id = 'chunks' ORDER BY a.attempt;
-- The last chunk and the completion are one commit: what fails at the very end leaves nothing of the last chunk.
CREATE PROCEDURE fails_at_end() LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('chunk 1');
  PERFORM wf_heartbeat('1');
  COMMIT;
  INSERT INTO done VALUES ('chunk 2');
  PERFORM wf_heartbeat('2');
  PERFORM 1/0;
END $$;
TRUNCATE done;
SELECT wf_start('catches', '{"name": "fails_at_end"}', id => 'at end') \gset
CALL wf_work();
SELECT * FROM done;
SELECT heartbeat_details, last_failure->>'message' AS message FROM wf_activities;
SELECT wf_terminate('at end');

-- Heartbeats need no more memory the more there are; what was asked for stays what it was.
CREATE FUNCTION beats() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  same boolean;
BEGIN
  FOR i IN 1..300 LOOP PERFORM wf_heartbeat(jsonb_build_object('beat', i, 'data', repeat('x', 10000))); END LOOP;
  SELECT d->'beat' = '300' AND wf_heartbeat('"next"') IS NOT NULL AND d->'beat' = '300' INTO same FROM (SELECT wf_heartbeat_details() AS d OFFSET 0) s;
  RETURN jsonb_build_array(same, wf_heartbeat_details(), (SELECT sum(total_bytes) < 1000000 FROM pg_backend_memory_contexts WHERE name LIKE 'durable%'));
END $$;
SELECT wf_start('one', '{"name": "beats", "input": {}}', id => 'beats') \gset
CALL wf_work();
SELECT result FROM runs('beats');

-- ROLLBACK in a procedure takes the heartbeat with it, and what it did.
CREATE PROCEDURE rolls_back(INOUT seen jsonb DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('kept');
  PERFORM wf_heartbeat('"kept"');
  COMMIT;
  INSERT INTO done VALUES ('undone');
  PERFORM wf_heartbeat('"undone"');
  ROLLBACK;
  seen := (SELECT to_jsonb(heartbeat_details) FROM wf_activities);
END $$;
TRUNCATE done;
SELECT wf_start('one', '{"name": "rolls_back", "input": {}}', id => 'rollback') \gset
CALL wf_work();
SELECT wf_result('rollback');
SELECT * FROM done;
-- An exception block in a procedure: a subtransaction as ever, in which it cannot commit.
CREATE PROCEDURE commits_in_block() LANGUAGE plpgsql AS $$
BEGIN
  BEGIN COMMIT; EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION 'as ever: %', SQLERRM; END;
END $$;
SELECT wf_start('catches', '{"name": "commits_in_block"}', id => 'block') \gset
CALL wf_work();
SELECT last_failure->>'message' AS message, last_failure->>'sqlstate' AS sqlstate FROM wf_activities;
SELECT wf_terminate('block');
-- A procedure with a SET clause, or SECURITY DEFINER, cannot commit.
CREATE PROCEDURE with_set() LANGUAGE plpgsql SET work_mem = '1MB' AS $$ BEGIN COMMIT; END $$;
SELECT wf_start('one', jsonb_build_object('name', 'with_set', 'input', '{}'::jsonb, 'options', jsonb_build_object('retry', wf_retry(1))), id => 'with set') \gset
CALL wf_work();
SELECT status, error FROM runs('with set');
-- In an inline step no procedure can.
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
SELECT wf_start('catches_inline', '{"name": "commits"}', id => 'commit inline') \gset
CALL wf_work();
SELECT wf_result('commit inline')->>'message' AS message;

-- The settings of the caller of wf_start hold in the activity, in all transactions of a procedure, and not in the session after it.
CREATE SCHEMA other;
CREATE TABLE other.here (x int);
CREATE PROCEDURE settings(INOUT seen jsonb DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  seen := jsonb_build_array(current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle'), to_regclass('here') IS NOT NULL);
  COMMIT;
  seen := seen || jsonb_build_array(current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle'), to_regclass('here') IS NOT NULL);
  ROLLBACK;
  seen := seen || jsonb_build_array(current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle'), to_regclass('here') IS NOT NULL);
END $$;
SET search_path = test, other, public;
SET timezone = 'Asia/Tokyo';
SET datestyle = 'German';
SELECT wf_start('one', '{"name": "settings", "input": {}}', id => 'settings') \gset
CREATE FUNCTION settings_f() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_array(current_setting('search_path'), current_setting('TimeZone')) $$;
SELECT wf_start('one', '{"name": "settings_f", "input": {}}', id => 'settings_f') \gset
SET search_path = test, public;
RESET timezone;
RESET datestyle;
CALL wf_work();
SELECT wf_result('settings'), wf_result('settings_f');
SELECT current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle');
-- What an activity sets itself is gone after it.
CREATE PROCEDURE sets() LANGUAGE plpgsql AS $$ BEGIN SET search_path = pg_catalog; COMMIT; SET timezone = 'Asia/Tokyo'; END $$;
SELECT wf_start('one', '{"name": "sets", "input": {}}', id => 'sets') \gset
CALL wf_work();
SELECT current_setting('search_path'), current_setting('TimeZone');
SELECT status FROM runs('sets');

-- Calls of workflow code and of clients in activity code: the former are refused, the latter are what they are anywhere.
CREATE FUNCTION starts() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start('nothing', id => 'by activity'); RETURN to_jsonb(fails($f$SELECT wf_sleep('1 s')$f$)); END $$;
TRUNCATE done;
SELECT wf_start('one', '{"name": "starts", "input": {}}', id => 'starts') \gset
CALL wf_work();
SELECT wf_result('starts'), (SELECT status FROM runs('by activity'));
-- After an activity, or its failure, the session is not in one.
SELECT fails('SELECT wf_heartbeat()'), fails('SELECT wf_activity_info()'), fails('SELECT wf_heartbeat_details()'), fails('SELECT wf_activity_cancelled()'), fails($$SELECT wf_fail('t', 'm')$$);

-- start_to_close ends a running function, and a running procedure between its chunks.
CREATE FUNCTION slow() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES ('slow'); PERFORM pg_sleep(30); END $$;
CREATE PROCEDURE slow_chunks() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES ('chunk'); COMMIT; INSERT INTO done VALUES ('slow chunk'); PERFORM pg_sleep(30); END $$;
TRUNCATE done;
SELECT wf_start('one', jsonb_build_object('name', 'slow', 'input', '{}'::jsonb, 'options', jsonb_build_object('start_to_close', '50 ms', 'retry', wf_retry(1))), id => 'slow 1') \gset
SELECT wf_start('one', jsonb_build_object('name', 'slow_chunks', 'input', '{}'::jsonb, 'options', jsonb_build_object('start_to_close', '50 ms', 'retry', wf_retry(1))), id => 'slow 2') \gset
CALL wf_work();
SELECT workflow_id, status, error->>'sqlstate' AS sqlstate, error->>'message' AS message, (error->'cause') - 'context' AS cause FROM wf_executions WHERE workflow_id LIKE 'slow%' ORDER BY 1;
SELECT * FROM done;
SELECT status FROM runs('slow%');

-- A cancel of the session that runs an activity is an error of that session, and a failed attempt.
SET statement_timeout = '100ms';
SELECT wf_start('one', '{"name": "slow", "input": {}}', id => 'interrupted') \gset
CALL wf_work();
SET statement_timeout = '30s';
SELECT state, attempt, last_failure->>'sqlstate' AS sqlstate FROM wf_activities;
SELECT wf_terminate('interrupted');
SELECT count(*) AS activities FROM durable.activity;

-- Deferred constraints: a violation at the commit is the activity's failure, not that of others that share its transaction.
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION add_child(id int) RETURNS void LANGUAGE sql AS $$ INSERT INTO child VALUES (id) $$;
INSERT INTO parent VALUES (1), (2), (3);
SELECT count(wf_start('one', jsonb_build_object('name', 'add_child', 'input', jsonb_build_object('id', n), 'options', jsonb_build_object('retry', wf_retry(1))), id => 'child' || n)) FROM generate_series(1, 4) n;
CALL wf_work();
SELECT id, status, error FROM runs('child%');
SELECT * FROM child ORDER BY id;

-- Roles: an activity runs as the role of its run, and needs EXECUTE by then.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ann, regress_bob;
RESET client_min_messages;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_bob LOGIN;
GRANT USAGE ON SCHEMA test TO PUBLIC;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT current_user || ' ' || session_user $$;
CREATE PROCEDURE who_commits(INOUT seen text DEFAULT NULL) LANGUAGE plpgsql AS $$ BEGIN seen := current_user; COMMIT; seen := seen || ' ' || current_user; END $$;
CREATE FUNCTION secret() RETURNS text LANGUAGE sql AS $$ SELECT 'secret' $$;
REVOKE EXECUTE ON FUNCTION secret() FROM PUBLIC;
SET SESSION AUTHORIZATION regress_ann;
SELECT wf_start('one', '{"name": "who", "input": {}}', id => 'ann 1') \gset
SELECT wf_start('one', '{"name": "who_commits", "input": {}}', id => 'ann 2') \gset
SELECT wf_start('one', jsonb_build_object('name', 'secret', 'input', '{}'::jsonb, 'options', jsonb_build_object('retry', wf_retry(1))), id => 'ann 3') \gset
CALL wf_work(max_turns => 3);
SELECT activity, owner, state FROM wf_activities ORDER BY activity;
-- Another role sees nothing of it, and does not run it.
SET SESSION AUTHORIZATION regress_bob;
SELECT (SELECT count(*) FROM wf_activities) AS activities, (SELECT count(*) FROM wf_attempts) AS attempts, (SELECT count(*) FROM wf_task_queues) AS queues;
CALL wf_work();
SELECT fails($$SELECT wf_pause_activity('ann 1')$$), fails($$SELECT wf_complete_activity_by_id('ann 1', '1')$$), fails('SELECT count(*) FROM durable.activity'), fails('SELECT count(*) FROM durable.attempt'),
  fails('SELECT count(*) FROM durable.task_queue');
-- Nor does a superuser.
RESET SESSION AUTHORIZATION;
CALL wf_work();
SELECT count(*) FROM wf_activities;
SET SESSION AUTHORIZATION regress_ann;
CALL wf_work();
SELECT id, status, result, error FROM runs('ann%');
RESET SESSION AUTHORIZATION;

-- Nothing is left but what was not asked for.
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
REVOKE ALL ON SCHEMA test FROM PUBLIC;
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions WHERE owner = 'regress_ann'::regrole;
SELECT count(*) AS attempts FROM durable.attempt WHERE owner = 'regress_ann'::regrole;
DROP ROLE regress_ann, regress_bob;
