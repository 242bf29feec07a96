/*-------------------------------------------------------------------------
 *
 * testrun.c
 *	  What is to be done for the runs of a test.
 *
 *	  The statements of mailbox.c, timer.c and activity_scan.c that look for work
 *	  look through all runs there are; those here look at the given ones only.
 *	  Times are made expressions, so that no index by time is chosen, which has what
 *	  is due for all runs.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/activity.h"
#include "store/message.h"
#include "store/store.h"
#include "store/testrun.h"
#include "utils/builtins.h"

/*
 * Those that have mail, in the order of their oldest message
 */
int
testrun_with_mail(const pg_uuid_t *run_ids, int count, MemoryContext context, pg_uuid_t **result)
{
	static Statement statement = {
		"SELECT m.run_id FROM durable.message m WHERE m.run_id = ANY ($1) GROUP BY m.run_id ORDER BY pg_catalog.min(m.seq)",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);
	int			n = (int) store_execute(&statement, &ids, NULL);

	*result = MemoryContextAlloc(context, Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
		(*result)[i] = *DatumGetUUIDP(store_value(i, 1));
	return n;
}

/*
 * Activities that a worker could claim, in order of priority
 */
int
testrun_tasks(const pg_uuid_t *run_ids, int count, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.run_id = ANY ($1) AND a.place IS NOT NULL"
		" ORDER BY a.priority, a.queued_at, a.run_id, a.command",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	return activity_from_rows(store_execute(&statement, &ids, NULL), context, result);
}

/*
 * Activities for which something falls due
 */
int
testrun_due_activities(const pg_uuid_t *run_ids, int count, TimestampTz now, MemoryContext context,
					   Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.run_id = ANY ($1) AND a.check_at + '0'::pg_catalog.interval <= $2"
		" ORDER BY a.check_at, a.run_id, a.command FOR NO KEY UPDATE",
		2, {UUIDARRAYOID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {uuid_array(run_ids, count), TimestampTzGetDatum(now)};

	return activity_from_rows(store_execute(&statement, values, NULL), context, result);
}

/*
 * Turn timers that are due into messages, as timer_fire() does
 */
void
testrun_fire_timers(const pg_uuid_t *run_ids, int count, TimestampTz now)
{
	static Statement statement = {
		"WITH fired AS (DELETE FROM durable.timer t WHERE t.run_id = ANY ($1) AND t.fire_at + '0'::pg_catalog.interval <= $2 AND t.kind <> " CppAsString2(KIND_SWEEP)
		"  RETURNING t.*)"
		" INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, command)"
		" SELECT f.owner, pg_catalog.nextval('durable.message_seq'), f.run_id, f.kind, false, $2,"
		"  CASE WHEN f.command > 0 THEN f.command END"
		" FROM (SELECT * FROM fired ORDER BY fired.fire_at, fired.run_id, fired.command) f",
		2, {UUIDARRAYOID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {uuid_array(run_ids, count), TimestampTzGetDatum(now)};

	store_execute(&statement, values, NULL);
}

/*
 * When something falls due next, DT_NOEND for never
 */
TimestampTz
testrun_next_deadline(const pg_uuid_t *run_ids, int count)
{
	static Statement statement = {
		"SELECT LEAST((SELECT pg_catalog.min(t.fire_at + '0'::pg_catalog.interval) FROM durable.timer t WHERE t.run_id = ANY ($1) AND t.kind <> " CppAsString2(KIND_SWEEP) "),"
		" (SELECT pg_catalog.min(a.check_at + '0'::pg_catalog.interval) FROM durable.activity a WHERE a.run_id = ANY ($1)))",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	store_execute(&statement, &ids, NULL);
	return store_is_null(0, 1) ? DT_NOEND : DatumGetTimestampTz(store_value(0, 1));
}

static char *
text_column(int column)
{
	return store_is_null(0, column) ? NULL : TextDatumGetCString(store_value(0, column));
}

/*
 * Where a run is; false where there is none
 */
bool
testrun_place(const pg_uuid_t *run_id, MemoryContext context, RunPlace *place)
{
	static Statement statement = {
		"SELECT e.workflow_id, true, e.waiting_for, e.waiting_at, e.waiting_since::pg_catalog.text"
		" FROM durable.execution e WHERE e.run_id = $1"
		" UNION ALL SELECT c.workflow_id, false, NULL, NULL, NULL FROM durable.closed c WHERE c.run_id = $1",
		1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;

	if (store_execute(&statement, &id, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	place->workflow_id = text_column(1);
	place->open = DatumGetBool(store_value(0, 2));
	place->waiting_for = text_column(3);
	place->waiting_at = text_column(4);
	place->waiting_since = text_column(5);
	MemoryContextSwitchTo(old);
	return true;
}
