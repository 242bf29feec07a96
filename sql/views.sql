/*
 * What operators and applications look at.  A run is visible to those who have
 * the privileges of its owner; security_barrier keeps functions of the query from seeing the
 * others before that is checked.  It does so only where the view itself is no
 * UNION ALL: the planner flattens those all the same.  Who may read the tables may
 * read the views; who monitors the server sees how much there is and where it
 * is stuck, but nothing that comes from the users' code.
 */

CREATE FUNCTION durable.sees(owner regrole) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.pg_has_role(owner, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_data'::pg_catalog.name, 'USAGE');
COMMENT ON FUNCTION durable.sees IS 'whether the caller sees the runs of a role';

CREATE FUNCTION durable.monitors(owner regrole) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN durable.sees(owner) OR pg_catalog.pg_has_role('pg_read_all_stats'::pg_catalog.name, 'USAGE');
COMMENT ON FUNCTION durable.monitors IS 'whether the caller sees what a role has to do, without what it is about';

CREATE FUNCTION durable.event_attributes(e durable.event, large jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN e.attributes IS NULL THEN '{}'::pg_catalog.jsonb
		WHEN durable.event_rest_key(e.type) IS NULL THEN e.attributes
		ELSE pg_catalog.jsonb_build_object(durable.event_rest_key(e.type), e.attributes) END
	OPERATOR(pg_catalog.||) CASE WHEN e.command IS NULL THEN '{}'::pg_catalog.jsonb
		ELSE pg_catalog.jsonb_build_object('command', e.command) END
	OPERATOR(pg_catalog.||) CASE WHEN e.name IS NULL THEN '{}'::pg_catalog.jsonb
		ELSE pg_catalog.jsonb_build_object(durable.event_name_key(e.type, e.attributes OPERATOR(pg_catalog.->>) 'wait'), e.name) END
	-- an update that was answered has a result or a failure
	OPERATOR(pg_catalog.||) CASE WHEN durable.event_payload_key(e.type) IS NULL
			OR coalesce(e.attributes OPERATOR(pg_catalog.?) 'failure', false) THEN '{}'::pg_catalog.jsonb
		ELSE pg_catalog.jsonb_build_object(durable.event_payload_key(e.type), coalesce(e.payload, large)) END;
COMMENT ON FUNCTION durable.event_attributes IS 'what an event says, as in wf_events.attributes';

CREATE VIEW wf_events WITH (security_barrier) AS
SELECT u.* FROM (
SELECT h.run_id, (h.first_event + n.position - 1)::bigint AS event_id,
	durable.event_type_name(n.type) AS event_type, n.at,
	durable.event_attributes(ROW(n.type, n.at, n.command, n.name, n.payload, n.payload_id, n.attributes)::durable.event, p.data) AS attributes,
	h.first_event::bigint AS turn, h.turn_at, n.position <= h.mail AS mail, h.ran, h.goes_on,
	n.payload IS NOT NULL OR n.payload_id IS NOT NULL AS has_payload
FROM durable.history h
	CROSS JOIN LATERAL unnest(h.events) WITH ORDINALITY AS n(type, at, command, name, payload, payload_id, attributes, position)
	LEFT JOIN durable.payload p ON p.payload_id = n.payload_id
WHERE durable.sees(h.owner)
UNION ALL
SELECT m.run_id, 1, 'workflow_started', m.at, jsonb_build_object('input', coalesce(m.payload, p.data)),
	1, m.at, true, false, false, true
FROM durable.message m LEFT JOIN durable.payload p ON p.payload_id = m.payload_id
WHERE m.kind = durable.message_kind_number('start') AND durable.sees(m.owner)
) u;
COMMENT ON VIEW wf_events IS 'the events of all runs';

CREATE VIEW wf_executions WITH (security_barrier) AS
SELECT u.* FROM (
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.function, e.version,
	CASE WHEN e.paused_at IS NULL THEN 'running' ELSE 'paused' END AS status, e.owner, e.started_at, NULL::timestamptz AS closed_at,
	coalesce((SELECT coalesce(h.events[1].payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[1].payload_id))
			FROM durable.history h WHERE h.run_id = e.run_id AND h.first_event = 1),
		(SELECT coalesce(m.payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = m.payload_id))
			FROM durable.message m WHERE m.run_id = e.run_id AND m.kind = durable.message_kind_number('start'))) AS input,
	NULL::jsonb AS result, e.turn_error AS error,
	e.waiting_for, e.waiting_at, e.waiting_since,
	e.next_event - 1 AS history_events, e.history_bytes, e.attempt,
	coalesce(e.first_run_id, e.run_id) AS first_run_id, e.continued_from, NULL::uuid AS next_run_id,
	e.request_id, e.search_attributes, e.memo, e.paused_at, e.pause_reason,
	e.parent_run_id, e.parent_workflow_id
FROM durable.execution e
WHERE durable.sees(e.owner)
UNION ALL
SELECT c.namespace, c.workflow_id, c.run_id, c.workflow, c.function, c.version,
	durable.status_name(c.status), c.owner, c.started_at, c.closed_at,
	(SELECT coalesce(h.events[1].payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[1].payload_id))
		FROM durable.history h WHERE h.run_id = c.run_id AND h.first_event = 1),
	CASE WHEN c.status = 1 THEN (SELECT coalesce(h.events[cardinality(h.events)].payload,
			(SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[cardinality(h.events)].payload_id))
		FROM durable.history h WHERE h.run_id = c.run_id ORDER BY h.first_event DESC LIMIT 1) END,
	CASE WHEN c.status NOT IN (1, 6) THEN (SELECT CASE c.status
			WHEN 2 THEN h.events[cardinality(h.events)].attributes->'failure'
			WHEN 3 THEN h.events[cardinality(h.events)].attributes
			WHEN 5 THEN h.events[cardinality(h.events)].attributes->'failure'
			ELSE jsonb_build_object('type', 'terminated', 'sqlstate', 'WF012',
				'message', coalesce(nullif(h.events[cardinality(h.events)].name, ''), 'terminated')) END
		FROM durable.history h WHERE h.run_id = c.run_id ORDER BY h.first_event DESC LIMIT 1) END,
	NULL, NULL, NULL,
	c.history_events, c.history_bytes, c.attempt,
	coalesce(c.first_run_id, c.run_id), c.continued_from, c.next_run_id,
	c.request_id, c.search_attributes, c.memo, NULL, NULL,
	c.parent_run_id, c.parent_workflow_id
