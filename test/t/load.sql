-- A load of two dozen kinds of workflows with known totals, for tests 059 and 065:
-- what they are, what clients do with them, and what has come of it in the end.
-- All that belongs together has a tag. A client's procedure may be called again
-- until it has gone through.
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'other') THEN CREATE ROLE other LOGIN SUPERUSER; END IF;
END $$;

CREATE TABLE effect (id text, step text);
CREATE INDEX ON effect (id);
GRANT ALL ON effect TO PUBLIC;
CREATE FUNCTION leave(id text, step text) RETURNS text LANGUAGE sql AS 'INSERT INTO effect VALUES ($1, $2) RETURNING step';
-- fails at its first attempt, after an effect
CREATE FUNCTION flaky(id text, step text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (id, step);
	IF (wf_activity_info()->>'attempt')::int < 2 THEN RAISE EXCEPTION 'flaky'; END IF;
	RETURN step;
END $$;
CREATE PROCEDURE pieces(id text) LANGUAGE plpgsql AS $$
DECLARE
	n int := coalesce(wf_heartbeat_details()::int, 0);
BEGIN
	WHILE n < 3 LOOP
		n := n + 1;
		INSERT INTO effect VALUES (id, 'piece ' || n);
		PERFORM wf_heartbeat(to_jsonb(n));
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION mark(step text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('id', wf_info()->>'workflow_id', 'step', step) $$;

CREATE FUNCTION steps() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark('1'));
	PERFORM wf_set('at', '1');
	PERFORM wf_activity('leave', mark('2'));
	RETURN 2;
END $$;
CREATE FUNCTION nap() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark('1'));
	PERFORM wf_sleep('20 ms');
	PERFORM wf_activity('flaky', mark('2'), retry => wf_retry(initial_interval => '10 ms'));
	RETURN 2;
END $$;
CREATE FUNCTION ear() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	heard jsonb;
BEGIN
	PERFORM wf_activity('leave', mark('1'));
	heard := wf_wait_signal('go');
	PERFORM wf_activity('leave', mark('2'));
	RETURN heard;
END $$;
CREATE FUNCTION tasks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	h wf_handle[];
BEGIN
	h := h || wf_start_activity('leave', mark('1'), mode => 'queued');
	h := h || wf_start_activity('leave', mark('2'), mode => 'queued', fairness_key => 'k', heartbeat => '10 s');
	h := h || wf_start_activity('leave', mark('3'), mode => 'queued', fairness_key => 'k');
	h := h || wf_start_activity('flaky', mark('4'), mode => 'queued', retry => wf_retry(initial_interval => '10 ms'));
	h := h || wf_start_activity('pieces', jsonb_build_object('id', wf_info()->>'workflow_id'), mode => 'queued', heartbeat => '10 s',
		retry => wf_retry(initial_interval => '10 ms'));
	PERFORM wf_await_all(h);
	RETURN '5';
END $$;
CREATE FUNCTION outside() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	h wf_handle[];
BEGIN
	h := h || wf_start_activity('once', mark('1'), task_queue => 'stop_ext', start_to_close => '1 s', retry => wf_retry(initial_interval => '10 ms'));
	h := h || wf_start_activity('fails', mark('2'), task_queue => 'stop_ext', start_to_close => '1 s', retry => wf_retry(initial_interval => '10 ms'));
	h := h || wf_start_activity('beats', mark('3'), task_queue => 'stop_ext', start_to_close => '1 s', heartbeat => '1 s', retry => wf_retry(initial_interval => '10 ms'), fairness_key => 'k');
	h := h || wf_start_activity('once', mark('4'), task_queue => 'stop_ext', start_to_close => '1 s', retry => wf_retry(initial_interval => '10 ms'), fairness_key => 'k');
	h := h || wf_start_activity('once', mark('5'), task_queue => 'stop_ext', start_to_close => '1 s', retry => wf_retry(initial_interval => '10 ms'), fairness_key => 'k');
	PERFORM wf_await_all(h);
	RETURN '5';
END $$;
CREATE FUNCTION kid(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark(n::text));
	PERFORM wf_signal_external(wf_info()->>'parent_workflow_id', 'kid', to_jsonb(n));
	RETURN n;
END $$;
CREATE FUNCTION family() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	r jsonb[];
BEGIN
	r := wf_await_all(ARRAY[wf_start_child('kid', '{"n": 1}', id => (wf_info()->>'workflow_id') || '-1'),
		wf_start_child('kid', '{"n": 2}', id => (wf_info()->>'workflow_id') || '-2')]);
	PERFORM wf_wait_signal('kid'), wf_wait_signal('kid');
	RETURN to_jsonb(r[1]::int + r[2]::int);
