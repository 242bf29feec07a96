/* What workflow code calls.  doc/reference.md describes each. */

CREATE FUNCTION wf_activity(name text, input jsonb DEFAULT '{}', task_queue text DEFAULT NULL, mode text DEFAULT NULL,
	start_to_close interval DEFAULT NULL, schedule_to_close interval DEFAULT NULL,
	schedule_to_start interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	priority int DEFAULT NULL, fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL,
	activity_id text DEFAULT NULL, summary text DEFAULT NULL, cancellation text DEFAULT 'try_cancel')
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_activity IS 'run an activity, as a step of this turn or by a worker, and return its result';

CREATE FUNCTION wf_sql(query text, VARIADIC args "any")
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_sql' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_sql(text, "any") IS 'run a SQL statement as a step; returns its rows as an array of objects';

CREATE FUNCTION wf_sql(query text)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_sql' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_sql(text) IS 'run a SQL statement as a step; returns its rows as an array of objects';

CREATE FUNCTION wf_compensate(activity text, input jsonb DEFAULT '{}', task_queue text DEFAULT NULL, mode text DEFAULT NULL,
	start_to_close interval DEFAULT NULL, schedule_to_close interval DEFAULT NULL,
	schedule_to_start interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	priority int DEFAULT NULL, fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL,
	activity_id text DEFAULT NULL, summary text DEFAULT NULL, cancellation text DEFAULT 'try_cancel')
RETURNS void AS 'MODULE_PATHNAME', 'wf_compensate' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_compensate IS 'register an activity that is run if the workflow fails, is cancelled or times out; the last one first';

CREATE FUNCTION wf_run_compensations()
RETURNS void AS 'MODULE_PATHNAME', 'wf_run_compensations' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_run_compensations IS 'run the registered compensations now, and forget them';

CREATE FUNCTION wf_clear_compensations()
RETURNS void AS 'MODULE_PATHNAME', 'wf_clear_compensations' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_clear_compensations IS 'forget the registered compensations';

CREATE FUNCTION wf_sleep(duration interval)
RETURNS void AS 'MODULE_PATHNAME', 'wf_sleep' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_sleep IS 'sleep, for milliseconds or years, without occupying anything';

CREATE FUNCTION wf_sleep_until(until timestamptz)
RETURNS void AS 'MODULE_PATHNAME', 'wf_sleep_until' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_sleep_until IS 'sleep until a time';

CREATE FUNCTION wf_wait_signal(signal text, timeout interval DEFAULT NULL)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_wait_signal' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_wait_signal IS 'the next unread signal of a name, waiting for it; NULL on timeout';

CREATE FUNCTION wf_poll_signal(signal text)
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_poll_signal' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_poll_signal IS 'the next unread signal of a name, NULL where there is none';

CREATE FUNCTION wf_child(workflow text, input jsonb DEFAULT '{}', id text DEFAULT NULL,
	parent_close_policy text DEFAULT 'terminate', on_closed text DEFAULT 'allow',
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL, start_delay interval DEFAULT NULL,
	retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL, search_attributes jsonb DEFAULT NULL, priority int DEFAULT NULL,
	fairness_key text DEFAULT NULL, fairness_weight float8 DEFAULT NULL, cancellation text DEFAULT 'wait')
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_child' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_child IS 'run a workflow as a child of this one and return its result';

CREATE FUNCTION wf_signal_external(id text, signal text, payload jsonb DEFAULT 'null', run_id uuid DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_signal_external' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_signal_external IS 'send a signal to another workflow';

CREATE FUNCTION wf_cancel_external(id text, reason text DEFAULT NULL, run_id uuid DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_cancel_external' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancel_external IS 'ask another workflow to cancel itself';

CREATE FUNCTION wf_now() RETURNS timestamptz AS 'MODULE_PATHNAME', 'wf_now' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_now IS 'the time, the same at every replay';

CREATE FUNCTION wf_random() RETURNS float8 AS 'MODULE_PATHNAME', 'wf_random' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_random IS 'a random number from 0 to 1, the same at every replay';

CREATE FUNCTION wf_uuid() RETURNS uuid AS 'MODULE_PATHNAME', 'wf_uuid' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_uuid IS 'a random UUID, the same at every replay';

CREATE FUNCTION wf_info() RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_info' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_info IS 'what the run knows of itself';

CREATE FUNCTION wf_set(key text, value jsonb)
RETURNS void AS 'MODULE_PATHNAME', 'wf_set' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_set IS 'publish state for wf_query';

CREATE FUNCTION wf_upsert_search_attributes(search_attributes jsonb)
RETURNS void AS 'MODULE_PATHNAME', 'wf_upsert_search_attributes' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_upsert_search_attributes IS 'set search attributes of this run; null removes one';

CREATE FUNCTION wf_upsert_memo(memo jsonb)
RETURNS void AS 'MODULE_PATHNAME', 'wf_upsert_memo' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_upsert_memo IS 'set values of the memo of this run; null removes one';

CREATE FUNCTION wf_shield("on" boolean DEFAULT true)
RETURNS void AS 'MODULE_PATHNAME', 'wf_shield' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_shield IS 'hold back cancellation, or let it through again';

CREATE FUNCTION wf_cancel_requested()
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_cancel_requested' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancel_requested IS 'whether cancellation has been requested';

CREATE FUNCTION wf_continue_as_new(input jsonb DEFAULT NULL, workflow text DEFAULT NULL,
	run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL, memo jsonb DEFAULT NULL,
	search_attributes jsonb DEFAULT NULL, priority int DEFAULT NULL, fairness_key text DEFAULT NULL,
	fairness_weight float8 DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_continue_as_new' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_continue_as_new IS 'close this run and go on as a new one, with a history that starts anew; does not return';
