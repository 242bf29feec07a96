/*
 * One event of a run's history.  Its id is the first_event of its row plus
 * its position.  The columns common to many types are typed; the rest is in
 * attributes.  A large payload is in durable.payload, and payload_id names it.
 */
CREATE TYPE durable.event AS (
	type		int2,			-- durable.event_type_name()
	at			timestamptz,
	command		int4,			-- the workflow call it belongs to, by number
	name		text,			-- activity, signal, timer ...
	payload		jsonb,			-- input, result, signal payload
	payload_id	int8,
	attributes	jsonb
);
COMMENT ON TYPE durable.event IS 'one event of a run''s history; wf_events shows it with names';

CREATE FUNCTION durable.event_type_name(type int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_event_type_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_type_name(int2) IS 'the name of an event type, as in wf_events.event_type';

CREATE FUNCTION durable.event_type_number(name text) RETURNS int2
AS 'MODULE_PATHNAME', 'durable_event_type_number' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_type_number IS 'the inverse of durable.event_type_name()';

CREATE FUNCTION durable.event_name_key(type int2, wait text DEFAULT NULL) RETURNS text
AS 'MODULE_PATHNAME', 'durable_event_name_key' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_name_key IS 'the attribute that is an event''s name; of a timer, what its own attributes say it waits for';

CREATE FUNCTION durable.event_payload_key(type int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_event_payload_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_payload_key IS 'the attribute that is an event''s payload';

CREATE FUNCTION durable.event_rest_key(type int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_event_rest_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_rest_key IS 'the attribute that is all of an event''s own attributes; NULL: they are among the others';

CREATE FUNCTION durable.message_kind_name(kind int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_message_kind_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.message_kind_name IS 'the name of a kind of message or timer, as in wf_timers.kind';

CREATE FUNCTION durable.message_kind_number(name text) RETURNS int2
AS 'MODULE_PATHNAME', 'durable_message_kind_number' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.message_kind_number IS 'the inverse of durable.message_kind_name()';

CREATE FUNCTION durable.status_name(status int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_status_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.status_name(int2) IS 'the name of a closed status, as in wf_executions.status';
