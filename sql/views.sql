/*
 * What operators and applications look at.  A run is visible to members of
 * its owner.
 */

CREATE FUNCTION durable.event_attributes(e durable.event, large jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN e.type IN (12, 13, 5) AND e.attributes IS NOT NULL
		THEN pg_catalog.jsonb_build_object('failure', e.attributes)
		ELSE coalesce(e.attributes, '{}'::pg_catalog.jsonb) END
	OPERATOR(pg_catalog.||) CASE WHEN e.command IS NULL THEN '{}'::pg_catalog.jsonb
		ELSE pg_catalog.jsonb_build_object('command', e.command) END
	OPERATOR(pg_catalog.||) CASE WHEN e.name IS NULL THEN '{}'::pg_catalog.jsonb
		ELSE pg_catalog.jsonb_build_object(CASE e.type WHEN 4 THEN 'timeout' WHEN 6 THEN 'reason'
			WHEN 8 THEN 'reason' WHEN 10 THEN 'activity' ELSE 'signal' END, e.name) END
	OPERATOR(pg_catalog.||) CASE WHEN e.type IN (1, 10) THEN
			pg_catalog.jsonb_build_object('input', coalesce(e.payload, large))
		WHEN e.type IN (2, 11) THEN pg_catalog.jsonb_build_object('result', coalesce(e.payload, large))
		WHEN e.type = 9 THEN pg_catalog.jsonb_build_object('payload', coalesce(e.payload, large))
		ELSE '{}'::pg_catalog.jsonb END;
COMMENT ON FUNCTION durable.event_attributes IS 'what an event says, as in wf_events.attributes';

CREATE VIEW wf_events AS
SELECT h.run_id, (h.first_event + n.position - 1)::bigint AS event_id,
	durable.event_type_name(n.type) AS event_type, n.at,
	durable.event_attributes(ROW(n.type, n.at, n.command, n.name, n.payload, n.payload_id, n.attributes)::durable.event, p.data) AS attributes
FROM durable.history h
	CROSS JOIN LATERAL unnest(h.events) WITH ORDINALITY AS n(type, at, command, name, payload, payload_id, attributes, position)
	LEFT JOIN durable.payload p ON p.payload_id = n.payload_id
WHERE pg_has_role(h.owner, 'MEMBER')
UNION ALL
SELECT m.run_id, 1, 'workflow_started', m.at, jsonb_build_object('input', coalesce(m.payload, p.data))
FROM durable.message m LEFT JOIN durable.payload p ON p.payload_id = m.payload_id
WHERE m.kind = 1 AND pg_has_role(m.owner, 'MEMBER');
COMMENT ON VIEW wf_events IS 'the events of all runs';

CREATE VIEW wf_executions AS
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.function,
	'running'::text AS status, e.owner, e.started_at, NULL::timestamptz AS closed_at,
	coalesce((SELECT coalesce(h.events[1].payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[1].payload_id))
			FROM durable.history h WHERE h.run_id = e.run_id AND h.first_event = 1),
		(SELECT coalesce(m.payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = m.payload_id))
			FROM durable.message m WHERE m.run_id = e.run_id AND m.kind = 1)) AS input,
	NULL::jsonb AS result, e.turn_error AS error,
	e.waiting_for, e.waiting_at, e.waiting_since,
	e.next_event - 1 AS history_events, e.history_bytes, e.attempt,
	coalesce(e.first_run_id, e.run_id) AS first_run_id, e.continued_from, NULL::uuid AS next_run_id,
	e.request_id, e.search_attributes, e.memo