FROM durable.closed c
WHERE durable.sees(c.owner)
) u;
COMMENT ON VIEW wf_executions IS 'all runs, open and closed';

CREATE VIEW wf_timers WITH (security_barrier) AS
SELECT e.namespace, e.workflow_id, t.run_id, NULLIF(t.command, 0) AS command,
	durable.message_kind_name(t.kind) AS kind,
	t.fire_at
FROM durable.timer t JOIN durable.execution e USING (run_id)
WHERE durable.sees(t.owner);
COMMENT ON VIEW wf_timers IS 'what falls due when';

CREATE FUNCTION durable.activity_mode(a durable.activity) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a.queue IS NULL THEN 'inline' WHEN a.external THEN 'external' ELSE 'queued' END;
COMMENT ON FUNCTION durable.activity_mode IS 'where an activity runs, as in wf_activities.mode';

CREATE FUNCTION durable.activity_state(a durable.activity) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a.lease IS NOT NULL AND a.cancel_requested THEN 'cancel_requested'
	WHEN a.lease IS NOT NULL AND a.paused_at IS NOT NULL THEN 'pause_requested'
	WHEN a.lease IS NOT NULL THEN 'started'
	WHEN a.paused_at IS NOT NULL THEN 'paused'
	WHEN a.next_attempt_at IS NOT NULL THEN 'backoff'
	WHEN a.parked IS NOT NULL THEN 'limited'
	ELSE 'scheduled' END;
COMMENT ON FUNCTION durable.activity_state IS 'what an activity that is not done is doing, as in wf_activities.state';

CREATE VIEW wf_activities WITH (security_barrier) AS
SELECT e.namespace, a.workflow_id, a.run_id, coalesce(a.activity_id, a.command::text) AS activity_id,
	a.name AS activity, a.command, a.owner,
	durable.activity_mode(a) AS mode,
	a.task_queue,
	durable.activity_state(a) AS state,
	a.attempt, (a.retry->>'max_attempts')::numeric::int AS max_attempts,
	coalesce(a.input, p.data) AS input, a.scheduled_at, a.started_at, a.next_attempt_at,
	a.worker, a.heartbeat_at, a.details AS heartbeat_details, a.last_failure,
	a.paused_at, a.pause_reason,
	a.priority, a.fairness_key, coalesce(a.weight, 1) AS fairness_weight,
	a.schedule_to_close * interval '1 microsecond' AS schedule_to_close,
	a.schedule_to_start * interval '1 microsecond' AS schedule_to_start,
	a.start_to_close * interval '1 microsecond' AS start_to_close,
	a.heartbeat * interval '1 microsecond' AS heartbeat_timeout, a.retry
