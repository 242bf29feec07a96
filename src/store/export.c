/*-------------------------------------------------------------------------
 *
 * export.c
 *	  Histories that were exported as JSON: an array of rows of wf_history().
 *
 *	  durable.event_of() is the inverse of durable.event_attributes().  Rows of
 *	  one turn become a row of the history again.  The event that closed a run is
 *	  set apart: for the code the history ends before it.
 *
 *	  An export may have been made by anybody.  Whether its rows are turns of one
 *	  run is checked here, and what they tell in export_check.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/execution.h"
#include "store/export.h"
#include "store/export_check.h"
#include "store/find.h"
#include "store/history.h"
#include "store/store.h"
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

/*
 * Do the rows of a turn make one, that begins with the event after those of the
 * turns before?  The event that closed the run does not count.  Returns how many
 * events it has.
 */
static int
check_turn(int row, int before)
{
	int64		count = DatumGetInt64(store_value(row, 8));

	if (DatumGetInt64(store_value(row, 1)) != before + 1 ||
		(count > 0 && (DatumGetInt64(store_value(row, 9)) != before + 1 || DatumGetInt64(store_value(row, 10)) != before + count ||
					   DatumGetInt64(store_value(row, 11)) != count)))
		not_an_export("has gaps, or events twice: those of each turn follow on those before, and \"turn\" is the first");
	if (!store_is_null(row, 12) && DatumGetInt64(store_value(row, 12)) != before + DatumGetInt32(store_value(row, 3)))
		not_an_export("has mail that does not come first in its turn");
	if (TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(store_value(row, 2))))
		not_an_export("has a turn at no time");
	return (int) count;
}

/*
 * Returns how many events there are, but for the one that closed the run
 */
static int
read_rows(Datum history, MemoryContext context, Export *result)
{
	static Statement statement = {
		"SELECT t.turn, pg_catalog.min(t.turn_at), (pg_catalog.count(*) FILTER (WHERE t.mail AND NOT " CLOSES "))::pg_catalog.int4,"
		" pg_catalog.bool_and(t.ran), pg_catalog.bool_and(t.goes_on),"
		" COALESCE(pg_catalog.array_agg(" EVENT " ORDER BY t.event_id) FILTER (WHERE NOT " CLOSES "), '{}'),"
		" pg_catalog.min(t.run_id::pg_catalog.text)::pg_catalog.uuid,"
		" pg_catalog.count(*) FILTER (WHERE NOT " CLOSES "), pg_catalog.min(t.event_id) FILTER (WHERE NOT " CLOSES "),"
		" pg_catalog.max(t.event_id) FILTER (WHERE NOT " CLOSES "), pg_catalog.count(DISTINCT t.event_id) FILTER (WHERE NOT " CLOSES "),"
		" pg_catalog.max(t.event_id) FILTER (WHERE t.mail AND NOT " CLOSES "),"
		" pg_catalog.bool_and(t.at IS NOT NULL AND t.event_type IS NOT NULL AND t.mail IS NOT NULL AND t.event_id IS NOT NULL)"
		EXPORTED " GROUP BY t.turn ORDER BY t.turn",
		1, {JSONBOID}
	};
	MemoryContext old;
	int			found = (int) store_execute(&statement, &history, NULL);
	int			events = 0;

	old = MemoryContextSwitchTo(context);
	result->rows = palloc0(Max(found, 1) * sizeof(HistoryRow));
	for (int i = 0; i < found; i++)
	{
		HistoryRow *row = &result->rows[result->nrows];
		int			first = events;

		for (int column = 1; column <= 5; column++)
			if (store_is_null(i, column))
				not_an_export("does not tell its turns");
		if (!DatumGetBool(store_value(i, 13)))
			not_an_export("has an event without number, type, time or place");
		events += check_turn(i, events);
		row->first_event = first + 1;
		row->turn_at = DatumGetTimestampTz(store_value(i, 2));
		row->mail = DatumGetInt32(store_value(i, 3));
		row->ran = DatumGetBool(store_value(i, 4));
		row->goes_on = DatumGetBool(store_value(i, 5));
		row->events = DatumGetArrayTypePCopy(store_value(i, 6));
		if (i == 0 && !store_is_null(i, 7))
			result->run_id = *DatumGetUUIDP(store_value(i, 7));
		/* but for the event that closed the run there may be none */
		if (ArrayGetNItems(ARR_NDIM(row->events), ARR_DIMS(row->events)) > 0)
			result->nrows++;
	}
	MemoryContextSwitchTo(old);
	if (found == 0)
		not_an_export("is empty");
	return events;
}

/*
 * The event that closed the run comes last.  Where it came from outside, no code
 * ran for it.
 */
static void
check_closing(Export *export, int64 id, int64 turn, int nevents)
{
	HistoryRow *last = &export->rows[export->nrows - 1];

	if (id <= nevents || id > PG_INT32_MAX)
		not_an_export("does not end with the event that closed the run");
	export->closing_id = (int) id;
	if ((export->closing.type == EVENT_WORKFLOW_TIMED_OUT || export->closing.type == EVENT_WORKFLOW_TERMINATED) &&
		turn == last->first_event && last->mail == ArrayGetNItems(ARR_NDIM(last->events), ARR_DIMS(last->events)))
		last->ran = false;
}

static void
read_closing(Datum history, MemoryContext context, Export *result, int nevents)
{
	static Statement statement = {
		"SELECT durable.event_type_number(t.event_type), t.event_id, (" EVENT ").payload, (" EVENT ").attributes, t.turn" EXPORTED
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
	if (!store_is_null(0, 3))
		result->closing.payload = DatumGetJsonbPCopy(store_value(0, 3));
	if (!store_is_null(0, 4))
		result->closing.attributes = DatumGetJsonbPCopy(store_value(0, 4));
	MemoryContextSwitchTo(old);
	check_closing(result, DatumGetInt64(store_value(0, 2)), DatumGetInt64(store_value(0, 5)), nevents);
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
	int			nevents;

	memset(result, 0, sizeof(Export));
	if (!JB_ROOT_IS_ARRAY(history) || JB_ROOT_IS_SCALAR(history))
		not_an_export("is not a JSON array");
	store_begin(&scope);
	nevents = read_rows(JsonbPGetDatum(history), context, result);
	export_check(result, nevents);
	read_closing(JsonbPGetDatum(history), context, result, nevents);
	read_seed(JsonbPGetDatum(history), context, result);
	store_end(&scope);
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
