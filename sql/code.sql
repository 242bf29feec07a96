/* Versions of workflow functions: pinning, changes by the code itself, checks. */

CREATE FUNCTION wf_version(change text, min int, max int)
RETURNS int AS 'MODULE_PATHNAME', 'wf_version' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_version IS 'which version of a change in its code the run has; -1 is the code before it';

CREATE FUNCTION wf_patched(id text) RETURNS boolean AS 'MODULE_PATHNAME', 'wf_patched' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_patched IS 'whether the run has a change in its code; false where it went by before';

CREATE FUNCTION wf_check_replay(workflow text, function regprocedure DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (workflow_id text, run_id uuid, ok boolean, event_id bigint, problem text, severity text)
AS 'MODULE_PATHNAME', 'wf_check_replay' LANGUAGE C VOLATILE ROWS 1000;
COMMENT ON FUNCTION wf_check_replay IS 'replay all open runs of a workflow against a function, without effects: which of them would not go on, and why; a warning where inputs of what is recorded are others now';

CREATE FUNCTION wf_migrate(workflow text, to_version int DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (workflow_id text, run_id uuid, migrated boolean, event_id bigint, problem text)
AS 'MODULE_PATHNAME', 'wf_migrate' LANGUAGE C VOLATILE ROWS 1000;
COMMENT ON FUNCTION wf_migrate IS 'move the open runs of a workflow whose history fits to a version of its function, the current one by default';

CREATE PROCEDURE wf_maintain() AS 'MODULE_PATHNAME', 'wf_maintain' LANGUAGE C;
COMMENT ON PROCEDURE wf_maintain IS 'remove what is no longer needed: clones of workflow functions without open runs';
REVOKE ALL ON PROCEDURE wf_maintain FROM PUBLIC;

CREATE FUNCTION durable.current_version(function text) RETURNS int4
AS 'MODULE_PATHNAME', 'durable_current_version' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.current_version IS 'the version of the text a workflow function has now; NULL where it is gone or was not run yet';

CREATE VIEW wf_versions WITH (security_barrier) AS
SELECT v.function, v.version, v.owner, v.created_at, coalesce(o.open_runs, 0) AS open_runs,
	(SELECT min(pg_catalog.format('durable.%I', n.clone)) FROM durable.clone n JOIN pg_catalog.pg_proc p ON p.proname = n.clone
		WHERE n.function = v.function AND n.version = v.version AND p.pronamespace = 'durable'::pg_catalog.regnamespace) AS clone,
	v.version IS NOT DISTINCT FROM c.version AS is_current
FROM durable.version v
	JOIN (SELECT f.function, durable.current_version(f.function) AS version
		FROM (SELECT DISTINCT v.function FROM durable.version v) f) c ON c.function = v.function
	LEFT JOIN (SELECT e.function, e.version, count(*) AS open_runs FROM durable.execution e
		WHERE durable.sees(e.owner) GROUP BY 1, 2) o ON o.function = v.function AND o.version = v.version
WHERE o.open_runs > 0 OR durable.sees(v.owner);
COMMENT ON VIEW wf_versions IS 'the texts that workflow functions have had, and how many open runs go on with each';
GRANT SELECT ON wf_versions TO PUBLIC;

/* Exported histories */

CREATE FUNCTION durable.event_of(event_type text, at timestamptz, attributes jsonb, has_payload boolean) RETURNS durable.event
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT ROW(k.type, $2, ($3->>'command')::int4, $3->>k.name_key,
		CASE WHEN $4 THEN $3->k.payload_key END, NULL,
		CASE WHEN k.rest_key IS NOT NULL THEN $3->k.rest_key
			ELSE nullif($3 - 'command' - coalesce(k.name_key, 'command') - coalesce(k.payload_key, 'command'), '{}') END)::durable.event
	FROM (SELECT t.type, durable.event_name_key(t.type, $3->>'wait') AS name_key, durable.event_payload_key(t.type) AS payload_key,
			durable.event_rest_key(t.type) AS rest_key
		FROM (SELECT durable.event_type_number($1) AS type) t) k;
END;
COMMENT ON FUNCTION durable.event_of IS 'an event out of a row of wf_events: the inverse of durable.event_attributes()';

CREATE FUNCTION wf_replay(history jsonb, function regprocedure, verbose boolean DEFAULT true)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_replay' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_replay IS 'replay an exported history against a function, without effects, telling of each command';
