-- Task queues: priorities, order, fairness between keys, and limits.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- Many jobs whose input is their number, of a fairness key
CREATE FUNCTION backlog(queue text, key text, count int, weight float8 DEFAULT NULL, priority int DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
  SELECT start_jobs(concat_ws(' ', queue, key, priority, ''), count,
    jsonb_strip_nulls(jsonb_build_object('task_queue', queue, 'fairness_key', key, 'fairness_weight', weight, 'priority', priority)))
$$;
-- What workers got, in order
CREATE TABLE got (n serial, queue text, id text, key text, token text);
CREATE FUNCTION take(queue text, max int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
  WITH p AS (SELECT * FROM wf_poll_activities(queue, max, 'w')),
    i AS (INSERT INTO got (queue, id, key, token) SELECT take.queue, workflow_id, (SELECT fairness_key FROM durable.activity a WHERE a.run_id = p.run_id), task_token FROM p RETURNING 1)
  SELECT count(*) FROM i
$$;
-- Done with all of them
CREATE FUNCTION finish() RETURNS void LANGUAGE sql AS $$
  SELECT wf_complete_activities(array_agg(token), array_agg('1'::jsonb)) FROM got WHERE token IS NOT NULL HAVING count(*) > 0;
  UPDATE got SET token = NULL;
$$;
CREATE FUNCTION end_all() RETURNS bigint LANGUAGE sql AS $$ SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running' $$;

-- Order: 1 before 2 before 3, which is the default; within one as they came.
SELECT backlog('prio', NULL, 2, priority => 5), backlog('prio', NULL, 2), backlog('prio', NULL, 2, priority => 1), backlog('prio', NULL, 2, priority => 4), backlog('prio', NULL, 2, priority => 2) \gset
CALL wf_work();
SELECT take('prio', 3), take('prio', 3), take('prio'), take('prio', 10);
SELECT string_agg(id, ', ' ORDER BY n) AS got FROM got;
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;
-- Priority, key and weight come from the workflow where the activity has none.
SELECT wf_start('job', '{"task_queue": "inherit"}', id => 'inherit 1', priority => 4) \gset
SELECT wf_start('job', '{"task_queue": "inherit", "priority": 1}', id => 'inherit 2', priority => 4, fairness_key => 'k', fairness_weight => 2.5) \gset
SELECT wf_start('job', '{"task_queue": "inherit", "fairness_key": "own", "fairness_weight": 7}', id => 'inherit 3', fairness_key => 'k', fairness_weight => 2.5) \gset
CALL wf_work();
SELECT workflow_id, priority, fairness_key, fairness_weight FROM wf_activities ORDER BY 1;
SELECT take('inherit', 3) \gset
SELECT string_agg(id, ', ' ORDER BY n) AS got FROM got;
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;
-- First come, first served, over many polls; a task that comes back from a failed attempt is behind those that were there.
SELECT backlog('fifo', NULL, 200) \gset
CALL wf_work();
SELECT take('fifo', 50) \gset
SELECT wf_fail_activity(token, next_retry_delay => '0') FROM got WHERE n = 1 \g (tuples_only)
SELECT sum(take('fifo', n)) FROM unnest('{1,2,3,44,100}'::int[]) n;
SELECT count(*), bool_and(id = 'fifo ' || n) AS in_order FROM got WHERE n <= 200;
SELECT take('fifo', 10) \gset
SELECT id FROM got WHERE n > 200;
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;

-- Fairness: keys of weights 2 and 1 are served 2:1, at any prefix of more than 200 within 5 per cent.
SELECT backlog('fair', 'single', 300, 1), backlog('fair', 'double', 600, 2);
CALL wf_work();
SELECT sum(take('fair', 7)) FROM generate_series(1, 130);
CREATE VIEW ratio AS
  SELECT n, count(*) FILTER (WHERE key = 'double') OVER w::float8 / nullif(count(*) FILTER (WHERE key = 'single') OVER w, 0) AS ratio, count(*) OVER w AS served
  FROM got WINDOW w AS (ORDER BY n);
SELECT count(*) AS prefixes, min(ratio) >= 1.9 AS not_less, max(ratio) <= 2.1 AS not_more FROM ratio WHERE served > 200 AND served <= 900;
-- Within a key as they came
SELECT key, bool_and(rank = split_part(id, ' ', 3)::int) AS in_order FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY n) AS rank FROM got) g GROUP BY key ORDER BY key;
SELECT finish() \gset
TRUNCATE got RESTART IDENTITY;
-- So with the backlogs in the other order, and with three keys, one of which has the default weight.
SELECT backlog('fair3', 'd', 400, 2), backlog('fair3', 's', 200), backlog('fair3', 'h', 100, 0.5) \gset
CALL wf_work();
SELECT sum(take('fair3', 13)) FROM generate_series(1, 60);
SELECT min(d::float8 / s) >= 1.9 AND max(d::float8 / s) <= 2.1 AS double, min(s::float8 / h) >= 1.9 AND max(s::float8 / h) <= 2.1 AS half
FROM (SELECT n, count(*) FILTER (WHERE key = 'd') OVER w AS d, count(*) FILTER (WHERE key = 's') OVER w AS s, count(*) FILTER (WHERE key = 'h') OVER w AS h
  FROM got WINDOW w AS (ORDER BY n)) x WHERE n > 200;
