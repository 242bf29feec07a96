/*-------------------------------------------------------------------------
 *
 * export.c
 *	  Histories that were exported as JSON: an array of rows of wf_history().
 *
 *	  durable.event_of() is the inverse of durable.event_attributes().  Rows of
 *	  one turn become a row of the history again.  The event that closed a run is
 *	  set apart: for the code the history ends before it.
 *
 *	  An export may have been made by anybody, so what the engine takes for
 *	  granted of its own events is checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "closed.h"
#include "export.h"
#include "find.h"
#include "json.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define EXPORTED " FROM pg_catalog.jsonb_to_recordset($1) AS t(run_id uuid, event_id int8, event_type text, at timestamptz," \
	" attributes jsonb, turn int8, turn_at timestamptz, mail boolean, ran boolean, goes_on boolean, has_payload boolean)"
#define EVENT	"durable.event_of(t.event_type, t.at, t.attributes, t.has_payload)"
/* workflow_completed to workflow_continued_as_new */
#define CLOSES	"durable.event_type_number(t.event_type) BETWEEN 2 AND 7"

static void
not_an_export(const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"history\" %s", why),
			 errhint("Export whole rows of wf_history(): SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('id') h.")));
}

static void
read_rows(Datum history, MemoryContext context, Export *result)
{
	static Statement statement = {
		"SELECT t.turn, pg_catalog.min(t.turn_at), (pg_catalog.count(*) FILTER (WHERE t.mail AND NOT " CLOSES "))::pg_catalog.int4,"
		" pg_catalog.bool_and(t.ran), pg_catalog.bool_and(t.goes_on),"
		" COALESCE(pg_catalog.array_agg(" EVENT " ORDER BY t.event_id) FILTER (WHERE NOT " CLOSES "), '{}'),"
		" pg_catalog.min(t.run_id::pg_catalog.text)::pg_catalog.uuid" EXPORTED " GROUP BY t.turn ORDER BY t.turn",
		1, {JSONBOID}
	};
	MemoryContext old;

	result->nrows = (int) store_execute(&statement, &history, NULL);
	old = MemoryContextSwitchTo(context);
	result->rows = palloc0(Max(result->nrows, 1) * sizeof(HistoryRow));
	for (int i = 0; i < result->nrows; i++)
	{
		HistoryRow *row = &result->rows[i];

		for (int column = 1; column <= 5; column++)
			if (store_is_null(i, column))
				not_an_export("does not tell its turns");
		row->first_event = (int32) DatumGetInt64(store_value(i, 1));
		row->turn_at = DatumGetTimestampTz(store_value(i, 2));
		row->mail = DatumGetInt32(store_value(i, 3));
		row->ran = DatumGetBool(store_value(i, 4));
		row->goes_on = DatumGetBool(store_value(i, 5));
		row->events = DatumGetArrayTypePCopy(store_value(i, 6));
		if (i == 0 && !store_is_null(i, 7))
			result->run_id = *DatumGetUUIDP(store_value(i, 7));
	}
	MemoryContextSwitchTo(old);
}

static void
read_closing(Datum history, MemoryContext context, Export *result)
{
	static Statement statement = {
		"SELECT durable.event_type_number(t.event_type), t.event_id, (" EVENT ").payload, (" EVENT ").attributes" EXPORTED
		" WHERE " CLOSES " ORDER BY t.event_id DESC LIMIT 1",
		1, {JSONBOID}
	};
	MemoryContext old;

	result->closed = store_execute(&statement, &history, NULL) > 0;
	if (!result->closed)
		return;
	old = MemoryContextSwitchTo(context);
	memset(&result->closing, 0, sizeof(Event));
	result->closing.type = (EventType) DatumGetInt16(store_value(0, 1));
	result->closing_id = (int) DatumGetInt64(store_value(0, 2));
	if (!store_is_null(0, 3))
		result->closing.payload = DatumGetJsonbPCopy(store_value(0, 3));
	if (!store_is_null(0, 4))
		result->closing.attributes = DatumGetJsonbPCopy(store_value(0, 4));
	MemoryContextSwitchTo(old);
}