FROM durable.activity a JOIN durable.execution e USING (run_id)
	LEFT JOIN durable.payload p ON p.payload_id = a.input_id
WHERE durable.sees(a.owner);
COMMENT ON VIEW wf_activities IS 'activities that are not done';

CREATE VIEW wf_attempts WITH (security_barrier) AS
SELECT t.run_id, t.activity_id, t.activity, t.command, t.attempt, t.outcome, t.started_at, t.ended_at,
	t.ended_at - t.started_at AS duration, t.worker, t.failure
FROM (
	SELECT l.run_id, coalesce(l.activity_id, l.command::text) AS activity_id, l.name AS activity, l.command, l.attempt,
		replace(durable.event_type_name(l.outcome), 'activity_', '') AS outcome, l.started_at, l.ended_at, l.worker, l.failure
	FROM durable.attempt l
	WHERE durable.sees(l.owner)
	UNION ALL
	SELECT a.run_id, coalesce(a.activity_id, a.command::text), a.name, a.command, a.attempt,
		'started', a.started_at, NULL, a.worker, NULL
	FROM durable.activity a
	WHERE a.lease IS NOT NULL AND durable.sees(a.owner)
	UNION ALL
	SELECT c.run_id, coalesce(s.attributes->>'activity_id', c.command::text), s.name, c.command,
		coalesce((c.attributes->>'attempt')::int, 1), 'completed',
		coalesce((c.attributes->>'started_at')::timestamptz, s.at), c.at,
		c.attributes->>'worker', NULL
	FROM (SELECT h.run_id, n.* FROM durable.history h CROSS JOIN LATERAL unnest(h.events) n
			WHERE n.type = 11 AND durable.sees(h.owner)) c
		CROSS JOIN LATERAL (SELECT n.name, n.at, n.attributes
			FROM durable.history h CROSS JOIN LATERAL unnest(h.events) n
			WHERE h.run_id = c.run_id AND n.type = 10 AND n.command = c.command LIMIT 1) s
) t;
COMMENT ON VIEW wf_attempts IS 'attempts of activities: those that failed, those that run, those that completed';

CREATE VIEW wf_task_queues WITH (security_barrier) AS
SELECT q.namespace, q.task_queue, CASE WHEN q.external THEN 'external' ELSE 'queued' END AS mode, q.owner,
	q.depth, q.oldest, now() - q.oldest AS oldest_age, q.running, q.backoff, q.paused, q.limited,
	s.schedule_to_start_p50, s.schedule_to_start_p99, s.waiting_workers, s.claimed, s.notified,
	l.rate_limit, l.per_key_rate_limit, l.max_concurrent, l.max_concurrent_per_key,
	CASE WHEN durable.sees(q.owner) THEN l.fairness_weights END AS fairness_weights
FROM (
	SELECT a.queue, min(a.topic) AS topic, min(e.namespace) AS namespace, min(a.task_queue) AS task_queue,
		bool_or(a.external) AS external, min(a.owner::oid)::regrole AS owner,
		count(*) FILTER (WHERE a.place IS NOT NULL) AS depth,
		min(a.queued_at) FILTER (WHERE a.place IS NOT NULL) AS oldest,
		count(*) FILTER (WHERE a.lease IS NOT NULL) AS running,
		count(*) FILTER (WHERE a.next_attempt_at IS NOT NULL AND a.paused_at IS NULL) AS backoff,
		count(*) FILTER (WHERE a.paused_at IS NOT NULL) AS paused,
		count(*) FILTER (WHERE a.parked IS NOT NULL) AS limited
	FROM durable.activity a JOIN durable.execution e USING (run_id)
	WHERE a.queue IS NOT NULL GROUP BY a.queue
	UNION ALL
	SELECT l.queue, durable.task_queue_topic(l.namespace, l.task_queue), l.namespace, l.task_queue, l.external, l.owner,
		0, NULL, 0, 0, 0, 0
	FROM durable.task_queue l
	WHERE NOT EXISTS (SELECT 1 FROM durable.activity a WHERE a.queue = l.queue)
) q
	LEFT JOIN durable.task_queue l USING (queue)
	CROSS JOIN LATERAL durable.task_queue_stats(q.queue, q.topic) s
