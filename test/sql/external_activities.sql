-- Activities of external workers: poll, complete, fail, heartbeat, by token and by id.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- One task, from its schedule to its result.
SELECT start_job('j1', '{"name": "resize", "input": {"file": "a.png"}, "task_queue": "images", "summary": "a small one"}') AS run \gset
CALL wf_work();
SELECT * FROM runs('j1');
SELECT activity, activity_id, mode, task_queue, state, attempt, started_at, worker, start_to_close FROM wf_activities;
SELECT count(*) FROM wf_poll_activities('other');
CREATE TABLE polled AS SELECT * FROM wf_poll_activities('images', worker => 'worker 1');
SELECT length(task_token) AS token, activity, input, workflow_id, run_id = :'run' AS run_id, activity_id, attempt, heartbeat_details, scheduled_at <= now() AS scheduled_at,
  deadline - now() BETWEEN '59 min' AND '60 min' AS deadline, idempotency_key = :'run' || '/1' AS idempotency_key, heartbeat_timeout FROM polled;
SELECT state, attempt, started_at IS NOT NULL AS started, worker FROM wf_activities;
SELECT attempt, outcome, ended_at, worker FROM wf_attempts;
SELECT role = current_user::regrole AS role, name, task_queue, turns AS tasks, last_seen IS NOT NULL AS seen FROM wf_workers WHERE kind = 'external' AND name = 'worker 1';
-- It is his, and nobody else's.
SELECT count(*) FROM wf_poll_activities('images', 10);
SELECT wf_complete_activity(task_token, '{"size": 7}') FROM polled;
SELECT count(*) AS activities FROM wf_activities;
SELECT * FROM runs('j1');
CALL wf_work();
SELECT * FROM runs('j1');
SELECT * FROM events('j1');
SELECT activity, attempt, outcome, duration >= '0' AS duration, worker FROM wf_attempts;

-- Many, in and out in one statement: in the order in which they came.
SELECT start_jobs('m', 5) \gset
CALL wf_work();
SELECT workflow_id, input FROM wf_poll_activities('q', 3);
CREATE TABLE task AS SELECT * FROM wf_poll_activities('q', 1000);
SELECT workflow_id, input FROM task;
SELECT wf_complete_activities(array_agg(task_token ORDER BY workflow_id DESC), array_agg(input ORDER BY workflow_id DESC)) FROM task;
CALL wf_work();
SELECT id, status, result FROM runs('m_');
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- Only activities that the worker knows.
SELECT start_jobs('a', 2, '{"task_queue": "q", "name": "a"}'), start_jobs('b', 2, '{"task_queue": "q", "name": "b"}'), start_jobs('c', 1, '{"task_queue": "q", "name": "c"}') \gset
CALL wf_work();
SELECT workflow_id, activity FROM wf_poll_activities('q', 1, activities => '{b,c}');
SELECT workflow_id, activity FROM wf_poll_activities('q', 10, activities => '{b,nothing}');
SELECT count(*) FROM wf_poll_activities('q', 10, activities => '{}');
SELECT count(*) FROM wf_poll_activities('q', 10, activities => '{B}');
-- The others are there still.
SELECT workflow_id, activity FROM wf_poll_activities('q', 10, activities => NULL);
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- wait: an empty poll comes back when the time is over, one that finds something at once.
SELECT count(*) FROM wf_poll_activities('q', wait => '20 ms');
SELECT start_job('w') \gset
CALL wf_work();
SELECT workflow_id FROM wf_poll_activities('q', wait => '1 hour');
SELECT wf_terminate('w');