END $$;
CREATE FUNCTION chain(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark(n::text));
	IF n < 3 THEN PERFORM wf_continue_as_new(jsonb_build_object('n', n + 1)); END IF;
	RETURN n;
END $$;
CREATE FUNCTION cart() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	u record;
	total int := 0;
BEGIN
	FOR i IN 1..2 LOOP
		SELECT * INTO u FROM wf_next_update();
		total := total + (u.args->>'n')::int;
		PERFORM wf_activity('leave', mark(u.update_id));
		PERFORM wf_reply(u.update_id, to_jsonb(total));
	END LOOP;
	RETURN total;
END $$;
CREATE FUNCTION saga() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_compensate('leave', mark('undo'));
	PERFORM wf_activity('leave', mark('do'));
	RAISE EXCEPTION 'no';
END $$;
CREATE FUNCTION again() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark('attempt ' || (wf_info()->>'attempt')));
	IF (wf_info()->>'attempt')::int < 2 THEN RAISE EXCEPTION 'again'; END IF;
	RETURN 2;
END $$;
-- is cancelled: with a task that nobody takes, and children of both policies
CREATE FUNCTION doomed(id text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	h wf_handle;
BEGIN
	PERFORM wf_start_child('never', '{}', id => id || '-t');
	PERFORM wf_start_child('never', '{}', id => id || '-c', parent_close_policy => 'cancel');
	h := wf_start_child('never', '{}', id => id || '-w');
	RETURN wf_activity('nobody', '{}', task_queue => 'stop_nobody');
END $$;
CREATE FUNCTION never() RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_wait_signal('never') $$;
CREATE FUNCTION text1() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('leave', mark('1'));
	PERFORM wf_wait_signal('go');
	RETURN 'text';
END $$;

-- may be repeated: a request id stands for one start
CREATE FUNCTION start_one(tag text, what text, workflow text, input jsonb DEFAULT '{}', retry jsonb DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	SELECT wf_start(workflow, input, id => tag || '-' || what, request_id => tag || '-' || what, retry => retry) $$;
CREATE FUNCTION start_all(tag text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM start_one(tag, 'steps' || n, 'steps') FROM generate_series(1, 5) n;
	PERFORM start_one(tag, w, w) FROM unnest('{nap,ear,tasks,outside,family,cart,saga}'::text[]) w;
	PERFORM start_one(tag, 'chain', 'chain', '{"n": 1}'), start_one(tag, 'again', 'again', retry => wf_retry(2, '10 ms')),
		start_one(tag, 'doomed', 'doomed', jsonb_build_object('id', tag || '-doomed')), start_one(tag, 'ended', 'doomed', jsonb_build_object('id', tag || '-ended')),
		start_one(tag, 'held', 'ear'), start_one(tag, 'paused', 'ear'), start_one(tag, 'given', 'ear'), start_one(tag, 'reset', 'ear'), start_one(tag, 'moved', 'text1'),
		start_one(tag, 'cloned', 'text1');
END $$;
CREATE FUNCTION tell(tag text, what text, signal text DEFAULT 'go') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM wf_executions WHERE workflow_id = tag || '-' || what AND closed_at IS NULL) THEN
		PERFORM wf_signal(tag || '-' || what, signal, '"gone"', request_id => tag || what || signal);
	END IF;
END $$;
CREATE FUNCTION reaches(id text, n bigint) RETURNS boolean LANGUAGE sql AS 'SELECT count(*) >= n FROM effect e WHERE e.id = reaches.id';
CREATE PROCEDURE await_effects(id text, n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		COMMIT;
		IF reaches(id, n) THEN RETURN; END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'workflow % makes no progress', id;
END $$;
CREATE FUNCTION update_one(tag text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT wf_update(tag || '-cart', 'add', '{"n": 1}', update_id => 'a', timeout => '20 s') $$;
CREATE FUNCTION finish(tag text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT wf_update(tag || '-cart', 'add', '{"n": 2}', update_id => 'b', timeout => '20 s') $$;

CREATE PROCEDURE client_main(tag text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM start_all(tag);
	COMMIT;
	PERFORM tell(tag, 'ear');
	COMMIT;
	PERFORM wf_result(tag || '-ear', timeout => '30 s');
	PERFORM wf_result(tag || '-family', timeout => '30 s');
	COMMIT;
END $$;
CREATE FUNCTION is_open(tag text, what text) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM wf_executions e WHERE e.workflow_id = tag || '-' || what AND e.closed_at IS NULL) $$;
CREATE PROCEDURE await_started(tag text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		COMMIT;
		IF EXISTS (SELECT FROM wf_executions WHERE workflow_id = tag || '-cloned') THEN RETURN; END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'nothing is started';
END $$;

-- the external worker: its effect is in the transaction that completes
CREATE PROCEDURE client_external(tag text) LANGUAGE plpgsql AS $$
DECLARE
	tokens text[];
	names text[];
	inputs jsonb[];
	attempts int[];
BEGIN
	CALL await_started(tag);
	WHILE is_open(tag, 'outside') LOOP
		SELECT array_agg(t.task_token), array_agg(t.activity), array_agg(t.input), array_agg(t.attempt) INTO tokens, names, inputs, attempts
		FROM wf_poll_activities('stop_ext', max => 2, worker => 'w', wait => '100 ms') t;
		COMMIT;
		FOR i IN 1..coalesce(cardinality(tokens), 0) LOOP
			BEGIN
				IF names[i] = 'fails' AND attempts[i] = 1 THEN
					PERFORM wf_fail_activity(tokens[i], message => 'first');
				ELSE
					IF names[i] = 'beats' THEN PERFORM wf_heartbeat_activity(tokens[i], '1'); END IF;
					INSERT INTO effect VALUES (inputs[i]->>'id', inputs[i]->>'step');
					PERFORM wf_complete_activity(tokens[i], '1');
				END IF;
			EXCEPTION WHEN SQLSTATE 'WF013' THEN NULL;	-- it took too long
			END;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

-- an operator's doings
CREATE PROCEDURE client_operator(tag text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_set_task_queue('stop_ext', max_concurrent => 3, max_concurrent_per_key => 1);
	COMMIT;
	CALL await_started(tag);
	IF is_open(tag, 'doomed') THEN PERFORM wf_cancel(tag || '-doomed', 'enough'); END IF;
	COMMIT;
	CALL await_effects(tag || '-paused', 1);
	IF is_open(tag, 'paused') THEN PERFORM wf_pause(tag || '-paused'); END IF;
	COMMIT;
	IF is_open(tag, 'paused') THEN PERFORM tell(tag, 'paused'); END IF;
	IF is_open(tag, 'paused') THEN PERFORM wf_unpause(tag || '-paused'); END IF;
	COMMIT;
	IF is_open(tag, 'paused') THEN PERFORM tell(tag, 'paused'); END IF;
	COMMIT;
	CALL await_effects(tag || '-given', 1);
	IF is_open(tag, 'given') THEN PERFORM wf_change_owner(tag || '-given', CASE WHEN e.owner::text = 'other' THEN e.owner ELSE 'other'::regrole END)
		FROM wf_executions e WHERE e.workflow_id = tag || '-given' AND e.closed_at IS NULL; END IF;
	PERFORM tell(tag, 'given');
	COMMIT;
	CALL await_effects(tag || '-reset', 1);
	PERFORM wf_reset(tag || '-reset', point => 'first') WHERE (SELECT count(*) = 1 FROM wf_executions WHERE workflow_id = tag || '-reset');
	COMMIT;
	PERFORM tell(tag, 'reset');
	IF is_open(tag, 'ended') THEN PERFORM wf_terminate(tag || '-ended', 'enough'); END IF;
	COMMIT;
	CALL await_effects(tag || '-moved', 1);
	CALL await_effects(tag || '-cloned', 1);
	EXECUTE format('CREATE OR REPLACE FUNCTION text1() RETURNS text LANGUAGE plpgsql AS %L', format($f$
BEGIN
	PERFORM wf_activity('leave', mark('1'));
	PERFORM wf_wait_signal('go'); -- %s
	RETURN 'text';
END $f$, clock_timestamp()));
	COMMIT;
	PERFORM tell(tag, 'cloned');
	COMMIT;
	PERFORM wf_result(tag || '-cloned', timeout => '20 s');
	COMMIT;
	PERFORM m.problem FROM wf_migrate('text1') m;
	PERFORM tell(tag, 'moved');
	COMMIT;
	CALL wf_maintain();
END $$;

-- has a signal open while the run wants to close, and locks one that has mail
CREATE PROCEDURE client_holder(tag text) LANGUAGE plpgsql AS $$
BEGIN
	CALL await_effects(tag || '-held', 1);
	PERFORM tell(tag, 'held');
	IF is_open(tag, 'held') THEN PERFORM wf_pause(tag || '-held'); END IF;
	PERFORM pg_sleep(0.03);
	ROLLBACK;
	PERFORM tell(tag, 'held', 'unread');
	CALL hold_open(tag);
END $$;
CREATE PROCEDURE hold_open(tag text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.05);
	COMMIT;
END $$;
-- lets it end meanwhile, and has the engine work in a session
CREATE PROCEDURE client_waiter(tag text) LANGUAGE plpgsql AS $$
BEGIN
	CALL await_effects(tag || '-held', 1);
	PERFORM pg_sleep(0.05);
	PERFORM tell(tag, 'held');
	COMMIT;
	CALL wf_work(max_time => '50 ms');
	PERFORM wf_result(tag || '-held', timeout => '30 s');
END $$;

-- The statuses of the runs of each workflow in their order, its last result, and the steps that had an effect
CREATE TABLE should (what text, status text, result text, steps text);
GRANT SELECT ON should TO PUBLIC;
INSERT INTO should VALUES
	('steps1', 'completed', '2', '1 2'), ('steps2', 'completed', '2', '1 2'), ('steps3', 'completed', '2', '1 2'),
	('steps4', 'completed', '2', '1 2'), ('steps5', 'completed', '2', '1 2'), ('nap', 'completed', '2', '1 2'),
	('ear', 'completed', '"gone"', '1 2'), ('tasks', 'completed', '5', '1 2 3 4 piece 1 piece 2 piece 3'),
	('outside', 'completed', '5', '1 2 3 4 5'), ('family', 'completed', '3', ''), ('family-1', 'completed', '1', '1'), ('family-2', 'completed', '2', '2'),
	('chain', 'continued_as_new continued_as_new completed', '3', '1 2 3'), ('cart', 'completed', '3', 'a b'),
	('saga', 'failed', '', 'do undo'), ('again', 'failed completed', '2', 'attempt 1 attempt 2'),
	('doomed', 'cancelled', '', ''), ('ended', 'terminated', '', ''),
	('held', 'completed', '"gone"', '1 2'), ('paused', 'completed', '"gone"', '1 2'), ('given', 'completed', '"gone"', '1 2'),
	('reset', 'terminated completed', '"gone"', '1 1 2'), ('moved', 'completed', '"text"', '1'), ('cloned', 'completed', '"text"', '1');

-- the runs of these tags that are not as they should be
CREATE FUNCTION wrong_runs(VARIADIC tags text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
WITH expected AS MATERIALIZED (SELECT tag || '-' || s.what AS id, s.* FROM unnest(tags) tag, should s),
	runs AS MATERIALIZED (SELECT e.workflow_id AS id, string_agg(e.status, ' ' ORDER BY e.run_id) AS is_status,
			coalesce((array_agg(e.result::text ORDER BY e.run_id DESC))[1], '') AS is_result
		FROM wf_executions e WHERE e.workflow_id IN (SELECT id FROM expected) GROUP BY 1),
	effects AS MATERIALIZED (SELECT f.id, string_agg(f.step, ' ' ORDER BY f.step) AS is_steps
		FROM effect f WHERE f.id IN (SELECT id FROM expected) GROUP BY 1)
SELECT coalesce(string_agg(format('%s: %s, %s, effects %s', id, coalesce(is_status, 'none'), is_result, is_steps), E'\n'), '')
FROM expected LEFT JOIN runs USING (id) LEFT JOIN effects USING (id)
WHERE (is_status, is_result, coalesce(is_steps, '')) IS DISTINCT FROM (status, result, steps) $$;
-- what is left behind in this database when all has come to rest
CREATE FUNCTION left_behind() RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT coalesce(string_agg(finding, E'\n'), '') FROM (
	SELECT format('open: %s %s', e.workflow_id, e.waiting_for) AS finding FROM durable.execution e
	UNION ALL SELECT format('stuck: %s %s', s.workflow_id, s.why) FROM wf_stuck s
	UNION ALL SELECT format('patrol: %s %s %s', p.what, p.workflow_id, p.detail) FROM wf_patrol p
	UNION ALL SELECT format('message of %s', m.run_id) FROM durable.message m
	UNION ALL SELECT format('timer of %s', t.run_id) FROM durable.timer t
	UNION ALL SELECT format('activity of %s', a.run_id) FROM durable.activity a
	UNION ALL SELECT format('lock %s %s of %s', l.locktype, l.mode, a.backend_type) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE a.pid <> pg_backend_pid() AND (a.state = 'idle' OR l.locktype = 'advisory')
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	UNION ALL SELECT format('process %s without a slot', a.pid) FROM pg_stat_activity a
		WHERE a.backend_type IN ('durable scheduler', 'durable worker', 'durable activity worker') AND a.datname = current_database()
		AND NOT EXISTS (SELECT FROM wf_workers w WHERE w.pid = a.pid)
) f $$;
