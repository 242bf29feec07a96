/* Several things at once in workflow code.  doc/reference.md describes each. */

CREATE TYPE wf_handle;
CREATE FUNCTION durable.handle_in(cstring) RETURNS wf_handle
AS 'MODULE_PATHNAME', 'durable_handle_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.handle_in IS 'I/O';
CREATE FUNCTION durable.handle_out(wf_handle) RETURNS cstring
AS 'MODULE_PATHNAME', 'durable_handle_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.handle_out IS 'I/O';
CREATE TYPE wf_handle (INPUT = durable.handle_in, OUTPUT = durable.handle_out, LIKE = pg_catalog.int8);
COMMENT ON TYPE wf_handle IS 'what workflow code has started and can wait for';

CREATE FUNCTION wf_start_activity(name text, input jsonb DEFAULT '{}', task_queue text DEFAULT NULL, mode text DEFAULT NULL,
	start_to_close interval DEFAULT NULL, schedule_to_close interval DEFAULT NULL,
	schedule_to_start interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	priority int DEFAULT NULL, fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL,
	activity_id text DEFAULT NULL, summary text DEFAULT NULL, cancellation text DEFAULT 'try_cancel')
RETURNS wf_handle AS 'MODULE_PATHNAME', 'wf_start_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_start_activity IS 'start an activity and do not wait for it';

CREATE FUNCTION wf_start_child(workflow text, input jsonb DEFAULT '{}', id text DEFAULT NULL,
	parent_close_policy text DEFAULT 'terminate', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL, start_delay interval DEFAULT NULL,
	retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL, search_attributes jsonb DEFAULT NULL, priority int DEFAULT NULL,
	fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL, cancellation text DEFAULT 'wait')
RETURNS wf_handle AS 'MODULE_PATHNAME', 'wf_start_child' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_start_child IS 'start a workflow as a child of this one and do not wait for it';

CREATE FUNCTION wf_start_timer(duration interval)
RETURNS wf_handle AS 'MODULE_PATHNAME', 'wf_start_timer' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_start_timer IS 'start a timer and do not wait for it';

CREATE FUNCTION wf_signal_handle(signal text)
RETURNS wf_handle AS 'MODULE_PATHNAME', 'wf_signal_handle' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_signal_handle IS 'the next unread signal of a name, to be waited for with others';

CREATE FUNCTION wf_await(handle wf_handle)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_await' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_await IS 'wait for a handle; returns its result or raises its failure';

CREATE FUNCTION wf_await_all(handles wf_handle[], settle boolean DEFAULT false)
RETURNS jsonb[] AS 'MODULE_PATHNAME', 'wf_await_all' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_await_all IS 'wait for all handles; returns their results in order';

CREATE FUNCTION wf_await_any(handles wf_handle[])
RETURNS int AS 'MODULE_PATHNAME', 'wf_await_any' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_await_any IS 'wait for one of the handles; returns the position of the first that was done';

CREATE FUNCTION wf_done(handle wf_handle)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_done' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_done IS 'whether a handle is done, without waiting';

CREATE FUNCTION wf_cancel_handle(handle wf_handle)
RETURNS void AS 'MODULE_PATHNAME', 'wf_cancel_handle' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancel_handle IS 'cancel what was started';

CREATE FUNCTION wf_map(activity text, inputs jsonb, max_parallel int DEFAULT NULL, task_queue text DEFAULT NULL, mode text DEFAULT NULL,
	start_to_close interval DEFAULT NULL, schedule_to_close interval DEFAULT NULL,
	schedule_to_start interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	priority int DEFAULT NULL, fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL,
	activity_id text DEFAULT NULL, summary text DEFAULT NULL, cancellation text DEFAULT 'try_cancel')
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_map' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_map IS 'run an activity for each element of an array; returns the results in order';