SELECT finish() \gset
TRUNCATE got RESTART IDENTITY;

-- A noisy tenant with thousands of tasks does not delay another's: that comes next, though it came last.
SELECT backlog('noisy', 'noisy', 3000) \gset
CALL wf_work();
SELECT sum(take('noisy', 100)) FROM generate_series(1, 5);
SELECT backlog('noisy', 'quiet', 3) \gset
CALL wf_work();
SELECT sum(take('noisy', 10)) FROM generate_series(1, 2);
SELECT count(*) FILTER (WHERE n <= 505) > 0 AS first_within_5, count(*) AS within_20 FROM got WHERE key = 'quiet' AND n <= 520;
-- Tasks without a key are one tenant more.
SELECT backlog('noisy', NULL, 3) \gset
CALL wf_work();
SELECT take('noisy', 20) \gset
SELECT count(*) FILTER (WHERE n <= 525) > 0 AS first_within_5, count(*) AS within_20 FROM got WHERE key IS NULL;
-- A key that was idle is not owed anything for that time.
SELECT backlog('noisy', 'idle', 500) \gset
CALL wf_work();
SELECT take('noisy', 100) \gset
SELECT count(*) FILTER (WHERE key = 'idle') BETWEEN 45 AND 55 AS half FROM got WHERE n > 540;
SELECT finish() \gset
SELECT end_all() AS ended \gset
CALL wf_work();
TRUNCATE got RESTART IDENTITY;

-- wf_set_task_queue: weights of keys that override those of the activities. They hold for tasks that come after.
SELECT wf_set_task_queue('weights', fairness_weights => '{"a": 3}') \gset
SELECT backlog('weights', 'a', 300, 1), backlog('weights', 'b', 100, 1) \gset
CALL wf_work();
SELECT sum(take('weights', 20)) FROM generate_series(1, 20) \gset
SELECT count(*) FILTER (WHERE key = 'a') BETWEEN 147 AND 153 AS three_to_one FROM got WHERE n <= 200;
SELECT fairness_weights FROM wf_task_queues WHERE task_queue = 'weights';
SELECT finish() \gset
CALL wf_work();
TRUNCATE got RESTART IDENTITY;