-- A token is good for one end. What comes after that is told so and changes nothing.
SELECT start_job('twice') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_complete_activity(:'t', '"first"');
SELECT replace(fails(format($$SELECT wf_complete_activity(%L, '"second"')$$, :'t')), :'t', '<token>');
SELECT replace(fails(format($$SELECT wf_fail_activity(%L)$$, :'t')), :'t', '<token>');
SELECT replace(fails(format($$SELECT wf_cancelled_activity(%L)$$, :'t')), :'t', '<token>');
SELECT replace(fails(format($$SELECT wf_heartbeat_activity(%L)$$, :'t')), :'t', '<token>');
CALL wf_work();
SELECT wf_result('twice');
-- All of a batch, or nothing: DETAIL says which ones are over.
SELECT start_jobs('batch', 3) \gset
CALL wf_work();
CREATE TEMP TABLE batch AS SELECT workflow_id AS id, task_token AS token FROM wf_poll_activities('q', 10);
SELECT wf_complete_activity(token, '"alone"') FROM batch WHERE id = 'batch2';
CREATE FUNCTION by_name(message text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE b record;
BEGIN
  FOR b IN SELECT * FROM batch LOOP message := replace(message, b.token, '<' || b.id || '>'); END LOOP;
  RETURN message;
END $$;
SELECT by_name(fails('SELECT wf_complete_activities(array_agg(token), array_agg(''1''::jsonb)) FROM batch'));
SELECT workflow_id, state FROM wf_activities ORDER BY 1;
-- Twice in one batch is once too much.
SELECT by_name(fails('SELECT wf_complete_activities(array_agg(token), array_agg(''1''::jsonb)) FROM (SELECT * FROM batch WHERE id = ''batch1'' UNION ALL SELECT * FROM batch WHERE id = ''batch1'') b'));
SELECT by_name(fails('SELECT wf_complete_activities(array_agg(token), array_agg(''1''::jsonb)) FROM (SELECT token FROM batch WHERE id = ''batch1'' UNION ALL SELECT ''x'') b'));
SELECT wf_complete_activities(array_agg(token), array_agg(to_jsonb('batch of ' || id))) FROM batch WHERE id <> 'batch2';
CALL wf_work();
SELECT id, status, result FROM runs('batch%');
-- What is rolled back did not happen.
SELECT start_job('undone') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
BEGIN;
SELECT wf_complete_activity(:'t', '"undone"');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT wf_complete_activity(:'t', '"undone, too"');
ROLLBACK TO s;
SELECT wf_complete_activity(:'t', '"done"');
COMMIT;
CALL wf_work();
SELECT wf_result('undone');

-- Failures: type, message, details; the workflow gets them when no attempt is left.
SELECT start_job('f1', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1), 'catch', true)) \gset
SELECT start_job('f2', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1), 'catch', true)) \gset
SELECT start_job('f3', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1))) \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, 'NoSuchFile', 'a.png is not there', '{"path": "/a.png"}') FROM wf_poll_activities('q', worker => 'worker 1');
SELECT wf_fail_activity(task_token) FROM wf_poll_activities('q');
SELECT wf_fail_activity(task_token, 'Odd', 'not caught', non_retryable => NULL) FROM wf_poll_activities('q');
CALL wf_work();
SELECT id, status, result, error FROM runs('f_');
SELECT e.workflow_id, a.attempt, outcome, a.failure, worker FROM wf_attempts a JOIN wf_executions e USING (run_id) WHERE workflow_id = 'f1';
SELECT error->>'sqlstate' AS sqlstate, error->>'type' AS type, error->'cause' AS cause FROM wf_executions WHERE workflow_id = 'f3';
-- A message longer than 4 kB is cut.
SELECT start_job('long', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1), 'catch', true)) \gset
CALL wf_work();
SELECT wf_fail_activity(task_token, 'Long', repeat('ä', 5000)) FROM wf_poll_activities('q');
CALL wf_work();
SELECT octet_length(wf_result('long')->>'message');

-- By id: who knows the workflow and the activity needs no token. The id is the one it was given, or its number.
SELECT start_job('by id 1', '{"task_queue": "q", "activity_id": "approve"}'), start_job('by id 2'), start_job('by id 3', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1))) \gset
CALL wf_work();
-- Only of one that runs.
SELECT fails($$SELECT wf_complete_activity_by_id('by id 1', 'approve')$$);
SELECT count(*) FROM wf_poll_activities('q', 3);
SELECT fails($$SELECT wf_complete_activity_by_id('by id 1', '1')$$), fails($$SELECT wf_complete_activity_by_id('by id 2', 'approve')$$);
SELECT * FROM wf_heartbeat_activity_by_id('by id 1', 'approve', '{"seen": true}');
SELECT heartbeat_details, heartbeat_at IS NOT NULL AS heartbeat_at FROM wf_activities WHERE activity_id = 'approve';
SELECT wf_complete_activity_by_id('by id 1', 'approve', '"yes"');
SELECT fails($$SELECT wf_complete_activity_by_id('by id 1', 'approve', '"no"')$$);
SELECT wf_complete_activity_by_id('by id 2', '1', run_id => run_id) FROM wf_executions WHERE workflow_id = 'by id 2';
SELECT wf_fail_activity_by_id('by id 3', '1', 'Rejected', 'no', '{"by": "ann"}', true);
SELECT fails($$SELECT wf_cancelled_activity_by_id('by id 3', '1')$$), fails($$SELECT wf_heartbeat_activity_by_id('by id 3', '1')$$);
CALL wf_work();
SELECT id, status, result, error FROM runs('by id _');