WHERE durable.monitors(q.owner);
COMMENT ON VIEW wf_task_queues IS 'task queues that have tasks or limits';

CREATE VIEW wf_workers AS
SELECT w.kind, d.datname AS database, w.role_oid::regrole AS role, w.pid, w.state, w.turns, w.last_turn_at,
	NULL::text AS name, NULL::text AS task_queue, NULL::timestamptz AS last_seen
FROM durable.workers() w LEFT JOIN pg_database d ON d.oid = w.database_oid
UNION ALL
SELECT 'external', d.datname, w.role_oid::regrole, w.pid, NULL, w.tasks, NULL, w.name, w.task_queue, w.last_seen
FROM durable.external_workers() w JOIN pg_database d ON d.oid = w.database_oid;
COMMENT ON VIEW wf_workers IS 'the processes of the engine in this cluster, and external workers that have polled';

/* Each owner of work is found by one look at an index, however much there is to do. */
CREATE VIEW wf_stuck WITH (security_barrier) AS
WITH RECURSIVE mail(owner) AS (
	(SELECT m.owner FROM durable.message m ORDER BY m.owner LIMIT 1)
	UNION ALL
	SELECT (SELECT m.owner FROM durable.message m WHERE m.owner > mail.owner ORDER BY m.owner LIMIT 1)
	FROM mail WHERE mail.owner IS NOT NULL
), tasks(queue) AS (
	(SELECT a.queue FROM durable.activity a WHERE a.place IS NOT NULL ORDER BY a.queue LIMIT 1)
	UNION ALL
	SELECT (SELECT a.queue FROM durable.activity a WHERE a.place IS NOT NULL AND a.queue > tasks.queue ORDER BY a.queue LIMIT 1)
	FROM tasks WHERE tasks.queue IS NOT NULL
), stuck AS MATERIALIZED (
	SELECT q.owner, q.activities, o.why
	FROM (SELECT mail.owner, false AS activities FROM mail WHERE mail.owner IS NOT NULL
		UNION SELECT t.owner, false FROM durable.timer t WHERE t.fire_at < now()
		UNION SELECT a.owner, true FROM tasks CROSS JOIN LATERAL
			(SELECT a.owner, a.external FROM durable.activity a WHERE a.queue = tasks.queue AND a.place IS NOT NULL LIMIT 1) a
			WHERE NOT a.external) q
		CROSS JOIN LATERAL (SELECT durable.why_no_worker(q.owner, q.activities) AS why) o
	WHERE o.why IS NOT NULL
)
SELECT u.* FROM (
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner,
	CASE WHEN durable.sees(e.owner) THEN e.turn_error->>'message' ELSE concat('its turn fails with ', e.turn_error->>'sqlstate') END AS why,
	CASE WHEN durable.sees(e.owner) THEN e.turn_error END AS error, greatest(e.turn_failures, e.lost_tries) AS failures,
	CASE WHEN e.paused_at IS NULL THEN e.turn_retry_at END AS next_try
FROM durable.execution e
WHERE e.turn_failures > 0 AND (e.paused_at IS NULL OR e.lost_tries > 0) AND durable.monitors(e.owner)
UNION ALL
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner, s.why, NULL, 0, NULL
FROM (SELECT c.run_id, min(c.why) AS why FROM (
		SELECT m.run_id, o.why FROM stuck o JOIN durable.message m ON m.owner = o.owner
		WHERE NOT o.activities
		UNION ALL
		SELECT t.run_id, o.why FROM stuck o JOIN durable.timer t ON t.owner = o.owner
		WHERE NOT o.activities AND t.fire_at < now()
		UNION ALL
		SELECT a.run_id, o.why FROM stuck o JOIN durable.activity a ON a.owner = o.owner
		WHERE o.activities AND a.place IS NOT NULL AND NOT a.external
		UNION ALL
		SELECT a.run_id, durable.why_nothing_runs() FROM durable.activity a
		WHERE durable.why_nothing_runs() IS NOT NULL AND a.paused_at IS NULL
	) c GROUP BY c.run_id) s
	JOIN durable.execution e USING (run_id)
WHERE e.turn_failures = 0 AND e.paused_at IS NULL AND durable.monitors(e.owner)
UNION ALL
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner,
	CASE WHEN durable.sees(e.owner) THEN format('activity "%s" has failed %s times: %s', a.name, a.attempt, a.last_failure->>'message')
		ELSE format('an activity has failed %s times', a.attempt) END,
	CASE WHEN durable.sees(e.owner) THEN a.last_failure END, a.attempt, a.next_attempt_at
FROM durable.activity a JOIN durable.execution e USING (run_id)
WHERE a.attempt > 4 AND a.attempt >= coalesce(current_setting('durable.tell_attempts', true)::int, 10)
	AND a.next_attempt_at IS NOT NULL AND a.paused_at IS NULL AND e.paused_at IS NULL AND durable.monitors(e.owner)
UNION ALL
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner,
	CASE WHEN durable.sees(e.owner) THEN format('no worker polls for task queue "%s"', a.task_queue)
		ELSE 'no worker polls for one of its task queues' END, NULL, 0, NULL
FROM (SELECT coalesce(current_setting('durable.tell_unpolled', true)::interval, interval '5 minutes') AS most) w
	CROSS JOIN tasks q
	CROSS JOIN LATERAL (SELECT x.topic, x.external FROM durable.activity x WHERE x.queue = q.queue AND x.place IS NOT NULL LIMIT 1) x
	JOIN durable.activity a ON a.queue = q.queue
	JOIN durable.execution e USING (run_id)
WHERE x.external AND NOT durable.polled_since(x.topic, now() - w.most) AND durable.why_nothing_runs() IS NULL
	AND a.place IS NOT NULL AND a.queued_at < now() - w.most AND e.paused_at IS NULL AND durable.monitors(e.owner)
) u;
COMMENT ON VIEW wf_stuck IS 'runs that will not move by themselves, and why';