-- max_concurrent: so many run at a time.
SELECT wf_set_task_queue('limit', max_concurrent => 2) \gset
SELECT backlog('limit', NULL, 6) \gset
CALL wf_work();
SELECT take('limit', 10), take('limit', 10);
SELECT mode, depth, running, backoff, paused, limited, max_concurrent, rate_limit FROM wf_task_queues WHERE task_queue = 'limit';
-- One ends by its completion: the next may start. One by a failure.
SELECT wf_complete_activity(token) FROM got WHERE n = 1 \g (tuples_only)
SELECT take('limit', 10), take('limit', 10);
SELECT wf_fail_activity(token, next_retry_delay => '1 hour') FROM got WHERE n = 2 \g (tuples_only)
SELECT take('limit', 10), take('limit', 10);
-- A completion that is rolled back frees nothing; nor does one that is not committed.
BEGIN;
SELECT wf_complete_activity(token) FROM got WHERE n = 3 \g (tuples_only)
SELECT take('limit', 10);
ROLLBACK;
SELECT take('limit', 10);
BEGIN;
SAVEPOINT s;
SELECT wf_complete_activity(token) FROM got WHERE n = 3 \g (tuples_only)
ROLLBACK TO s;
COMMIT;
SELECT take('limit', 10);
-- A poll that is rolled back gives its room back.
SELECT wf_complete_activity(token) FROM got WHERE n IN (3, 4) \g (tuples_only)
BEGIN;
SELECT take('limit', 10);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT take('limit', 10);
ROLLBACK TO s;
COMMIT;
SELECT take('limit', 10);
SELECT running, depth, backoff FROM wf_task_queues WHERE task_queue = 'limit';
-- Their runs are terminated: room again.
SELECT backlog('limit', 'more', 6) \gset
CALL wf_work();
SELECT take('limit', 10);
SELECT count(wf_terminate(id)) FROM got WHERE n IN (SELECT n FROM got ORDER BY n DESC LIMIT 2) AND id LIKE 'limit _';
SELECT take('limit', 10);
-- Timeouts
SET durable.clock_offset = '3601s';
CALL wf_work();
SELECT take('limit', 10);
RESET durable.clock_offset;
-- The limit is raised, lowered, lifted.
SELECT wf_set_task_queue('limit', max_concurrent => 3) \gset
SELECT take('limit', 10);
SELECT wf_set_task_queue('limit', max_concurrent => 1) \gset
SELECT take('limit', 10);
SELECT wf_set_task_queue('limit') \gset
SELECT take('limit', 10) > 0 AS rest;
SELECT rate_limit, per_key_rate_limit, max_concurrent, max_concurrent_per_key, fairness_weights, running = (SELECT count(*) FROM wf_activities WHERE state = 'started') AS running
FROM wf_task_queues WHERE task_queue = 'limit';
SELECT end_all() \gset
CALL wf_work();
TRUNCATE got RESTART IDENTITY;
-- A limit that comes while tasks run counts those.
SELECT backlog('late', NULL, 6) \gset
CALL wf_work();
SELECT take('late', 4);
SELECT wf_set_task_queue('late', max_concurrent => 3) \gset
SELECT take('late', 4);
SELECT wf_complete_activity(token) FROM got WHERE n <= 2 \g (tuples_only)
SELECT take('late', 4);
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;