-- Results: SQL NULL, JSON null; inputs, results, failures and heartbeat details over 16 kB.
CREATE FUNCTION null_or_not() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN jsonb_build_array(wf_activity('a', task_queue => 'q') IS NULL, wf_activity('b', task_queue => 'q') IS NULL, wf_activity('c', task_queue => 'q') IS NULL); END $$;
SELECT wf_start('null_or_not', id => 'nulls') \gset
CALL wf_work();
SELECT wf_complete_activity(task_token, NULL) FROM wf_poll_activities('q');
CALL wf_work();
SELECT wf_complete_activity(task_token, 'null') FROM wf_poll_activities('q');
CALL wf_work();
SELECT wf_complete_activities(ARRAY[task_token], ARRAY[NULL]::jsonb[]) FROM wf_poll_activities('q');
CALL wf_work();
SELECT wf_result('nulls');
SELECT start_job('large', jsonb_build_object('task_queue', 'q', 'input', jsonb_build_object('text', repeat('0123456789', 2000)))) \gset
CALL wf_work();
SELECT count(*) AS set_aside, min(length(data->>'text')) AS length FROM durable.payload;
SELECT length(input->>'text') AS shown FROM wf_activities;
SELECT task_token AS t, length(input->>'text') AS polled FROM wf_poll_activities('q') \gset
SELECT wf_heartbeat_activity(:'t', to_jsonb(repeat('abc', 10000)));
SELECT length(heartbeat_details#>>'{}') FROM wf_activities;
SELECT wf_fail_activity(:'t', details => to_jsonb(repeat('x', 20000)), next_retry_delay => '0');
SELECT task_token AS t, length(input->>'text') AS again, length(heartbeat_details#>>'{}') AS details FROM wf_poll_activities('q') \gset
SELECT :polled AS polled, :again AS again, :details AS details;
SELECT wf_complete_activity(:'t', to_jsonb(repeat('9876543210', 3000)));
CALL wf_work();
SELECT length(wf_result('large')#>>'{}');
-- One that is too large is refused; the task is the worker's still.
SELECT start_job('too large') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SET durable.max_payload_size = '1kB';
SELECT fails(format($$SELECT wf_complete_activity(%L, to_jsonb(repeat('x', 4000)))$$, :'t'));
SELECT fails(format($$SELECT wf_heartbeat_activity(%L, to_jsonb(repeat('x', 4000)))$$, :'t'));
SELECT fails(format($$SELECT wf_fail_activity(%L, details => to_jsonb(repeat('x', 4000)))$$, :'t'));
RESET durable.max_payload_size;
SELECT wf_complete_activity(:'t', '"small"');
CALL wf_work();
SELECT wf_result('too large');

-- A poll that is rolled back has taken nothing; the attempt did not begin.
SELECT start_job('back') AS run \gset
CALL wf_work();
BEGIN;
SELECT workflow_id, attempt FROM wf_poll_activities('q');
ROLLBACK;
SELECT state, attempt FROM wf_activities;
-- So with a subtransaction, and with all of its tasks.
SELECT start_jobs('back', 3) \gset
CALL wf_work();
BEGIN;
SAVEPOINT s;
SELECT workflow_id FROM wf_poll_activities('q', 2);
ROLLBACK TO s;
SELECT state, count(*) FROM wf_activities GROUP BY 1;
COMMIT;
BEGIN;
SELECT workflow_id FROM wf_poll_activities('q', 1);
SAVEPOINT s;
SELECT workflow_id FROM wf_poll_activities('q', 2);
ROLLBACK TO s;
COMMIT;
DO $$
BEGIN
  PERFORM wf_poll_activities('q', 1);
  RAISE EXCEPTION 'undone';
EXCEPTION WHEN OTHERS THEN NULL;
END $$;
DO $$
BEGIN
  BEGIN
    PERFORM wf_poll_activities('q', 1);
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  RAISE EXCEPTION 'all undone';
END $$;
SELECT workflow_id, attempt FROM wf_poll_activities('q', 10);
SELECT count(*) FROM wf_poll_activities('q', 10);
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- Poll, work and completion in one transaction of the worker: exactly once for all that is in this database.
CREATE TABLE done (workflow_id text, n int);
SELECT start_jobs('tx', 3) \gset
CALL wf_work();
BEGIN;
WITH t AS (SELECT * FROM wf_poll_activities('q', 10)), d AS (INSERT INTO done SELECT workflow_id, (input->>'n')::int FROM t)
SELECT wf_complete_activities(array_agg(task_token), array_agg(input)) FROM t;
ROLLBACK;
SELECT (SELECT count(*) FROM done) AS done, (SELECT count(*) FROM wf_activities WHERE state = 'scheduled') AS scheduled;
BEGIN;
WITH t AS (SELECT * FROM wf_poll_activities('q', 10)), d AS (INSERT INTO done SELECT workflow_id, (input->>'n')::int FROM t)
SELECT wf_complete_activities(array_agg(task_token), array_agg(input)) FROM t;
COMMIT;
CALL wf_work();
SELECT * FROM done ORDER BY n;
SELECT id, status, result FROM runs('tx_');

-- The idempotency key is the same for all attempts, and for no other activity. Each attempt has a token of its own.
CREATE FUNCTION two_in_a_row() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('a', task_queue => 'q'); PERFORM wf_activity('a', task_queue => 'q'); END $$;
SELECT wf_start('two_in_a_row', id => 'keys') AS run \gset
CALL wf_work();
TRUNCATE polled;
INSERT INTO polled SELECT * FROM wf_poll_activities('q');
SELECT wf_fail_activity(task_token, next_retry_delay => '0') FROM polled;
INSERT INTO polled SELECT * FROM wf_poll_activities('q');
SELECT wf_complete_activity(task_token) FROM polled WHERE attempt = 2;
CALL wf_work();
INSERT INTO polled SELECT * FROM wf_poll_activities('q');
SELECT activity_id, attempt, replace(idempotency_key, :'run', '<run id>') AS idempotency_key FROM polled ORDER BY activity_id, attempt;
SELECT count(DISTINCT task_token) AS tokens FROM polled;
SELECT wf_terminate('keys');

-- At most once: with one attempt, a worker that is lost is not followed by another.
SELECT start_job('once', jsonb_build_object('task_queue', 'q', 'retry', wf_retry(1), 'start_to_close', '10 s', 'catch', true)) \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SET durable.clock_offset = '11s';
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q');
SELECT wf_result('once');
RESET durable.clock_offset;
SELECT replace(fails(format($$SELECT wf_complete_activity(%L)$$, :'t')), :'t', '<token>');

-- Deadlines: an attempt without any timeout gets durable.default_start_to_close.
SELECT start_job('d1'), start_job('d2', '{"task_queue": "q", "start_to_close": "5 min"}'), start_job('d3', '{"task_queue": "q", "schedule_to_close": "2 min"}'),
  start_job('d4', '{"task_queue": "q", "schedule_to_close": "2 min", "start_to_close": "1 min", "heartbeat": "10 min"}') \gset
CALL wf_work();
SET durable.default_start_to_close = 0;
SELECT start_job('d5') \gset
CALL wf_work();
RESET durable.default_start_to_close;
SELECT workflow_id, start_to_close, schedule_to_close, schedule_to_start, heartbeat_timeout FROM wf_activities ORDER BY 1;
SELECT workflow_id, date_trunc('minute', deadline - scheduled_at) AS deadline, heartbeat_timeout FROM wf_poll_activities('q', 10);
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- A namespace has queues of its own.
SELECT wf_start('job', '{"task_queue": "q"}', id => 'n1', namespace => 'ns') \gset
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('q');
SET durable.namespace = 'ns';
SELECT namespace, task_queue, depth FROM wf_task_queues WHERE depth > 0;
SELECT workflow_id FROM wf_poll_activities('q');
SELECT fails($$SELECT wf_complete_activity_by_id('n1', '1', namespace => 'default')$$);
SELECT wf_complete_activity_by_id('n1', '1', '"in ns"');
CALL wf_work();
SELECT wf_result('n1');
RESET durable.namespace;

-- Roles: a worker gets tasks of its own role and of those whose member it is, and no others.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ann, regress_bob, regress_worker;
RESET client_min_messages;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_bob LOGIN;
CREATE ROLE regress_worker LOGIN IN ROLE regress_ann;
GRANT USAGE ON SCHEMA test TO PUBLIC;
SET SESSION AUTHORIZATION regress_bob;
SELECT start_job('bob') \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_ann;
SELECT start_jobs('ann', 3) \gset
CALL wf_work();
SET SESSION AUTHORIZATION regress_bob;
SELECT workflow_id AS got, task_token AS bobs FROM wf_poll_activities('q', 10) \gset
SELECT :'got' AS got;
SET SESSION AUTHORIZATION regress_worker;
SELECT workflow_id AS got, task_token AS anns FROM wf_poll_activities('q', 1) \gset
SELECT :'got' AS got;
SELECT workflow_id FROM wf_poll_activities('q', 10);
SELECT workflow_id, owner FROM wf_activities ORDER BY workflow_id;
SELECT fails(format($$SELECT wf_%s_activity(%L)$$, c, :'bobs')) FROM unnest('{complete,fail,cancelled,heartbeat}'::text[]) c;
SELECT fails($$SELECT wf_complete_activity_by_id('bob', '1')$$);
-- A batch with one of another role: nothing of it.
SELECT fails(format($$SELECT wf_complete_activities(ARRAY[%L, %L], '{1,1}')$$, :'anns', :'bobs'));
SELECT wf_complete_activity(:'anns', '"by a member"');
SET SESSION AUTHORIZATION regress_bob;
SELECT replace(fails(format($$SELECT wf_complete_activity(%L)$$, :'anns')), :'anns', '<token>');
SELECT wf_complete_activity(:'bobs', '"by himself"');
CALL wf_work();
SET SESSION AUTHORIZATION regress_ann;
CALL wf_work();
RESET SESSION AUTHORIZATION;
SELECT owner, workflow_id, status, result FROM wf_executions WHERE workflow_id IN ('ann1', 'bob') ORDER BY 2;
REVOKE ALL ON SCHEMA test FROM PUBLIC;
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions WHERE owner IN ('regress_ann'::regrole, 'regress_bob'::regrole);
DROP ROLE regress_ann, regress_bob, regress_worker;

-- wf_listen
SELECT wf_listen('q');
SELECT count(*) FROM pg_listening_channels() c WHERE c LIKE 'wfq\_%';
UNLISTEN *;
-- None of these is for workflow code.
CREATE FUNCTION calls(call text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || call; END $$;
SELECT count(wf_start('calls', jsonb_build_object('call', c), id => 'calls ' || c)) FROM unnest(ARRAY[$$wf_poll_activities('q')$$, $$wf_complete_activity(repeat('a', 48))$$,
  $$wf_heartbeat_activity(repeat('a', 48))$$, $$wf_set_task_queue('q')$$, $$wf_pause_activity('x')$$, $$wf_listen('q')$$, $$wf_heartbeat()$$, $$wf_activity_info()$$]) c;
CALL wf_work();
SELECT workflow_id, status, error->>'sqlstate' AS sqlstate, error->>'message' AS message FROM wf_executions WHERE workflow_id LIKE 'calls%' ORDER BY workflow_id COLLATE "C";
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- In a read-only transaction nothing can be taken.
SELECT start_job('read only') \gset
CALL wf_work();
BEGIN READ ONLY;
SELECT fails($$SELECT wf_poll_activities('q')$$);
ROLLBACK;
-- At other isolation levels
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_complete_activity(:'t', '"serializable"');
COMMIT;
CALL wf_work();
SELECT wf_result('read only');
-- Prepared statements, as drivers use them
PREPARE poll(text, int) AS SELECT task_token AS t FROM wf_poll_activities($1, $2);
PREPARE complete(text, jsonb) AS SELECT wf_complete_activity($1, $2);
SELECT start_job('prepared') \gset
CALL wf_work();
EXECUTE poll('q', 1) \gset
EXECUTE complete(:'t', '1');
CALL wf_work();
SELECT wf_result('prepared');

-- A workflow that is deleted has no activities.
SELECT start_job('deleted') \gset
CALL wf_work();
SELECT task_token AS t FROM wf_poll_activities('q') \gset
SELECT wf_delete('deleted');
SELECT replace(fails(format($$SELECT wf_complete_activity(%L)$$, :'t')), :'t', '<token>');
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages, (SELECT count(*) FROM durable.timer) AS timers;