CREATE VIEW wf_patrol WITH (security_barrier) AS
SELECT r.namespace, r.workflow_id, p.run_id, p.owner::regrole AS owner, p.what, p.detail, p.found_at, p.last_at, p.times
FROM durable.patrol() p LEFT JOIN LATERAL (
	SELECT e.namespace, e.workflow_id FROM durable.execution e WHERE e.run_id = p.run_id
	UNION ALL SELECT c.namespace, c.workflow_id FROM durable.closed c WHERE c.run_id = p.run_id) r ON true
WHERE durable.monitors(p.owner);
COMMENT ON VIEW wf_patrol IS 'what the patrol has found: work that could move and that nobody had in hand';

CREATE VIEW wf_open_runs WITH (security_barrier) AS
SELECT e.namespace, e.owner, e.workflow, count(*) AS runs,
	count(*) FILTER (WHERE e.paused_at IS NOT NULL) AS paused,
	count(*) FILTER (WHERE e.paused_at IS NULL AND e.turn_failures > 0) AS failing,
	min(e.started_at) AS oldest
FROM durable.execution e
WHERE durable.monitors(e.owner)
GROUP BY e.namespace, e.owner, e.workflow;
COMMENT ON VIEW wf_open_runs IS 'how many open runs there are of each workflow';

CREATE FUNCTION durable.why_stuck(run_id uuid) RETURNS text LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT s.why FROM wf_stuck s WHERE s.run_id = $1 LIMIT 1;
END;
COMMENT ON FUNCTION durable.why_stuck IS 'what wf_stuck knows of a run: the hint of those who waited for it in vain';
REVOKE ALL ON FUNCTION durable.why_stuck FROM PUBLIC;

GRANT SELECT ON wf_patrol, wf_open_runs, wf_events, wf_executions, wf_timers, wf_activities, wf_attempts, wf_task_queues, wf_workers, wf_stuck TO PUBLIC;

CREATE FUNCTION wf_history(id text, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (run_id uuid, event_id bigint, event_type text, at timestamptz, attributes jsonb,
	turn bigint, turn_at timestamptz, mail boolean, ran boolean, goes_on boolean, has_payload boolean)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT v.run_id, v.event_id, v.event_type, v.at, v.attributes, v.turn, v.turn_at, v.mail, v.ran, v.goes_on, v.has_payload
	FROM wf_events v
	WHERE v.run_id = (SELECT durable.find_run($1, $2, $3)) ORDER BY v.event_id;
END;
COMMENT ON FUNCTION wf_history IS 'the events of one run, in order';
