/* What those who run the engine call.  doc/reference.md describes each. */

CREATE PROCEDURE wf_work(max_turns int DEFAULT NULL, max_time interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'wf_work' LANGUAGE C;
COMMENT ON PROCEDURE wf_work IS 'run workflows of this role in this session, until nothing is left to do now';

CREATE FUNCTION wf_set_task_queue(task_queue text, rate_limit float8 DEFAULT NULL, per_key_rate_limit float8 DEFAULT NULL,
	max_concurrent int DEFAULT NULL, max_concurrent_per_key int DEFAULT NULL, fairness_weights jsonb DEFAULT NULL,
	mode text DEFAULT 'external', owner regrole DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_set_task_queue' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_set_task_queue IS 'set the limits of a task queue, all of them; NULL is none';

CREATE FUNCTION wf_pause_activity(id text, activity_id text DEFAULT NULL, activity text DEFAULT NULL,
	reason text DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS int AS 'MODULE_PATHNAME', 'wf_pause_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_pause_activity IS 'start no further attempt of activities of a workflow; returns how many';

CREATE FUNCTION wf_unpause_activity(id text, activity_id text DEFAULT NULL, activity text DEFAULT NULL,
	reset_attempts boolean DEFAULT false, reset_heartbeat boolean DEFAULT false, jitter interval DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS int AS 'MODULE_PATHNAME', 'wf_unpause_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_unpause_activity IS 'have paused activities of a workflow go on at once; returns how many';

CREATE FUNCTION wf_reset_activity(id text, activity_id text DEFAULT NULL, activity text DEFAULT NULL,
	reset_heartbeat boolean DEFAULT false, keep_paused boolean DEFAULT false, jitter interval DEFAULT NULL,
	run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS int AS 'MODULE_PATHNAME', 'wf_reset_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_reset_activity IS 'count the attempts of activities from the beginning, and try at once; returns how many';

CREATE FUNCTION wf_update_activity(id text, activity_id text DEFAULT NULL, activity text DEFAULT NULL,
	start_to_close interval DEFAULT NULL, schedule_to_close interval DEFAULT NULL,
	schedule_to_start interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	priority int DEFAULT NULL, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS int AS 'MODULE_PATHNAME', 'wf_update_activity' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_update_activity IS 'change options of activities that are not done; NULL leaves one as it is; returns how many';

CREATE FUNCTION wf_change_owner(id text, new_owner regrole, run_id uuid DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS boolean AS 'MODULE_PATHNAME', 'wf_change_owner' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_change_owner IS 'give a run to another role, as which its code runs from then on; false where it has it';

CREATE FUNCTION wf_adopt() RETURNS boolean AS 'MODULE_PATHNAME', 'wf_adopt' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_adopt IS 'run the workflows that came with a dump or a copy of another database';
REVOKE ALL ON FUNCTION wf_adopt FROM PUBLIC;

CREATE FUNCTION durable.why_nothing_runs() RETURNS text
AS 'MODULE_PATHNAME', 'durable_why_nothing_runs' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION durable.why_nothing_runs IS 'what keeps everything in this database from being run; NULL for nothing';

CREATE FUNCTION durable.polled_since(topic int8, since timestamptz) RETURNS boolean
AS 'MODULE_PATHNAME', 'durable_polled_since' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.polled_since IS 'whether a worker has polled for such tasks since then; true where that is not known';

CREATE FUNCTION durable.why_no_worker(owner oid, activities boolean) RETURNS text
AS 'MODULE_PATHNAME', 'durable_why_no_worker' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION durable.why_no_worker IS 'what keeps the workflows of a role, or its queued activities, from being run; NULL for nothing';

CREATE FUNCTION durable.workers(OUT kind text, OUT database_oid oid, OUT role_oid oid, OUT pid int,
	OUT state text, OUT turns int8, OUT last_turn_at timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'durable_workers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.workers IS 'the processes of the engine in this cluster';

CREATE FUNCTION durable.fence_rules(OUT names text, OUT arguments int, OUT argument_type regtype, OUT allowed boolean,
	OUT why text, OUT instead text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'durable_fence_rules' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION durable.fence_rules IS 'which functions of pg_catalog that are not IMMUTABLE workflow code may call: the first rule that fits; what none fits is refused';

CREATE FUNCTION durable.patrol(OUT what text, OUT owner oid, OUT run_id uuid, OUT detail text, OUT found_at timestamptz,
	OUT last_at timestamptz, OUT times int8)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'durable_patrol' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.patrol IS 'what the patrol has found in this database: work that could move and that nobody had in hand';

CREATE FUNCTION durable.patrol_looks(OUT looks int8, OUT looked_at timestamptz, OUT rests boolean)
RETURNS record AS 'MODULE_PATHNAME', 'durable_patrol_looks' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.patrol_looks IS 'how often the patrol has looked since the server''s start, and whether it waits for something to happen';
REVOKE ALL ON FUNCTION durable.patrol_looks FROM PUBLIC;

CREATE FUNCTION durable.task_queue_topic(namespace text, task_queue text) RETURNS int8
AS 'MODULE_PATHNAME', 'durable_task_queue_topic' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION durable.task_queue_topic IS 'what those who wait for tasks of a name wait for';

CREATE FUNCTION durable.task_queue_id(namespace text, task_queue text, owner oid, external boolean) RETURNS int8
AS 'MODULE_PATHNAME', 'durable_task_queue_id' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION durable.task_queue_id IS 'how a task queue is known, as in durable.activity.queue';

CREATE FUNCTION durable.task_queue_stats(id int8, topic int8, OUT waiting_workers int, OUT schedule_to_start_p50 interval,
	OUT schedule_to_start_p99 interval, OUT claimed int8, OUT notified int8)
RETURNS record AS 'MODULE_PATHNAME', 'durable_task_queue_stats' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.task_queue_stats IS 'what the server remembers of a task queue since its start';

CREATE FUNCTION durable.external_workers(OUT database_oid oid, OUT role_oid oid, OUT name text, OUT task_queue text,
	OUT pid int, OUT tasks int8, OUT last_seen timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'durable_external_workers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.external_workers IS 'workers outside the server that have polled for activities';

/* The launcher starts a scheduler for this database once this commits. */
CREATE FUNCTION durable.installed() RETURNS void
AS 'MODULE_PATHNAME', 'durable_notice_installed' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION durable.installed IS 'tell the launcher that this database has the extension';
REVOKE ALL ON FUNCTION durable.installed FROM PUBLIC;
