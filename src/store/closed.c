/*-------------------------------------------------------------------------
 *
 * closed.c
 *	  Closed runs, read again.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/closed.h"
#include "store/execution.h"
#include "store/store.h"
#include "utils/builtins.h"

static void *
get_pointer(int column)
{
	return store_is_null(0, column) ? NULL : PG_DETOAST_DATUM_COPY(store_value(0, column));
}

static void *
get_fixed(int column, Size size)
{
	return store_is_null(0, column) ? NULL : memcpy(palloc(size), DatumGetPointer(store_value(0, column)), size);
}

/*
 * What identifies and shapes a closed run; false where there is none
 */
bool
closed_read(const pg_uuid_t *run_id, MemoryContext context, Execution *e, RunStatus *status)
{
	static Statement statement = {
		"SELECT c.namespace, c.workflow_id, c.owner, c.workflow, c.function, c.settings, c.first_run_id, c.attempt,"
		" c.started_at, c.execution_deadline, c.run_timeout, c.retry, c.memo, c.search_attributes, c.priority,"
		" c.fairness_key, c.weight, c.version, c.seed, c.parent_run_id, c.parent_command, c.parent_close_policy, c.status,"
		" c.continued_from, c.parent_workflow_id"
		" FROM durable.closed c WHERE c.run_id = $1",
		1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;

	if (store_execute(&statement, &id, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(e, 0, sizeof(Execution));
	e->run_id = *run_id;
	e->namespace = get_pointer(1);
	e->workflow_id = get_pointer(2);
	e->owner = DatumGetObjectId(store_value(0, 3));
	e->workflow = get_pointer(4);
	e->function = get_pointer(5);
	e->settings = get_pointer(6);
	e->first_run_id = get_fixed(7, sizeof(pg_uuid_t));
	e->attempt = DatumGetInt32(store_value(0, 8));
	e->started_at = DatumGetTimestampTz(store_value(0, 9));
	e->execution_deadline = store_is_null(0, 10) ? DT_NOEND : DatumGetTimestampTz(store_value(0, 10));
	e->run_timeout = get_fixed(11, sizeof(Interval));
	e->retry = get_pointer(12);
	e->memo = get_pointer(13);
	e->search_attributes = get_pointer(14);
	e->priority = store_is_null(0, 15) ? 0 : DatumGetInt16(store_value(0, 15));
	e->fairness_key = get_pointer(16);
	e->weight = store_is_null(0, 17) ? 0 : DatumGetFloat8(store_value(0, 17));
	e->version = store_is_null(0, 18) ? 0 : DatumGetInt32(store_value(0, 18));
	e->seed = get_fixed(19, sizeof(pg_uuid_t));
	e->parent_run_id = get_fixed(20, sizeof(pg_uuid_t));
	e->parent_command = store_is_null(0, 21) ? 0 : DatumGetInt32(store_value(0, 21));
	e->parent_close_policy = store_is_null(0, 22) ? 0 : DatumGetInt16(store_value(0, 22));
	*status = (RunStatus) DatumGetInt16(store_value(0, 23));
	e->continued_from = get_fixed(24, sizeof(pg_uuid_t));
	e->parent_workflow_id = get_pointer(25);
	e->waiting_since = e->turn_retry_at = e->paused_at = DT_NOEND;
	MemoryContextSwitchTo(old);
	return true;
}