static bool
has_object(const Event *event, const char *key)
{
	JsonbValue *value = json_find(event->attributes, key);

	return value && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/*
 * Has an event all that the engine takes for granted?
 */
static bool
is_complete(const Event *event)
{
	switch (event->type)
	{
		case EVENT_WORKFLOW_STARTED:
			return event->payload != NULL;
		case EVENT_WORKFLOW_SIGNALED:
		case EVENT_ACTIVITY_SCHEDULED:
		case EVENT_UPDATE_ACCEPTED:
		case EVENT_CHILD_INITIATED:
		case EVENT_SIGNAL_EXTERNAL_INITIATED:
		case EVENT_MARKER_RECORDED:
		case EVENT_WORKFLOW_TIMEOUT_REACHED:
			return event->name != NULL;
		case EVENT_SEARCH_ATTRIBUTES_UPSERTED:
			return has_object(event, "search_attributes");
		case EVENT_MEMO_UPSERTED:
			return has_object(event, "memo");
		default:
			return true;
	}
}

/*
 * Refuse events that no run can have
 */
static void
check_events(const Export *export)
{
	for (int i = 0; i < export->nrows; i++)
	{
		Event	   *events;
		int			n = event_array_deform(export->rows[i].events, &events);

		for (int j = 0; j < n; j++)
		{
			bool		first = i == 0 && j == 0;

			if (first != (events[j].type == EVENT_WORKFLOW_STARTED))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("event %d of \"history\" is %s", export->rows[i].first_event + j,
								event_type_name(events[j].type)),
						 errdetail("The first event is workflow_started, and no other one.")));
			if (!is_complete(&events[j]))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("event %d of \"history\", %s, is not complete",
								export->rows[i].first_event + j, event_type_name(events[j].type))));
		}
	}
}

/*
 * Where the random numbers of a run come from that was reset
 */
static void
read_seed(Datum history, MemoryContext context, Export *result)
{
	static Statement statement = {
		"SELECT (COALESCE(t.attributes->>'seed', t.attributes->>'original_run_id'))::pg_catalog.uuid" EXPORTED
		" WHERE t.event_type = 'workflow_reset' ORDER BY t.event_id DESC LIMIT 1",
		1, {JSONBOID}
	};

	if (store_execute(&statement, &history, NULL) == 0 || store_is_null(0, 1))
		return;
	result->seed = MemoryContextAlloc(context, sizeof(pg_uuid_t));
	*result->seed = *DatumGetUUIDP(store_value(0, 1));
}

/*
 * Read an export, into the current memory context
 */
void
export_read(Jsonb *history, Export *result)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;

	memset(result, 0, sizeof(Export));
	if (!JB_ROOT_IS_ARRAY(history) || JB_ROOT_IS_SCALAR(history))
		not_an_export("is not a JSON array");
	store_begin(&scope);
	read_rows(JsonbPGetDatum(history), context, result);
	read_closing(JsonbPGetDatum(history), context, result);
	check_events(result);
	read_seed(JsonbPGetDatum(history), context, result);
	store_end(&scope);
	if (result->nrows == 0)
		not_an_export("is empty");
}

/*
 * The run of an export, for what wf_info() tells: as it is in this database if
 * the caller may see it, or else made up
 */
void
export_run(const Export *export, Oid caller, Execution *e)
{
	MemoryContext context = CurrentMemoryContext;
	Execution  *found;
	Execution	closed;
	RunStatus	status;
	Found		run;
	StoreScope	scope;

	memset(e, 0, sizeof(Execution));
	e->run_id = export->run_id;
	e->attempt = 1;
	e->started_at = export->rows[0].turn_at;
	e->execution_deadline = DT_NOEND;
	e->waiting_since = e->turn_retry_at = e->paused_at = DT_NOEND;
	e->namespace = cstring_to_text("default");
	e->workflow = cstring_to_text("replay");
	e->workflow_id = cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&e->run_id))));
	store_begin(&scope);
	if (find_run(&e->run_id, &run) && run.status == STATUS_RUNNING)
	{
		if (has_privs_of_role(caller, run.owner) &&
			execution_read(&e->run_id, 1, false, context, &found) > 0)
			*e = *found;
	}
	else if (closed_read(&e->run_id, context, &closed, &status) && has_privs_of_role(caller, closed.owner))
		*e = closed;
	store_end(&scope);
	if (!e->seed)
		e->seed = export->seed;
}
