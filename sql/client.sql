/* What applications call.  doc/reference.md describes each. */

CREATE FUNCTION wf_start(workflow text, input jsonb DEFAULT '{}', id text DEFAULT NULL,
	on_running text DEFAULT 'fail', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL,
	start_delay interval DEFAULT NULL, retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL,
	search_attributes jsonb DEFAULT NULL, priority int DEFAULT 3, fairness_key text DEFAULT NULL,
	fairness_weight float8 DEFAULT 1, request_id text DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS uuid AS 'MODULE_PATHNAME', 'wf_start' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_start IS 'start a workflow with this transaction; returns its run id';

CREATE FUNCTION wf_signal(id text, signal text, payload jsonb DEFAULT 'null', run_id uuid DEFAULT NULL,
	request_id text DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_signal' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_signal IS 'send a signal to a workflow with this transaction';

CREATE FUNCTION wf_signal_with_start(workflow text, id text, signal text, payload jsonb DEFAULT 'null',
	input jsonb DEFAULT '{}', on_running text DEFAULT 'use_existing', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL,
	start_delay interval DEFAULT NULL, retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL,
	search_attributes jsonb DEFAULT NULL, priority int DEFAULT 3, fairness_key text DEFAULT NULL,
	fairness_weight float8 DEFAULT 1, request_id text DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS uuid AS 'MODULE_PATHNAME', 'wf_signal_with_start' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_signal_with_start IS 'signal a workflow, starting it where it does not run; returns its run id';

CREATE FUNCTION wf_result(id text, timeout interval DEFAULT NULL, run_id uuid DEFAULT NULL,
	namespace text DEFAULT NULL)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_result' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_result IS 'wait for a workflow to close and return its result';

CREATE FUNCTION wf_wait(id text, timeout interval DEFAULT NULL, INOUT run_id uuid DEFAULT NULL,
	OUT status text, OUT result jsonb, OUT failure jsonb, namespace text DEFAULT NULL)
RETURNS record AS 'MODULE_PATHNAME', 'wf_wait' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_wait IS 'wait for a workflow to close and tell how it ended, or that it runs';

CREATE PROCEDURE wf_await_result(id text, INOUT result jsonb DEFAULT NULL, timeout interval DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
AS 'MODULE_PATHNAME', 'wf_await_result' LANGUAGE C;
COMMENT ON PROCEDURE wf_await_result IS 'wait for a workflow to close, without a snapshot, and return its result';

CREATE PROCEDURE wf_execute(workflow text, input jsonb DEFAULT '{}', INOUT result jsonb DEFAULT NULL,
	id text DEFAULT NULL, on_running text DEFAULT 'fail', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL,
	start_delay interval DEFAULT NULL, retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL,
	search_attributes jsonb DEFAULT NULL, priority int DEFAULT 3, fairness_key text DEFAULT NULL,
	fairness_weight float8 DEFAULT 1, request_id text DEFAULT NULL, namespace text DEFAULT NULL)
AS 'MODULE_PATHNAME', 'wf_execute' LANGUAGE C;
COMMENT ON PROCEDURE wf_execute IS 'start a workflow, run its first turns in this session, and wait for its result';

CREATE FUNCTION wf_listen_workflow(id text, namespace text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'wf_listen_workflow' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_listen_workflow IS 'LISTEN for a workflow that closes or publishes state; returns the channel';

CREATE FUNCTION wf_cancel(id text, reason text DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_cancel' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancel IS 'ask a workflow to cancel itself; false where it is closed';

CREATE FUNCTION wf_terminate(id text, reason text DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_terminate' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_terminate IS 'close a workflow without running its code; false where it is closed';

CREATE FUNCTION wf_pause(id text, reason text DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_pause' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_pause IS 'run no code of a workflow and begin no attempts of its activities until wf_unpause; false where it is closed or paused';

CREATE FUNCTION wf_unpause(id text, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_unpause' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_unpause IS 'have a paused workflow go on; false where it is not paused';

CREATE FUNCTION wf_reset(id text, to_event bigint DEFAULT NULL, point text DEFAULT NULL, reason text DEFAULT NULL,
	reapply text[] DEFAULT '{signal,update}', run_id uuid DEFAULT NULL, namespace text DEFAULT NULL, code text DEFAULT 'current')
RETURNS uuid AS 'MODULE_PATHNAME', 'wf_reset' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_reset IS 'have a workflow go on from an earlier point of its history, as a new run; returns its run id';

CREATE FUNCTION wf_delete(id text, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_delete' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_delete IS 'delete a run with its history, terminating it where it is open';

CREATE FUNCTION durable.find_run(id text, run_id uuid, namespace text)
RETURNS uuid AS 'MODULE_PATHNAME', 'durable_find_run' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION durable.find_run IS 'the run a call names by workflow id and perhaps run id';

CREATE FUNCTION wf_retry(max_attempts int DEFAULT NULL, initial_interval interval DEFAULT '1s',
	backoff float8 DEFAULT 2, max_interval interval DEFAULT NULL, non_retryable text[] DEFAULT NULL,
	jitter float8 DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('max_attempts', max_attempts,
	'initial_interval', initial_interval, 'backoff', backoff, 'max_interval', max_interval,
	'non_retryable', non_retryable, 'jitter', jitter));
COMMENT ON FUNCTION wf_retry IS 'a retry policy';

CREATE FUNCTION wf_query(id text, query text, args jsonb DEFAULT NULL, run_id uuid DEFAULT NULL,
	namespace text DEFAULT NULL)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_query' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_query IS 'what a workflow has published with wf_set; built in: __stack, __info';

CREATE FUNCTION wf_describe(id text, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_describe' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_describe IS 'all there is to know of a run now';
