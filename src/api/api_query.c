/*-------------------------------------------------------------------------
 *
 * api_query.c
 *	  wf_query and wf_describe: reading one run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "store/find.h"
#include "store/store.h"
#include "utils/builtins.h"

static Jsonb *
fetch(Statement *statement, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;
	Jsonb	   *result = NULL;

	store_begin(&scope);
	if (store_execute(statement, values, NULL) > 0 && !store_is_null(0, 1))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		result = DatumGetJsonbPCopy(store_value(0, 1));
		MemoryContextSwitchTo(old);
	}
	store_end(&scope);
	return result;
}

/* Where the run waits: function, line, for what, since when */
static Statement stack = {
	"SELECT pg_catalog.jsonb_build_object('waiting_for', e.waiting_for, 'waiting_at', e.waiting_at,"
	" 'waiting_since', e.waiting_since) FROM durable.execution e WHERE e.run_id = $1",
	1, {UUIDOID}
};

static Statement state = {
	"SELECT s.value FROM durable.state s WHERE s.run_id = $1 AND s.key = $2", 2, {UUIDOID, TEXTOID}
};

static Statement describe_open = {
	"SELECT pg_catalog.jsonb_build_object('namespace', e.namespace, 'workflow_id', e.workflow_id,"
	" 'run_id', e.run_id, 'workflow', e.workflow, 'function', e.function,"
	" 'status', CASE WHEN e.paused_at IS NULL THEN 'running' ELSE 'paused' END,"
	" 'owner', e.owner, 'started_at', e.started_at, 'attempt', e.attempt,"
	" 'first_run_id', COALESCE(e.first_run_id, e.run_id), 'continued_from', e.continued_from,"
	" 'history_events', e.next_event OPERATOR(pg_catalog.-) 1, 'history_bytes', e.history_bytes,"
	" 'execution_deadline', e.execution_deadline, 'run_timeout', e.run_timeout, 'retry', e.retry,"
	" 'memo', e.memo, 'search_attributes', e.search_attributes,"
	" 'waiting_for', e.waiting_for, 'waiting_at', e.waiting_at, 'waiting_since', e.waiting_since,"
	" 'paused_at', e.paused_at, 'pause_reason', e.pause_reason,"
	" 'turn_failures', e.turn_failures, 'turn_error', e.turn_error, 'turn_retry_at', e.turn_retry_at,"
	" 'unread_messages', (SELECT pg_catalog.count(*) FROM durable.message m WHERE m.run_id = e.run_id),"
	" 'pending_activities', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"   'command', a.command, 'activity', a.name, 'activity_id', COALESCE(a.activity_id, a.command::pg_catalog.text),"
	"   'mode', durable.activity_mode(a), 'task_queue', a.task_queue, 'state', durable.activity_state(a),"
	"   'attempt', a.attempt, 'max_attempts', a.retry OPERATOR(pg_catalog.->) 'max_attempts',"
	"   'scheduled_at', a.scheduled_at, 'started_at', a.started_at, 'worker', a.worker,"
	"   'heartbeat_at', a.heartbeat_at, 'heartbeat_details', a.details,"
	"   'next_attempt_at', a.next_attempt_at, 'last_failure', a.last_failure) ORDER BY a.command)"
	"  FROM durable.activity a WHERE a.run_id = e.run_id), '[]'),"
	" 'pending_updates', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"   'update_id', u.update_id, 'update', u.name, 'state', durable.update_state_name(u.state),"
	"   'requested_at', u.requested_at, 'accepted_at', u.accepted_at) ORDER BY u.requested_at)"
	"  FROM durable.update u WHERE u.run_id = e.run_id AND u.completed_at IS NULL), '[]'),"
	" 'timers', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"   'command', t.command, 'fire_at', t.fire_at) ORDER BY t.fire_at)"
	"  FROM durable.timer t WHERE t.run_id = e.run_id AND t.kind = 4), '[]'),"
	" 'parent_run_id', e.parent_run_id, 'parent_workflow_id', e.parent_workflow_id,"
	" 'children', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"   'command', c.parent_command, 'workflow_id', c.workflow_id, 'run_id', c.run_id, 'workflow', c.workflow,"
	"   'status', CASE WHEN c.paused_at IS NULL THEN 'running' ELSE 'paused' END) ORDER BY c.parent_command)"
	"  FROM durable.execution c WHERE c.parent_run_id = e.run_id), '[]'))"
	" FROM durable.execution e WHERE e.run_id = $1",
	1, {UUIDOID}
};

static Statement describe_closed = {
	"SELECT pg_catalog.jsonb_build_object('namespace', c.namespace, 'workflow_id', c.workflow_id,"
	" 'run_id', c.run_id, 'workflow', c.workflow, 'function', c.function,"
	" 'status', durable.status_name(c.status), 'owner', c.owner, 'started_at', c.started_at,"
	" 'closed_at', c.closed_at, 'attempt', c.attempt, 'first_run_id', COALESCE(c.first_run_id, c.run_id),"
	" 'continued_from', c.continued_from, 'next_run_id', c.next_run_id,"
	" 'history_events', c.history_events, 'history_bytes', c.history_bytes,"
	" 'memo', c.memo, 'search_attributes', c.search_attributes,"
	" 'pending_activities', '[]'::pg_catalog.jsonb, 'pending_updates', '[]'::pg_catalog.jsonb, 'timers', '[]'::pg_catalog.jsonb,"
	" 'parent_run_id', c.parent_run_id, 'parent_workflow_id', c.parent_workflow_id,"
	" 'children', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"   'command', e.parent_command, 'workflow_id', e.workflow_id, 'run_id', e.run_id, 'workflow', e.workflow,"
	"   'status', CASE WHEN e.paused_at IS NULL THEN 'running' ELSE 'paused' END) ORDER BY e.parent_command)"
	"  FROM durable.execution e WHERE e.parent_run_id = c.run_id), '[]'))"
	" FROM durable.closed c WHERE c.run_id = $1",
	1, {UUIDOID}
};

static Jsonb *
describe(const Found *run)
{
	Datum		value = UUIDPGetDatum(&run->run_id);
	Jsonb	   *result = fetch(&describe_open, &value);

	return result ? result : fetch(&describe_closed, &value);
}

/* wf_describe(id, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_describe);
Datum
wf_describe(PG_FUNCTION_ARGS)
{
	Found		run;
	Jsonb	   *result;

	refuse_in_code("wf_describe()", NULL);
	run = named_run(fcinfo, 0, 1, 2);
	result = describe(&run);
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_query(id, query, args, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_query);
Datum
wf_query(PG_FUNCTION_ARGS)
{
	text	   *query = arg_id(fcinfo, 1, "query", true);
	char	   *name = text_to_cstring(query);
	Found		run;
	Datum		values[2];
	Jsonb	   *result;

	refuse_in_code("wf_query()", "Query the other workflow in an activity.");
	run = named_run(fcinfo, 0, 3, 4);
	values[0] = UUIDPGetDatum(&run.run_id);
	values[1] = PointerGetDatum(query);
	if (strcmp(name, "__stack") == 0)
		result = fetch(&stack, values);
	else if (strcmp(name, "__info") == 0)
		result = describe(&run);
	else if (strncmp(name, "__", 2) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized built-in query \"%s\"", name),
				 errhint("Built in are __stack and __info.")));
	else
		result = fetch(&state, values);
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}