-- max_concurrent_per_key: a task that meets its key's limit is put aside; those of other keys go by.
SELECT wf_set_task_queue('keys', max_concurrent_per_key => 2) \gset
SELECT backlog('keys', 'a', 5), backlog('keys', 'b', 3), backlog('keys', NULL, 3) \gset
CALL wf_work();
SELECT take('keys', 20), take('keys', 20);
-- Tasks without a key have no such limit.
SELECT key, count(*) FROM got GROUP BY key ORDER BY key;
SELECT state, count(*) FROM wf_activities GROUP BY 1 ORDER BY 1;
SELECT depth, running, limited, max_concurrent_per_key FROM wf_task_queues WHERE task_queue = 'keys';
-- One of a ends, and b's do.
SELECT wf_complete_activity(token) FROM got WHERE id = 'keys a 1' \g (tuples_only)
SELECT take('keys', 20), take('keys', 20);
SELECT wf_fail_activity(token, non_retryable => true) FROM got WHERE key = 'b' \g (tuples_only)
SELECT take('keys', 20), take('keys', 20);
SELECT string_agg(id, ', ' ORDER BY n) AS got FROM got WHERE n > 7;
SELECT depth, running, limited FROM wf_task_queues WHERE task_queue = 'keys';
-- A poll that is undone has not used the key's room.
SELECT wf_complete_activity(token) FROM got WHERE id = 'keys a 2' \g (tuples_only)
BEGIN;
SELECT take('keys', 20);
ROLLBACK;
SELECT take('keys', 20), take('keys', 20);
BEGIN;
SAVEPOINT s;
SELECT wf_complete_activity(token) FROM got WHERE id = 'keys a 3' \g (tuples_only)
ROLLBACK TO s;
COMMIT;
SELECT take('keys', 20);
SELECT state, count(*) FROM wf_activities WHERE fairness_key = 'a' GROUP BY 1 ORDER BY 1;
-- The limit is lifted: those put aside are there again.
SELECT wf_set_task_queue('keys') \gset
SELECT take('keys', 20);
SELECT state, count(*) FROM wf_activities GROUP BY 1 ORDER BY 1;
SELECT end_all() \gset
CALL wf_work();
TRUNCATE got RESTART IDENTITY;
-- One that was put aside is cancelled, or its run terminated: it does not come back, and takes no room.
SELECT wf_set_task_queue('aside', max_concurrent_per_key => 1) \gset
SELECT backlog('aside', 'a', 4) \gset
CALL wf_work();
SELECT take('aside', 10);
SELECT workflow_id, state FROM wf_activities ORDER BY 1;
SELECT wf_terminate('aside a 2') AS terminated, wf_cancel('aside a 3') AS cancelled;
CALL wf_work();
SELECT wf_complete_activity(token) FROM got WHERE n = 1 \g (tuples_only)
SELECT take('aside', 10);
SELECT id FROM got ORDER BY n;
SELECT depth, running, limited FROM wf_task_queues WHERE task_queue = 'aside';
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;

-- rate_limit: tasks a second, by the clock of who polls; no more than a tenth of a second's come at once.
SELECT wf_set_task_queue('rate', rate_limit => 50) \gset
SELECT backlog('rate', NULL, 200) \gset
CALL wf_work();
SELECT take('rate', 100) <= 6 AS burst, take('rate', 100) <= 2 AS no_more;
-- A poll that is rolled back has used none.
SELECT wf_set_task_queue('undone', rate_limit => 0.001) \gset
SELECT backlog('undone', NULL, 2) \gset
CALL wf_work();
BEGIN;
SELECT take('undone');
ROLLBACK;
SELECT take('undone'), take('undone');
-- Raised: nobody waits for what was the limit before.
SELECT wf_set_task_queue('undone', rate_limit => 1000000) \gset
SELECT take('undone');
-- A slow one: the first at once, the next one after its time, however long the queue was idle.
SELECT wf_set_task_queue('slow', rate_limit => 0.1) \gset
SELECT backlog('slow', NULL, 5) \gset
CALL wf_work();
SELECT take('slow', 10), take('slow', 10);
SET durable.clock_offset = '5s';
SELECT take('slow', 10);
SET durable.clock_offset = '11s';
SELECT take('slow', 10), take('slow', 10);
SET durable.clock_offset = '600s';
SELECT take('slow', 10), take('slow', 10);
-- So slow that the next one never comes: a poll waits its time and no longer.
SELECT wf_set_task_queue('never', rate_limit => 1e-308, per_key_rate_limit => 1e-308) \gset
SELECT backlog('never', 'a', 2), backlog('never', 'b', 2) \gset
CALL wf_work();
SELECT take('never', 10);
SELECT count(*) FROM wf_poll_activities('never', 10, wait => '20 ms');
SELECT wf_set_task_queue('never', per_key_rate_limit => 1e-308) \gset
SELECT take('never', 10), take('never', 10);
SELECT count(*) FROM wf_poll_activities('never', 10, wait => '20 ms');
SELECT depth, limited FROM wf_task_queues WHERE task_queue = 'never';
-- Lifted
RESET durable.clock_offset;
SELECT wf_set_task_queue('slow'), wf_set_task_queue('never') \gset
SELECT take('never', 10);
SELECT take('slow', 10);
SELECT end_all() \gset
CALL wf_work();
TRUNCATE got RESTART IDENTITY;

