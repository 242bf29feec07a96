/*
 * durable.execution holds the open runs and nothing else: a closed run moves
 * to durable.closed.  Rows are narrow, and what changes from turn to turn is
 * not indexed, so its updates are HOT.
 */
CREATE TABLE durable.execution (
	run_id				uuid PRIMARY KEY,
	namespace			text NOT NULL,
	workflow_id			text NOT NULL,
	owner				regrole NOT NULL,
	workflow			text NOT NULL,			-- as the caller named it
	function			text NOT NULL,			-- schema-qualified, quoted
	settings			text[],					-- of the caller, see settings.c
	first_run_id		uuid,					-- null: this one
	continued_from		uuid,
	attempt				int4 NOT NULL,
	started_at			timestamptz NOT NULL,
	execution_deadline	timestamptz,
	run_timeout			interval,
	retry				jsonb,
	request_id			text,
	memo				jsonb,
	search_attributes	jsonb,
	priority			int2,					-- of its activities, as the following
	fairness_key		text,
	weight				float8,
	version				int4,					-- of the code; null: had no turn yet
	seed				uuid,					-- of its random numbers; null: run_id
	parent_run_id		uuid,					-- as a child
	parent_command		int4,
	parent_close_policy	int2,					-- child.h
	parent_workflow_id	text,
	next_event			int4 NOT NULL,
	history_bytes		int8 NOT NULL,
	has_timers			boolean NOT NULL,			-- or activities
	has_children		boolean NOT NULL,
	compensates			boolean NOT NULL,			-- if it failed now
	cancel_requested	boolean NOT NULL,			-- in its history
	wait_signal			text,					-- what ends the wait
	wait_command		int4,
	wait_update			text,					-- '': an update of any name
	wait_set			int4[],					-- from, to, from, to ...: commands,
	wait_left			int4,					-- and how many of them are to end yet
	wait_signals		text[],					-- besides wait_signal
	waiting_for			text,
	waiting_at			text,
	waiting_since		timestamptz,
	turn_failures		int4 NOT NULL,
	turn_error			jsonb,
	turn_retry_at		timestamptz,
	lost_tries			int4 NOT NULL,			-- of which the process was lost, in a row
	paused_at			timestamptz,
	pause_reason		text,
	CONSTRAINT execution_workflow_id_key UNIQUE (namespace, workflow_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);
CREATE UNIQUE INDEX execution_request_key ON durable.execution (namespace, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX execution_failing_idx ON durable.execution (turn_failures) WHERE turn_failures > 0;
CREATE INDEX execution_parent_idx ON durable.execution (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX execution_children_idx ON durable.execution (run_id) WHERE has_children;
COMMENT ON TABLE durable.execution IS 'open runs';

CREATE TABLE durable.closed (
	run_id				uuid PRIMARY KEY,
	namespace			text NOT NULL,
	workflow_id			text NOT NULL,
	owner				regrole NOT NULL,
	workflow			text NOT NULL,
	function			text NOT NULL,
	status				int2 NOT NULL,			-- durable.status_name()
	first_run_id		uuid,
	continued_from		uuid,
	next_run_id			uuid,					-- of a retry
	attempt				int4 NOT NULL,
	started_at			timestamptz NOT NULL,
	closed_at			timestamptz NOT NULL,
	request_id			text,
	memo				jsonb,
	search_attributes	jsonb,
	version				int4,
	parent_run_id		uuid,
	parent_command		int4,
	history_events		int4 NOT NULL,
	history_bytes		int8 NOT NULL,
	settings			text[],					-- from here on for wf_reset
	execution_deadline	timestamptz,
	run_timeout			interval,
	retry				jsonb,
	priority			int2,
	fairness_key		text,
	weight				float8,
	seed				uuid,
	parent_close_policy	int2,
	parent_workflow_id	text
);
CREATE INDEX closed_workflow_id_idx ON durable.closed (namespace, workflow_id, run_id);
CREATE INDEX closed_request_idx ON durable.closed (namespace, request_id) WHERE request_id IS NOT NULL;
COMMENT ON TABLE durable.closed IS 'closed runs';

/* One row a turn; append-only. */
CREATE TABLE durable.history (
	run_id		uuid NOT NULL,
	first_event	int4 NOT NULL,
	owner		regrole NOT NULL,
	turn_at		timestamptz NOT NULL,
	mail		int4 NOT NULL,					-- leading events that came by mail
	ran			boolean NOT NULL,				-- whether code ran in this turn
	goes_on		boolean NOT NULL,				-- its last event is seen by the next turn only
	events		durable.event[] NOT NULL,
	CONSTRAINT history_pkey PRIMARY KEY (run_id, first_event)
);
COMMENT ON TABLE durable.history IS 'events of all runs, one row a turn';

/*
 * The mailbox: all that reaches a run from outside.  Claim order is
 * (owner, seq): see batch.c.
 */
CREATE SEQUENCE durable.message_seq;
COMMENT ON SEQUENCE durable.message_seq IS 'the order of messages';
CREATE TABLE durable.message (
	owner		regrole NOT NULL,
	seq			int8 NOT NULL,
	run_id		uuid NOT NULL,
	kind		int2 NOT NULL,					-- mailbox.h
	alone		boolean NOT NULL,				-- its turn wants a commit of its own
	at			timestamptz NOT NULL,
	command		int4,
	name		text,
	payload		jsonb,
	payload_id	int8,
	attributes	jsonb,
	CONSTRAINT message_pkey PRIMARY KEY (owner, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX message_run_idx ON durable.message (run_id, seq);
COMMENT ON TABLE durable.message IS 'mailboxes of open runs';

CREATE TABLE durable.timer (
	run_id		uuid NOT NULL,
	kind		int2 NOT NULL,					-- of the message it becomes
	command		int4 NOT NULL,
	owner		regrole NOT NULL,
	fire_at		timestamptz NOT NULL,
	since		timestamptz,					-- what that is counted from; null: a time of the clock
	CONSTRAINT timer_pkey PRIMARY KEY (run_id, kind, command)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX timer_fire_at_idx ON durable.timer (fire_at, run_id);
CREATE INDEX timer_sweep_idx ON durable.timer (fire_at) WHERE kind = 14;
COMMENT ON TABLE durable.timer IS 'what falls due: timers, timeouts, start delays, retries';

/*
 * Activities that are not done: those in task queues, those that run, and those
 * between two attempts.  Most columns never change.  Of those that do, place
 * and check_at are indexed; a heartbeat touches neither, so it is a HOT update.
 */
CREATE TABLE durable.activity (
	run_id				uuid NOT NULL,
	command				int4 NOT NULL,
	owner				regrole NOT NULL,
	workflow_id			text NOT NULL,
	name				text NOT NULL,
	activity_id			text,					-- null: the command's number
	queue				int8,					-- taskqueue.c; null: a step of a turn
	topic				int8 NOT NULL,			-- of those who wait for tasks of that name
	task_queue			text,					-- its name; null: the default one of SQL activities
	external			boolean NOT NULL,		-- for workers outside the server
	priority			int2 NOT NULL,
	fairness_key		text,
	weight				float8,
	input				jsonb,
	input_id			int8,
	schedule_to_close	int8,					-- microseconds, as the following
	schedule_to_start	int8,
	start_to_close		int8,
	heartbeat			int8,
	retry				jsonb,
	cancellation		int2 NOT NULL,			-- activity.h
	scheduled_at		timestamptz NOT NULL,
	place				int8,					-- in the queue; null: cannot be claimed
	seq					int8,					-- order among those of a place
	parked				int4,					-- waits for its fairness key's limit
	queued_at			timestamptz,			-- when it came into the queue
	attempt				int4 NOT NULL,			-- attempts begun
	lease				int4,					-- of the attempt that runs; null: none
	started_at			timestamptz,
	worker				text,
	heartbeat_at		timestamptz,
	details				jsonb,					-- of the last heartbeat
	check_at			timestamptz,			-- when something falls due
	next_attempt_at		timestamptz,			-- between two attempts
	cancel_requested	boolean NOT NULL,
	paused_at			timestamptz,
	pause_reason		text,
	last_failure		jsonb,
	CONSTRAINT activity_pkey PRIMARY KEY (run_id, command)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX activity_place_idx ON durable.activity (queue, place, seq) WHERE place IS NOT NULL;
CREATE INDEX activity_parked_idx ON durable.activity (queue, parked, priority, seq) WHERE parked IS NOT NULL;
CREATE INDEX activity_check_idx ON durable.activity (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX activity_attempt_idx ON durable.activity (attempt) WHERE attempt > 4;	-- durable.tell_attempts is more
CREATE INDEX activity_retry_idx ON durable.activity (next_attempt_at) WHERE queue IS NULL;
CREATE INDEX activity_lease_idx ON durable.activity (lease) WHERE lease IS NOT NULL AND NOT external;
COMMENT ON TABLE durable.activity IS 'activities that are not done';

/* Attempts that did not complete.  Those that did are in the history. */
CREATE TABLE durable.attempt (
	run_id		uuid NOT NULL,
	command		int4 NOT NULL,
	attempt		int4 NOT NULL,
	owner		regrole NOT NULL,
	name		text NOT NULL,
	activity_id	text,
	outcome		int2 NOT NULL,				-- durable.event_type_name()
	started_at	timestamptz,
	ended_at	timestamptz NOT NULL,
	worker		text,
	failure		jsonb
);
CREATE INDEX attempt_run_idx ON durable.attempt (run_id, command);
-- one attempt number can come twice (wf_reset_activity), so there is no key
ALTER TABLE durable.attempt REPLICA IDENTITY FULL;
COMMENT ON TABLE durable.attempt IS 'attempts of activities that failed, timed out or were cancelled';

/* Limits of task queues.  A queue without any has no row. */
CREATE TABLE durable.task_queue (
	queue					int8 PRIMARY KEY,
	namespace				text NOT NULL,
	task_queue				text,
	external				boolean NOT NULL,
	owner					regrole NOT NULL,
	rate_limit				float8,
	per_key_rate_limit		float8,
	max_concurrent			int4,
	max_concurrent_per_key	int4,
	fairness_weights		jsonb
);
COMMENT ON TABLE durable.task_queue IS 'limits of task queues';

/* Payloads too large to be kept among the events: written once, never again. */
CREATE SEQUENCE durable.payload_id_seq;
COMMENT ON SEQUENCE durable.payload_id_seq IS 'numbers of large payloads';
CREATE TABLE durable.payload (
	payload_id	int8 PRIMARY KEY,
	run_id		uuid NOT NULL,
	data		jsonb NOT NULL
);
CREATE INDEX payload_run_idx ON durable.payload (run_id);
COMMENT ON TABLE durable.payload IS 'large payloads, by reference from events and messages';

/* What workflows publish with wf_set. */
CREATE TABLE durable.state (
	run_id	uuid NOT NULL,
	key		text NOT NULL,
	owner	regrole NOT NULL,
	value	jsonb,
	set_at	timestamptz NOT NULL,
	CONSTRAINT state_pkey PRIMARY KEY (run_id, key)
);
COMMENT ON TABLE durable.state IS 'state published by wf_set';

/*
 * The texts that workflow functions have had.  A run goes on with the one it
 * began with; where the function has another by now, by a clone.  A text that
 * has rights of its own is another one if its owner is.
 */
CREATE TABLE durable.version (
	function	text NOT NULL,					-- as in durable.execution
	version		int4 NOT NULL,
	fingerprint	bytea NOT NULL,					-- of the definition
	definition	text NOT NULL,					-- pg_get_functiondef(), all qualified
	owner		regrole NOT NULL,				-- of the function
	definer		boolean NOT NULL,				-- it is SECURITY DEFINER
	untrusted	boolean NOT NULL,				-- its language is
	created_at	timestamptz NOT NULL,
	CONSTRAINT version_pkey PRIMARY KEY (function, version)
);
CREATE UNIQUE INDEX version_fingerprint_key ON durable.version
	(function, fingerprint, (CASE WHEN definer OR untrusted THEN owner::oid ELSE 0::oid END));
COMMENT ON TABLE durable.version IS 'texts of workflow functions';

/*
 * Functions in this schema that are clones of a version.  There may be several:
 * who makes one does not wait for others who do, see clone.c.
 */
CREATE SEQUENCE durable.clone_seq;
COMMENT ON SEQUENCE durable.clone_seq IS 'numbers that clones are named by';
CREATE TABLE durable.clone (
	clone		text NOT NULL,					-- its name
	function	text NOT NULL,
	version		int4 NOT NULL,
	CONSTRAINT clone_pkey PRIMARY KEY (clone)
);
CREATE INDEX clone_version_idx ON durable.clone (function, version);
COMMENT ON TABLE durable.clone IS 'clones of versions of workflow functions';

/*
 * Request ids of signals, so that a repeated call signals once, also where the
 * run has gone on as another one meanwhile.
 */
CREATE TABLE durable.signal_request (
	run_id			uuid NOT NULL,		-- with which it is deleted
	request_id		text NOT NULL,
	first_run_id	uuid NOT NULL,		-- as in durable.execution
	CONSTRAINT signal_request_pkey PRIMARY KEY (run_id, request_id),
	CONSTRAINT signal_request_key UNIQUE (first_run_id, request_id)
);
COMMENT ON TABLE durable.signal_request IS 'request ids of signals already taken';

/*
 * Request ids of starts whose answer was a run that was there before.  Those of
 * the others are with their runs.
 */
CREATE TABLE durable.start_request (
	namespace	text NOT NULL,
	request_id	text NOT NULL,
	run_id		uuid NOT NULL,			-- with which it is deleted
	CONSTRAINT start_request_pkey PRIMARY KEY (namespace, request_id)
);
CREATE INDEX start_request_run_idx ON durable.start_request (run_id);
COMMENT ON TABLE durable.start_request IS 'request ids of starts that found their workflow running';

/*
 * Which cluster and database these rows belong to, written at first use.  A
 * dump carries it along, so a restored or cloned database can tell that it is
 * not the one its runs were started in.  Where several transactions start the
 * first run at the same time each writes a row, and none waits for another.
 */
CREATE TABLE durable.identity (
	entry				uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	system_identifier	int8 NOT NULL,
	database_oid		oid NOT NULL
);
COMMENT ON TABLE durable.identity IS 'the cluster and database whose runs these are';

/*
 * What the names of NOTIFY's channels are made with, so that nobody guesses
 * them (notify.c).  No dump takes it along.
 */
CREATE TABLE durable.secret (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	value		uuid NOT NULL
);
COMMENT ON TABLE durable.secret IS 'makes the names of channels unguessable';
INSERT INTO durable.secret (value) VALUES (pg_catalog.gen_random_uuid());

-- it comes with COPY where a dump is restored, and the scheduler has looked by then
CREATE FUNCTION durable.identity_came()
RETURNS trigger AS 'MODULE_PATHNAME', 'durable_identity_came' LANGUAGE C;
COMMENT ON FUNCTION durable.identity_came() IS 'has the scheduler see whose runs these are';
REVOKE ALL ON FUNCTION durable.identity_came() FROM PUBLIC;
CREATE TRIGGER identity_came AFTER INSERT ON durable.identity
	FOR EACH STATEMENT EXECUTE FUNCTION durable.identity_came();
ALTER TABLE durable.identity ENABLE ALWAYS TRIGGER identity_came;

-- runs that come by replication are run where they come from (identity.c)
CREATE FUNCTION durable.replicated()
RETURNS trigger AS 'MODULE_PATHNAME', 'durable_replicated' LANGUAGE C;
COMMENT ON FUNCTION durable.replicated() IS 'notes that runs of another database come here';
REVOKE ALL ON FUNCTION durable.replicated() FROM PUBLIC;
CREATE TRIGGER replicated BEFORE INSERT ON durable.execution FOR EACH ROW EXECUTE FUNCTION durable.replicated();
CREATE TRIGGER replicated BEFORE INSERT ON durable.identity FOR EACH ROW EXECUTE FUNCTION durable.replicated();
CREATE TRIGGER replicated BEFORE INSERT ON durable.secret FOR EACH ROW EXECUTE FUNCTION durable.replicated();
ALTER TABLE durable.execution ENABLE REPLICA TRIGGER replicated;
ALTER TABLE durable.secret ENABLE REPLICA TRIGGER replicated;
ALTER TABLE durable.identity ENABLE REPLICA TRIGGER replicated;

DO $$
BEGIN
	ALTER TABLE durable.history ALTER COLUMN events SET COMPRESSION lz4;
	ALTER TABLE durable.message ALTER COLUMN payload SET COMPRESSION lz4;
	ALTER TABLE durable.activity ALTER COLUMN input SET COMPRESSION lz4;
	ALTER TABLE durable.activity ALTER COLUMN details SET COMPRESSION lz4;
	ALTER TABLE durable.payload ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;						-- a server built without lz4 keeps pglz
END $$;

SELECT pg_catalog.pg_extension_config_dump('durable.execution', '');
SELECT pg_catalog.pg_extension_config_dump('durable.closed', '');
SELECT pg_catalog.pg_extension_config_dump('durable.history', '');
SELECT pg_catalog.pg_extension_config_dump('durable.message_seq', '');
SELECT pg_catalog.pg_extension_config_dump('durable.message', '');
SELECT pg_catalog.pg_extension_config_dump('durable.timer', '');
SELECT pg_catalog.pg_extension_config_dump('durable.activity', '');
SELECT pg_catalog.pg_extension_config_dump('durable.attempt', '');
SELECT pg_catalog.pg_extension_config_dump('durable.task_queue', '');
SELECT pg_catalog.pg_extension_config_dump('durable.payload_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('durable.payload', '');
SELECT pg_catalog.pg_extension_config_dump('durable.state', '');
SELECT pg_catalog.pg_extension_config_dump('durable.version', '');
SELECT pg_catalog.pg_extension_config_dump('durable.clone_seq', '');
SELECT pg_catalog.pg_extension_config_dump('durable.clone', '');
SELECT pg_catalog.pg_extension_config_dump('durable.signal_request', '');
SELECT pg_catalog.pg_extension_config_dump('durable.start_request', '');
SELECT pg_catalog.pg_extension_config_dump('durable.identity', '');
