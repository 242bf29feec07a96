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

CREATE FUNCTION durable.event_type_name(type int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_event_type_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.event_type_name(int2) IS 'the name of an event type, as in wf_events.event_type';

CREATE FUNCTION durable.status_name(status int2) RETURNS text
AS 'MODULE_PATHNAME', 'durable_status_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION durable.status_name(int2) IS 'the name of a closed status, as in wf_executions.status';
