/* What activities call, in SQL and in external workers.  doc/reference.md describes each. */

CREATE FUNCTION wf_activity_info()
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_activity_info' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_activity_info IS 'what the attempt of an activity knows of itself';

CREATE FUNCTION wf_heartbeat(details jsonb DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_heartbeat' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_heartbeat IS 'tell that the activity lives; before a COMMIT, its details are a checkpoint';

CREATE FUNCTION wf_heartbeat_details()
RETURNS jsonb AS 'MODULE_PATHNAME', 'wf_heartbeat_details' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_heartbeat_details IS 'the last details this activity has recorded, in this attempt or an earlier one';

CREATE FUNCTION wf_activity_cancelled()
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_activity_cancelled' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_activity_cancelled IS 'whether the activity has been asked to cancel itself';

CREATE FUNCTION wf_fail(type text, message text DEFAULT NULL, details jsonb DEFAULT NULL,
	non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_fail' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_fail IS 'fail the attempt with an error of a type of one''s own';

CREATE FUNCTION wf_poll_activities(task_queue text, max int DEFAULT 1, worker text DEFAULT NULL,
	wait interval DEFAULT '0', activities text[] DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (task_token text, activity text, input jsonb, workflow_id text, run_id uuid, activity_id text,
	attempt int, heartbeat_details jsonb, scheduled_at timestamptz, deadline timestamptz, idempotency_key text,
	heartbeat_timeout interval)
AS 'MODULE_PATHNAME', 'wf_poll_activities' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_poll_activities IS 'claim activities of a task queue';

CREATE FUNCTION wf_complete_activity(task_token text, result jsonb DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_complete_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_complete_activity IS 'complete an activity with its result';

CREATE FUNCTION wf_complete_activities(task_tokens text[], results jsonb[])
RETURNS void AS 'MODULE_PATHNAME', 'wf_complete_activities' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_complete_activities IS 'complete activities, all of them or none';

CREATE FUNCTION wf_fail_activity(task_token text, type text DEFAULT 'error', message text DEFAULT NULL,
	details jsonb DEFAULT NULL, non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_fail_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_fail_activity IS 'fail the attempt of an activity; its retry policy decides what is next';

CREATE FUNCTION wf_cancelled_activity(task_token text, details jsonb DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_cancelled_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancelled_activity IS 'report that an activity has cancelled itself, as it was asked to';

CREATE FUNCTION wf_heartbeat_activity(task_token text, details jsonb DEFAULT NULL,
	OUT cancel_requested boolean, OUT paused boolean)
RETURNS record AS 'MODULE_PATHNAME', 'wf_heartbeat_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_heartbeat_activity IS 'tell that an activity lives, and hear what is wanted of it';

CREATE FUNCTION wf_complete_activity_by_id(id text, activity_id text, result jsonb DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_complete_activity_by_id' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_complete_activity_by_id IS 'complete a running activity of a workflow, whoever runs it';

CREATE FUNCTION wf_fail_activity_by_id(id text, activity_id text, type text DEFAULT 'error', message text DEFAULT NULL,
	details jsonb DEFAULT NULL, non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_fail_activity_by_id' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_fail_activity_by_id IS 'fail the attempt of a running activity of a workflow';

CREATE FUNCTION wf_cancelled_activity_by_id(id text, activity_id text, details jsonb DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_cancelled_activity_by_id' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_cancelled_activity_by_id IS 'report that a running activity of a workflow has cancelled itself';

CREATE FUNCTION wf_heartbeat_activity_by_id(id text, activity_id text, details jsonb DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL, OUT cancel_requested boolean, OUT paused boolean)
RETURNS record AS 'MODULE_PATHNAME', 'wf_heartbeat_activity_by_id' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_heartbeat_activity_by_id IS 'tell that a running activity of a workflow lives';

CREATE FUNCTION wf_listen(task_queue text, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_listen' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_listen IS 'LISTEN for activities of a task queue that has run empty';

CREATE FUNCTION wf_channel(task_queue text, namespace text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'wf_channel' LANGUAGE C STABLE;
COMMENT ON FUNCTION wf_channel IS 'the channel that wf_listen LISTENs on, for a session that does so itself';