-- per_key_rate_limit: tasks a second of one key, times its weight. Others are not held up.
SELECT wf_set_task_queue('key rate', per_key_rate_limit => 0.1) \gset
SELECT backlog('key rate', 'a', 3), backlog('key rate', 'b', 3), backlog('key rate', 'double', 4, 2), backlog('key rate', NULL, 2) \gset
CALL wf_work();
SELECT take('key rate', 20), take('key rate', 20);
SELECT string_agg(id, ', ' ORDER BY id COLLATE "C") AS got FROM got;
SELECT depth, limited FROM wf_task_queues WHERE task_queue = 'key rate';
SET durable.clock_offset = '6s';
SELECT take('key rate', 20), take('key rate', 20);
SET durable.clock_offset = '12s';
SELECT take('key rate', 20), take('key rate', 20);
SELECT string_agg(id, ', ' ORDER BY id COLLATE "C") AS got FROM got WHERE n > 5;
-- Raised: nobody waits for what was the limit before.
SELECT wf_set_task_queue('key rate', per_key_rate_limit => 1000) \gset
SELECT take('key rate', 20);
RESET durable.clock_offset;
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;
-- Lifted: the same.
SELECT wf_set_task_queue('lift', per_key_rate_limit => 0.001, max_concurrent_per_key => 1) \gset
SELECT backlog('lift', 'a', 3) \gset
CALL wf_work();
SELECT take('lift', 20), take('lift', 20);
SELECT wf_set_task_queue('lift', max_concurrent_per_key => 2) \gset
SELECT take('lift', 20), take('lift', 20);
SELECT wf_set_task_queue('lift') \gset
SELECT take('lift', 20), take('lift', 20);
SELECT end_all() \gset
TRUNCATE got RESTART IDENTITY;

-- Limits of queued SQL activities: the default queue of a role has no name.
CREATE FUNCTION act(n int) RETURNS int LANGUAGE sql AS $$ SELECT n $$;
SELECT wf_set_task_queue(NULL, mode => 'queued', rate_limit => 0.1) \gset
SELECT start_jobs('sql ', 3, '{"name": "act", "mode": "queued"}') \gset
CALL wf_work();
SELECT id, status FROM runs('sql%');
SELECT task_queue, mode, depth, rate_limit FROM wf_task_queues WHERE mode = 'queued';
SET durable.clock_offset = '11s';
CALL wf_work();
SELECT id, status FROM runs('sql%');
RESET durable.clock_offset;
SELECT wf_set_task_queue(NULL, mode => 'queued') \gset
CALL wf_work();
SELECT id, status FROM runs('sql%');
SELECT count(*) AS queues FROM wf_task_queues WHERE mode = 'queued';

-- wf_task_queues: what is there, and how long it waited.
SELECT backlog('look', NULL, 4) \gset
CALL wf_work();
SELECT namespace, task_queue, mode, owner = current_user::regrole AS owner, depth, oldest <= now() AS oldest, oldest_age >= '0' AS oldest_age, running, backoff, paused, limited,
  schedule_to_start_p50, schedule_to_start_p99, waiting_workers, claimed, notified FROM wf_task_queues WHERE task_queue = 'look';
SET durable.clock_offset = '100s';
SELECT take('look', 3) \gset
RESET durable.clock_offset;
SELECT wf_fail_activity(token, next_retry_delay => '1 hour') FROM got WHERE n = 1 \g (tuples_only)
SELECT wf_pause_activity(workflow_id) FROM wf_activities WHERE state = 'scheduled';
SELECT depth, oldest, running, backoff, paused, schedule_to_start_p50 BETWEEN '60 s' AND '160 s' AS p50, schedule_to_start_p99 BETWEEN '60 s' AND '160 s' AS p99, claimed
FROM wf_task_queues WHERE task_queue = 'look';
SELECT end_all() \gset