FROM durable.execution e
WHERE pg_has_role(e.owner, 'MEMBER')
UNION ALL
SELECT c.namespace, c.workflow_id, c.run_id, c.workflow, c.function,
	durable.status_name(c.status), c.owner, c.started_at, c.closed_at,
	(SELECT coalesce(h.events[1].payload, (SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[1].payload_id))
		FROM durable.history h WHERE h.run_id = c.run_id AND h.first_event = 1),
	CASE WHEN c.status = 1 THEN (SELECT coalesce(h.events[cardinality(h.events)].payload,
			(SELECT p.data FROM durable.payload p WHERE p.payload_id = h.events[cardinality(h.events)].payload_id))
		FROM durable.history h WHERE h.run_id = c.run_id ORDER BY h.first_event DESC LIMIT 1) END,
	CASE WHEN c.status <> 1 THEN (SELECT CASE c.status
			WHEN 2 THEN h.events[cardinality(h.events)].attributes->'failure'
			WHEN 3 THEN h.events[cardinality(h.events)].attributes
			WHEN 5 THEN h.events[cardinality(h.events)].attributes->'failure'
			ELSE jsonb_build_object('type', 'terminated', 'message', h.events[cardinality(h.events)].name) END
		FROM durable.history h WHERE h.run_id = c.run_id ORDER BY h.first_event DESC LIMIT 1) END,
	NULL, NULL, NULL,
	c.history_events, c.history_bytes, c.attempt,
	coalesce(c.first_run_id, c.run_id), c.continued_from, c.next_run_id,
	c.request_id, c.search_attributes, c.memo
FROM durable.closed c
WHERE pg_has_role(c.owner, 'MEMBER');
COMMENT ON VIEW wf_executions IS 'all runs, open and closed';

CREATE VIEW wf_timers AS
SELECT e.namespace, e.workflow_id, t.run_id, NULLIF(t.command, 0) AS command,
	CASE t.kind WHEN 4 THEN 'timer' WHEN 5 THEN 'turn_retry' WHEN 6 THEN 'run_timeout'
		WHEN 7 THEN 'execution_timeout' WHEN 8 THEN 'start_delay' WHEN 9 THEN 'activity_retry' END AS kind,
	t.fire_at
FROM durable.timer t JOIN durable.execution e USING (run_id)
WHERE pg_has_role(t.owner, 'MEMBER');
COMMENT ON VIEW wf_timers IS 'what falls due when';

CREATE VIEW wf_workers AS
SELECT w.kind, d.datname AS database, w.role_oid::regrole AS role, w.pid, w.state, w.turns, w.last_turn_at
FROM durable.workers() w LEFT JOIN pg_database d ON d.oid = w.database_oid;
COMMENT ON VIEW wf_workers IS 'the processes of the engine in this cluster';

CREATE VIEW wf_stuck AS
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner,
	e.turn_error->>'message' AS why, e.turn_error AS error, e.turn_failures AS failures, e.turn_retry_at AS next_try
FROM durable.execution e
WHERE e.turn_failures > 0 AND pg_has_role(e.owner, 'MEMBER')
UNION ALL
SELECT e.namespace, e.workflow_id, e.run_id, e.workflow, e.owner, o.why, NULL, 0, NULL
FROM (SELECT m.owner FROM durable.message m
		UNION SELECT t.owner FROM durable.timer t WHERE t.fire_at < now()) q
	CROSS JOIN LATERAL (SELECT durable.why_no_worker(q.owner) AS why) o
	JOIN durable.execution e ON e.owner = q.owner
WHERE o.why IS NOT NULL AND e.turn_failures = 0 AND pg_has_role(e.owner, 'MEMBER')
	AND (EXISTS (SELECT 1 FROM durable.message m WHERE m.run_id = e.run_id)
		OR EXISTS (SELECT 1 FROM durable.timer t WHERE t.run_id = e.run_id AND t.fire_at < now()));
COMMENT ON VIEW wf_stuck IS 'runs that will not move by themselves, and why';

GRANT SELECT ON wf_events, wf_executions, wf_timers, wf_workers, wf_stuck TO PUBLIC;

CREATE FUNCTION wf_history(id text, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (run_id uuid, event_id bigint, event_type text, at timestamptz, attributes jsonb)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT v.run_id, v.event_id, v.event_type, v.at, v.attributes FROM wf_events v
	WHERE v.run_id = (SELECT durable.find_run($1, $2, $3)) ORDER BY v.event_id;
END;
COMMENT ON FUNCTION wf_history IS 'the events of one run, in order';
