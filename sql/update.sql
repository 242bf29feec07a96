/* Updates: requests that get an answer.  doc/updates.md describes them. */

/*
 * What became of each update of a run: what its clients wait for, and what a
 * repeated request finds.  A turn writes a row once, or twice where the answer
 * comes later than the acceptance; neither change is indexed.
 */
CREATE TABLE durable.update (
	run_id			uuid NOT NULL,
	update_id		text NOT NULL,
	owner			regrole NOT NULL,
	name			text NOT NULL,
	state			int2 NOT NULL,			-- update.h
	args			jsonb,
	args_id			int8,					-- a large one is in durable.payload, as the next
	result			jsonb,
	result_id		int8,
	failure			jsonb,
	requested_at	timestamptz NOT NULL,
	accepted_at		timestamptz,
	completed_at	timestamptz,
	first_run_id	uuid NOT NULL,			-- of those that went on as one another, as in durable.execution
	CONSTRAINT update_pkey PRIMARY KEY (run_id, update_id)
) WITH (fillfactor = 80);
CREATE INDEX update_first_run_idx ON durable.update (first_run_id, update_id);
COMMENT ON TABLE durable.update IS 'updates of runs and their answers';

/* What wf_register_workflow() was told of a workflow function. */
CREATE TABLE durable.workflow_type (
	namespace	text NOT NULL,
	function	text NOT NULL,				-- schema-qualified, quoted, as in durable.execution
	owner		regrole NOT NULL,			-- of the function: void where it has another one by now
	validators	jsonb NOT NULL,				-- update: function
	CONSTRAINT workflow_type_pkey PRIMARY KEY (namespace, function)
);
COMMENT ON TABLE durable.workflow_type IS 'registered workflows';

DO $$
BEGIN
	ALTER TABLE durable.update ALTER COLUMN args SET COMPRESSION lz4;
	ALTER TABLE durable.update ALTER COLUMN result SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END $$;

SELECT pg_catalog.pg_extension_config_dump('durable.update', '');
SELECT pg_catalog.pg_extension_config_dump('durable.workflow_type', '');

CREATE FUNCTION wf_update(id text, update text, args jsonb DEFAULT '{}', update_id text DEFAULT NULL,
	wait_for text DEFAULT 'completed', timeout interval DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_update' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_update IS 'send a request to a workflow and wait for its answer';

CREATE PROCEDURE wf_await_update(id text, update text, args jsonb DEFAULT '{}', INOUT result jsonb DEFAULT NULL,
	update_id text DEFAULT NULL, wait_for text DEFAULT 'completed', timeout interval DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
AS 'MODULE_PATHNAME', 'wf_await_update' LANGUAGE C;
COMMENT ON PROCEDURE wf_await_update IS 'send a request to a workflow, commit it, and wait for its answer without a snapshot';

CREATE FUNCTION wf_update_with_start(workflow text, id text, update text, args jsonb DEFAULT '{}', input jsonb DEFAULT '{}',
	update_id text DEFAULT NULL,
	on_running text DEFAULT 'use_existing', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL,
	start_delay interval DEFAULT NULL, retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL,
	search_attributes jsonb DEFAULT NULL, priority int DEFAULT 3, fairness_key text DEFAULT NULL,
	fairness_weight float8 DEFAULT 1, request_id text DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'wf_update_with_start' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_update_with_start IS 'send a request to a workflow with this transaction, starting it where it does not run; returns the update id, by which wf_update() waits for the answer';

CREATE FUNCTION wf_next_update(update text DEFAULT NULL, timeout interval DEFAULT NULL,
	OUT update_id text, OUT name text, OUT args jsonb)
RETURNS record AS 'MODULE_PATHNAME', 'wf_next_update' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_next_update IS 'the next unread update, of a name or of any, waiting for it; NULL on timeout';

CREATE FUNCTION wf_poll_update(update text DEFAULT NULL, OUT update_id text, OUT name text, OUT args jsonb)
RETURNS record AS 'MODULE_PATHNAME', 'wf_poll_update' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_poll_update IS 'the next unread update, of a name or of any, NULL where there is none';

CREATE FUNCTION wf_reply(update_id text, result jsonb DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_reply' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_reply IS 'answer an update';

CREATE FUNCTION wf_reject(update_id text, message text)
RETURNS void AS 'MODULE_PATHNAME', 'wf_reject' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_reject IS 'answer an update by an error';

CREATE FUNCTION wf_register_workflow(name text, versioning text DEFAULT 'pinned', max_duration interval DEFAULT NULL,
	validators jsonb DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_register_workflow' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_register_workflow IS 'set what holds for all runs of a workflow function; NULL is none';

CREATE FUNCTION durable.update_state_name(state int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_update_state_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.update_state_name IS 'the name of the state of an update, as in wf_updates.state';

CREATE VIEW wf_updates WITH (security_barrier) AS
SELECT coalesce(e.namespace, c.namespace) AS namespace, coalesce(e.workflow_id, c.workflow_id) AS workflow_id,
	u.run_id, u.update_id, u.name AS update,
	CASE WHEN c.run_id IS NOT NULL AND u.completed_at IS NULL THEN 'aborted' ELSE durable.update_state_name(u.state) END AS state,
	coalesce(u.args, a.data) AS args, coalesce(u.result, r.data) AS result, u.failure AS error,
	u.requested_at, u.accepted_at, u.completed_at
FROM durable.update u
	LEFT JOIN durable.execution e ON e.run_id = u.run_id
	LEFT JOIN durable.closed c ON c.run_id = u.run_id
	LEFT JOIN durable.payload a ON a.payload_id = u.args_id
	LEFT JOIN durable.payload r ON r.payload_id = u.result_id
WHERE durable.sees(u.owner);
COMMENT ON VIEW wf_updates IS 'updates of runs and their answers';
GRANT SELECT ON wf_updates TO PUBLIC;
