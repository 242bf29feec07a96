/*-------------------------------------------------------------------------
 *
 * activity_scan.c
 *	  Finding activities: what can be claimed, what is due, what runs.
 *
 *	  Each scan has its index and goes on from where the last one ended, as the
 *	  caller remembers it; see taskqueue.c and scheduler.c.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/activity.h"
#include "store/store.h"

/*
 * Lock and read the next activities of a queue that can be claimed, but for
 * those in other hands, and those that are overdue, which are the scheduler's
 */
int
activity_scan(const ActivityRange *range, int limit, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.queue = $1 AND a.place >= $2"
		" AND (a.place, a.seq) >= ($2, $3) AND a.place < $4 AND (a.check_at IS NULL OR a.check_at > $6)"
		" ORDER BY a.queue, a.place, a.seq LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED",
		6, {INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID}
	};
	static Statement filtered = {
		"SELECT a FROM durable.activity a WHERE a.queue = $1 AND a.place >= $2"
		" AND (a.place, a.seq) >= ($2, $3) AND a.place < $4 AND (a.check_at IS NULL OR a.check_at > $6)"
		" AND a.name = ANY ($7) ORDER BY a.queue, a.place, a.seq LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED",
		7, {INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID, TEXTARRAYOID}
	};
	Datum		values[7] = {
		Int64GetDatum(range->queue), Int64GetDatum(range->from_place), Int64GetDatum(range->from_seq),
		Int64GetDatum(range->to_place), Int32GetDatum(limit), TimestampTzGetDatum(range->now),
		PointerGetDatum(range->names)
	};

	return activity_from_rows(store_execute(range->names ? &filtered : &statement, values, NULL), context, result);
}

/*
 * The same for activities that wait for the limit of a fairness key
 */
int
activity_scan_parked(int64 queue, int32 parked, ArrayType *names, int limit, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.queue = $1 AND a.parked = $2"
		" ORDER BY a.queue, a.parked, a.priority, a.seq LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
		3, {INT8OID, INT4OID, INT4OID}
	};
	static Statement filtered = {
		"SELECT a FROM durable.activity a WHERE a.queue = $1 AND a.parked = $2 AND a.name = ANY ($4)"
		" ORDER BY a.queue, a.parked, a.priority, a.seq LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
		4, {INT8OID, INT4OID, INT4OID, TEXTARRAYOID}
	};
	Datum		values[4] = {Int64GetDatum(queue), Int32GetDatum(parked), Int32GetDatum(limit), PointerGetDatum(names)};

	return activity_from_rows(store_execute(names ? &filtered : &statement, values, NULL), context, result);
}

/*
 * Lock and read those for which something falls due, but for those of the owners
 * in `except'
 */
int
activity_scan_due(TimestampTz from, TimestampTz now, int limit, ArrayType *except, MemoryContext context,
				  Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.check_at >= $1 AND a.check_at <= $2 AND a.owner <> ALL ($4)"
		" ORDER BY a.check_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
		4, {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, OIDARRAYOID}
	};
	Datum		values[4] = {
		TimestampTzGetDatum(from), TimestampTzGetDatum(now), Int32GetDatum(limit), PointerGetDatum(except)
	};

	return activity_from_rows(store_execute(&statement, values, NULL), context, result);
}

/*
 * Lock and read those that run in the server
 */
int
activity_scan_in_server(MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.lease >= -2147483648 AND NOT a.external FOR NO KEY UPDATE SKIP LOCKED",
		0, {0}
	};

	return activity_from_rows(store_execute(&statement, NULL, NULL), context, result);
}

/*
 * The next queue, by its id, that has activities to be claimed, or parked until
 * a limit allows it: an activity of it, of which queue, topic, owner and
 * external are filled in.  `owner': InvalidOid, of any but those in `except'.
 */
bool
activity_next_queue(int64 after, bool external, Oid owner, ArrayType *except, Activity *result)
{
#define OF_THOSE "a.queue > $1 AND a.external = $2 AND ($3 = 0 OR a.owner = $3) AND a.owner <> ALL ($4)"
	static Statement statement = {
		"SELECT n.* FROM ("
		"(SELECT a.queue, a.owner, a.external, a.topic FROM durable.activity a WHERE " OF_THOSE " AND a.place IS NOT NULL"
		" ORDER BY a.queue, a.place, a.seq LIMIT 1)"
		" UNION ALL "
		"(SELECT a.queue, a.owner, a.external, a.topic FROM durable.activity a WHERE " OF_THOSE " AND a.parked IS NOT NULL"
		" ORDER BY a.queue, a.parked, a.priority, a.seq LIMIT 1)) n ORDER BY n.queue LIMIT 1",
		4, {INT8OID, BOOLOID, OIDOID, OIDARRAYOID}
	};
#undef OF_THOSE
	Datum		values[4] = {
		Int64GetDatum(after), BoolGetDatum(external), ObjectIdGetDatum(owner), PointerGetDatum(except)
	};

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	activity_init(result);
	result->queue = DatumGetInt64(store_value(0, 1));
	result->owner = DatumGetObjectId(store_value(0, 2));
	result->external = DatumGetBool(store_value(0, 3));
	result->topic = DatumGetInt64(store_value(0, 4));
	return true;
}

/*
 * When something falls due next, from a time on; DT_NOEND for never
 */
TimestampTz
activity_next_check(TimestampTz from)
{
	static Statement statement = {
		"SELECT a.check_at FROM durable.activity a WHERE a.check_at >= $1 ORDER BY a.check_at LIMIT 1",
		1, {TIMESTAMPTZOID}
	};
	Datum		value = TimestampTzGetDatum(from);

	return store_execute(&statement, &value, NULL) > 0 ?
		DatumGetTimestampTz(store_value(0, 1)) : DT_NOEND;
}

/*
 * The first and the last place in a part of a queue; false where it is empty
 */
bool
activity_bounds(int64 queue, int64 from, int64 to, int64 *first, int64 *last)
{
	static Statement up = {
		"SELECT a.place FROM durable.activity a WHERE a.queue = $1 AND a.place >= $2 AND a.place < $3"
		" ORDER BY a.queue, a.place, a.seq LIMIT 1",
		3, {INT8OID, INT8OID, INT8OID}
	};
	static Statement down = {
		"SELECT a.place FROM durable.activity a WHERE a.queue = $1 AND a.place >= $2 AND a.place < $3"
		" ORDER BY a.queue DESC, a.place DESC, a.seq DESC LIMIT 1",
		3, {INT8OID, INT8OID, INT8OID}
	};
	Datum		values[3] = {Int64GetDatum(queue), Int64GetDatum(from), Int64GetDatum(to)};

	if (store_execute(&up, values, NULL) == 0)
		return false;
	*first = DatumGetInt64(store_value(0, 1));
	if (store_execute(&down, values, NULL) == 0)
		return false;
	*last = DatumGetInt64(store_value(0, 1));
	return true;
}

/*
 * Are there parked tasks in a queue?
 */
bool
activity_any_parked(int64 queue)
{
	static Statement statement = {
		"SELECT 1 FROM durable.activity a WHERE a.queue = $1 AND a.parked IS NOT NULL"
		" ORDER BY a.queue, a.parked, a.priority, a.seq LIMIT 1",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(queue);

	return store_execute(&statement, &value, NULL) > 0;
}

/*
 * Those of a queue that run or are parked
 */
int
activity_read_running(int64 queue, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.queue = $1 AND (a.lease IS NOT NULL OR a.parked IS NOT NULL)",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(queue);

	return activity_from_rows(store_execute(&statement, &value, NULL), context, result);
}
