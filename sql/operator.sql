/* What those who run the engine call.  doc/reference.md describes each. */

CREATE PROCEDURE wf_work(max_turns int DEFAULT NULL, max_time interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'wf_work' LANGUAGE C;
COMMENT ON PROCEDURE wf_work IS 'run workflows of this role in this session, until nothing is left to do now';

CREATE FUNCTION wf_adopt() RETURNS boolean AS 'MODULE_PATHNAME', 'wf_adopt' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_adopt IS 'run the workflows that came with a dump or a copy of another database';
REVOKE ALL ON FUNCTION wf_adopt FROM PUBLIC;

CREATE FUNCTION durable.why_no_worker(owner oid) RETURNS text
AS 'MODULE_PATHNAME', 'durable_why_no_worker' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION durable.why_no_worker IS 'what keeps the workflows of a role from being run, NULL for nothing';

CREATE FUNCTION durable.workers(OUT kind text, OUT database_oid oid, OUT role_oid oid, OUT pid int,
	OUT state text, OUT turns int8, OUT last_turn_at timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'durable_workers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.workers IS 'the processes of the engine in this cluster';

/* The launcher starts a scheduler for this database once this commits. */
CREATE FUNCTION durable.installed() RETURNS void
AS 'MODULE_PATHNAME', 'durable_notice_installed' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION durable.installed IS 'tell the launcher that this database has the extension';
REVOKE ALL ON FUNCTION durable.installed FROM PUBLIC;
