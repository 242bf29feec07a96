/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Limits of task queues, as wf_set_task_queue() sets them.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "shared/shmem.h"
#include "store/limits.h"
#include "store/store.h"

/*
 * The limits of a queue; false where it has none, and then they are 0
 */
bool
limits_read(int64 queue, MemoryContext context, TaskLimits *limits, Jsonb **weights)
{
	static Statement statement = {
		"SELECT q.rate_limit, q.per_key_rate_limit, q.max_concurrent, q.max_concurrent_per_key, q.fairness_weights"
		" FROM durable.task_queue q WHERE q.queue = $1",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(queue);
	MemoryContext old;

	memset(limits, 0, sizeof(TaskLimits));
	*weights = NULL;
	if (store_execute(&statement, &value, NULL) == 0)
		return false;
	limits->rate = store_is_null(0, 1) ? 0 : DatumGetFloat8(store_value(0, 1));
	limits->per_key_rate = store_is_null(0, 2) ? 0 : DatumGetFloat8(store_value(0, 2));
	limits->concurrency = DatumGetInt32(store_value(0, 3));
	limits->per_key_concurrency = DatumGetInt32(store_value(0, 4));
	old = MemoryContextSwitchTo(context);
	*weights = store_is_null(0, 5) ? NULL : DatumGetJsonbPCopy(store_value(0, 5));
	MemoryContextSwitchTo(old);
	return true;
}

static bool
has_none(const QueueLimits *q)
{
	return q->limits.rate == 0 && q->limits.per_key_rate == 0 && q->limits.concurrency == 0 &&
		q->limits.per_key_concurrency == 0 && !q->weights;
}

/*
 * Set the limits of a queue, all of them
 */
void
limits_write(const QueueLimits *q)
{
	static Statement delete = {
		"DELETE FROM durable.task_queue q WHERE q.queue = $1", 1, {INT8OID}
	};
	static Statement statement = {
		"INSERT INTO durable.task_queue (queue, namespace, task_queue, external, owner,"
		" rate_limit, per_key_rate_limit, max_concurrent, max_concurrent_per_key, fairness_weights)"
		" VALUES ($1, $2, $3, $4, $5::pg_catalog.oid, $6, $7, $8, $9, $10) ON CONFLICT (queue) DO UPDATE"
		" SET rate_limit = excluded.rate_limit, per_key_rate_limit = excluded.per_key_rate_limit,"
		" max_concurrent = excluded.max_concurrent, max_concurrent_per_key = excluded.max_concurrent_per_key,"
		" fairness_weights = excluded.fairness_weights",
		10, {INT8OID, TEXTOID, TEXTOID, BOOLOID, OIDOID, FLOAT8OID, FLOAT8OID, INT4OID, INT4OID, JSONBOID}
	};
	Datum		values[10] = {
		Int64GetDatum(q->queue), PointerGetDatum(q->namespace), PointerGetDatum(q->task_queue),
		BoolGetDatum(q->external), ObjectIdGetDatum(q->owner), Float8GetDatum(q->limits.rate),
		Float8GetDatum(q->limits.per_key_rate), Int32GetDatum(q->limits.concurrency),
		Int32GetDatum(q->limits.per_key_concurrency), PointerGetDatum(q->weights)
	};
	char		nulls[10] = {
		' ', ' ', q->task_queue ? ' ' : 'n', ' ', ' ', q->limits.rate > 0 ? ' ' : 'n',
		q->limits.per_key_rate > 0 ? ' ' : 'n', q->limits.concurrency > 0 ? ' ' : 'n',
		q->limits.per_key_concurrency > 0 ? ' ' : 'n', q->weights ? ' ' : 'n'
	};

	if (has_none(q))
		store_execute(&delete, values, NULL);
	else
		store_execute(&statement, values, nulls);
}