-- A poll for other activities leaves what was set aside to whoever wants it.
SELECT wf_set_task_queue('aside2', max_concurrent_per_key => 1) \gset
SELECT start_jobs('aside2', 2, '{"task_queue": "aside2", "fairness_key": "k"}') \gset
CALL wf_work();
SELECT task_token AS token FROM wf_poll_activities('aside2', 5) \gset
SELECT state, count(*) FROM wf_activities GROUP BY 1 ORDER BY 1;
SELECT wf_complete_activity(:'token') \gset
SELECT count(*) FROM wf_poll_activities('aside2', 5, activities => '{another}');
SELECT count(*) FROM wf_poll_activities('aside2', 5);
SELECT end_all() \gset

-- Roles: one sets limits of its own queues, or of those of roles whose member it is.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ann, regress_ops;
RESET client_min_messages;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_ops LOGIN IN ROLE regress_ann;
GRANT USAGE ON SCHEMA test TO PUBLIC;
SET SESSION AUTHORIZATION regress_ops;
SELECT wf_set_task_queue('anns', max_concurrent => 1, owner => 'regress_ann') \gset
SET SESSION AUTHORIZATION regress_ann;
SELECT task_queue, owner, max_concurrent FROM wf_task_queues WHERE task_queue = 'anns';
SELECT fails($$SELECT wf_set_task_queue('x', owner => 'regress_ops')$$);
SELECT start_jobs('ann', 2, '{"task_queue": "anns"}') \gset
CALL wf_work();
SELECT count(*) FROM wf_poll_activities('anns', 10);
SELECT wf_set_task_queue('anns') \gset
SELECT count(*) FROM wf_poll_activities('anns', 10);
RESET SESSION AUTHORIZATION;
SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions WHERE owner = 'regress_ann'::regrole;
REVOKE ALL ON SCHEMA test FROM PUBLIC;
DROP ROLE regress_ann, regress_ops;
-- A queue's id is a hash for which nobody finds another name.
SELECT durable.task_queue_id('default', 'mail', 10, true) =
  ('x' || left(encode(sha256(int4send(10) || int4send(3) || 'default'::bytea || '\x00'::bytea || 'mail'::bytea), 'hex'), 16))::bit(64)::bigint AS sha256;
-- It depends on the owner's oid, so where a dump was restored it is another one.
SELECT start_jobs('dumped', 2, '{"task_queue": "dumped"}'), wf_set_task_queue('dumped', max_concurrent => 1) \gset
CALL wf_work();
BEGIN;
UPDATE durable.identity SET system_identifier = 1;
UPDATE durable.activity SET queue = queue + 1;
UPDATE durable.task_queue SET queue = queue + 1;
SELECT wf_adopt();
COMMIT;
SELECT count(*) FROM wf_poll_activities('dumped', 10);
SELECT end_all() \gset
SELECT (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS messages;
-- Who LISTENs is counted, until he does not.
SELECT wf_set_task_queue('heard', max_concurrent => 9), wf_set_task_queue('other', max_concurrent => 9);
CREATE VIEW listening AS SELECT string_agg(task_queue || ' ' || waiting_workers, ', ' ORDER BY task_queue) FROM wf_task_queues WHERE task_queue IN ('heard', 'other');
SELECT wf_listen('heard');
SELECT pg_listening_channels() AS heard \gset
SELECT wf_listen('other');
-- what they are told at once, since nothing is known of new limits yet, is not of interest
\o /dev/null
SELECT pg_sleep(0.3);
\o
TABLE listening;
BEGIN;
UNLISTEN :heard;
ROLLBACK;
TABLE listening;
UNLISTEN :heard;
TABLE listening;
BEGIN;
UNLISTEN *;
SELECT wf_listen('heard');
COMMIT;
TABLE listening;
DISCARD ALL;
TABLE test.listening;
