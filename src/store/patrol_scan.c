/*-------------------------------------------------------------------------
 *
 * patrol_scan.c
 *	  What is there to do, for the patrol: a few of each kind.
 *
 *	  Each scan begins at one end of an index and stops after some rows: what is
 *	  in front is what should have gone first.  Only runs that wait for children,
 *	  or for what else they asked for, are gone through in pieces (patrol.c).
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "shared/shmem.h"
#include "store/activity.h"
#include "store/message.h"
#include "store/patrol_scan.h"
#include "store/store.h"
#include "utils/builtins.h"

/* Parents that one look goes through */
#define PARENTS_EACH	200

/*
 * The mail of the next owner, by number, that has any: *owner is the last one.
 * Returns how much, 0 where there is no other owner.
 */
int
patrol_scan_mail(Oid *owner, Sight *sights)
{
	static Statement next = {
		"SELECT m.owner FROM durable.message m WHERE m.owner > $1 ORDER BY m.owner, m.seq LIMIT 1", 1, {OIDOID}
	};
	static Statement statement = {
		"SELECT m.run_id, m.seq FROM durable.message m WHERE m.owner = $1 ORDER BY m.owner, m.seq LIMIT $2",
		2, {OIDOID, INT4OID}
	};
	Datum		values[2] = {ObjectIdGetDatum(*owner), Int32GetDatum(SIGHTS_EACH)};
	int			n;

	if (store_execute(&next, values, NULL) == 0)
		return 0;
	*owner = DatumGetObjectId(store_value(0, 1));
	values[0] = ObjectIdGetDatum(*owner);
	n = (int) store_execute(&statement, values, NULL);
	for (int i = 0; i < n; i++)
		sights[i] = (Sight) {.kind = FOUND_MAIL, .owner = *owner, .run_id = *DatumGetUUIDP(store_value(i, 1)),
		.number = DatumGetInt64(store_value(i, 2))};
	return n;
}

/*
 * The first tasks of a queue, but for those that the scheduler has to look at
 */
int
patrol_scan_places(int64 queue, TimestampTz now, Sight *sights)
{
	static Statement statement = {
		"SELECT a.run_id, a.command, a.owner, a.seq FROM durable.activity a"
		" WHERE a.queue = $1 AND a.place IS NOT NULL AND (a.check_at IS NULL OR a.check_at > $2)"
		" ORDER BY a.queue, a.place, a.seq LIMIT $3",
		3, {INT8OID, TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[3] = {Int64GetDatum(queue), TimestampTzGetDatum(now), Int32GetDatum(SIGHTS_EACH)};
	int			n = (int) store_execute(&statement, values, NULL);

	for (int i = 0; i < n; i++)
		sights[i] = (Sight) {.kind = FOUND_TASK, .run_id = *DatumGetUUIDP(store_value(i, 1)),
		.command = DatumGetInt32(store_value(i, 2)), .owner = DatumGetObjectId(store_value(i, 3)),
		.number = DatumGetInt64(store_value(i, 4)), .queue = queue};
	return n;
}

/*
 * The first task of the next fairness key, by its hash, of those that wait for
 * their key's limit in a queue
 */
bool
patrol_scan_parked(int64 queue, int64 after, Sight *sight)
{
	static Statement statement = {
		"SELECT a.run_id, a.command, a.owner, a.seq, a.parked FROM durable.activity a"
		" WHERE a.queue = $1 AND a.parked > $2::int8 ORDER BY a.queue, a.parked, a.priority, a.seq LIMIT 1",
		2, {INT8OID, INT8OID}
	};
	Datum		values[2] = {Int64GetDatum(queue), Int64GetDatum(after)};

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	*sight = (Sight) {.kind = FOUND_PARKED, .run_id = *DatumGetUUIDP(store_value(0, 1)),
	.command = DatumGetInt32(store_value(0, 2)), .owner = DatumGetObjectId(store_value(0, 3)),
	.number = DatumGetInt64(store_value(0, 4)), .part = DatumGetInt32(store_value(0, 5)), .queue = queue};
	return true;
}

/*
 * The name of a queue whose first task waits since before a time, NULL where it
 * does not
 */
char *
patrol_scan_waiting(int64 queue, TimestampTz since)
{
	static Statement statement = {
		"SELECT f.task_queue FROM (SELECT a.task_queue, a.queued_at FROM durable.activity a WHERE a.queue = $1 AND a.place IS NOT NULL"
		"  ORDER BY a.queue, a.place, a.seq LIMIT 1) f WHERE f.queued_at <= $2",
		2, {INT8OID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {Int64GetDatum(queue), TimestampTzGetDatum(since)};

	return store_execute(&statement, values, NULL) == 0 ? NULL : TextDatumGetCString(store_value(0, 1));
}

/*
 * Timers that are overdue
 */
int
patrol_scan_timers(TimestampTz now, Sight *sights)
{
	static Statement statement = {
		"SELECT t.run_id, t.command, t.owner, t.fire_at, t.kind FROM durable.timer t WHERE t.fire_at <= $1"
		" ORDER BY t.fire_at LIMIT $2",
		2, {TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[2] = {TimestampTzGetDatum(now), Int32GetDatum(SIGHTS_EACH)};
	int			n = (int) store_execute(&statement, values, NULL);

	for (int i = 0; i < n; i++)
		sights[i] = (Sight) {.kind = FOUND_TIMER, .run_id = *DatumGetUUIDP(store_value(i, 1)),
		.command = DatumGetInt32(store_value(i, 2)), .owner = DatumGetObjectId(store_value(i, 3)),
		.number = DatumGetTimestampTz(store_value(i, 4)), .part = DatumGetInt16(store_value(i, 5))};
	return n;
}

/*
 * Activities for which something is overdue
 */
int
patrol_scan_checks(TimestampTz now, Sight *sights)
{
	static Statement statement = {
		"SELECT a.run_id, a.command, a.owner, a.check_at FROM durable.activity a WHERE a.check_at <= $1"
		" ORDER BY a.check_at LIMIT $2",
		2, {TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[2] = {TimestampTzGetDatum(now), Int32GetDatum(SIGHTS_EACH)};
	int			n = (int) store_execute(&statement, values, NULL);

	for (int i = 0; i < n; i++)
		sights[i] = (Sight) {.kind = FOUND_CHECK, .run_id = *DatumGetUUIDP(store_value(i, 1)),
		.command = DatumGetInt32(store_value(i, 2)), .owner = DatumGetObjectId(store_value(i, 3)),
		.number = DatumGetTimestampTz(store_value(i, 4))};
	return n;
}

/*
 * Activities that run in the server: there are not more than processes
 */
int
patrol_scan_leases(MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.lease >= $1 AND NOT a.external ORDER BY a.lease LIMIT $2",
		2, {INT4OID, INT4OID}
	};
	Datum		values[2] = {Int32GetDatum(PG_INT32_MIN), Int32GetDatum(MAX_SLOTS)};

	return activity_from_rows(store_execute(&statement, values, NULL), context, result);
}

/*
 * An inline activity whose next attempt is overdue, and whose run has neither mail
 * nor a timer for it, nor one for the next try of a failed turn
 */
#define NOBODY_RETRIES(now) \
	"a.queue IS NULL AND a.next_attempt_at <= " now " AND e.wait_command = a.command AND e.paused_at IS NULL" \
	" AND NOT EXISTS (SELECT FROM durable.message m WHERE m.run_id = e.run_id)" \
	" AND NOT EXISTS (SELECT FROM durable.timer t WHERE t.run_id = e.run_id AND t.kind <> " CppAsString2(KIND_SWEEP) \
	"  AND (t.command = a.command OR t.kind = " CppAsString2(KIND_WAKE) "))"

int
patrol_scan_retries(TimestampTz now, Sight *sights)
{
	static Statement statement = {
		"SELECT a.run_id, a.command, a.owner, a.next_attempt_at FROM"
		" (SELECT * FROM durable.activity d WHERE d.queue IS NULL AND d.next_attempt_at <= $1"
		"  ORDER BY d.next_attempt_at LIMIT $2 * 10) a JOIN durable.execution e ON e.run_id = a.run_id WHERE "
		NOBODY_RETRIES("$1") " ORDER BY a.next_attempt_at LIMIT $2",
		2, {TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[2] = {TimestampTzGetDatum(now), Int32GetDatum(SIGHTS_EACH)};
	int			n = (int) store_execute(&statement, values, NULL);

	for (int i = 0; i < n; i++)
		sights[i] = (Sight) {.kind = FOUND_RETRY, .run_id = *DatumGetUUIDP(store_value(i, 1)),
		.command = DatumGetInt32(store_value(i, 2)), .owner = DatumGetObjectId(store_value(i, 3)),
		.number = DatumGetTimestampTz(store_value(i, 4))};
	return n;
}

/*
 * Is this one of the commands that a run waits for?
 */
#define IN_WAIT(command) \
	"(" command " = e.wait_command OR EXISTS (SELECT FROM pg_catalog.generate_series(1, pg_catalog.cardinality(e.wait_set), 2) g" \
	" WHERE " command " >= e.wait_set[g] AND " command " <= e.wait_set[g + 1]))"
/*
 * Does it wait for some, none of which will come to an end, and has no mail?
 */
#define WAITS_IN_VAIN \
	"(e.wait_command > 0 OR e.wait_set IS NOT NULL) AND e.paused_at IS NULL" \
	" AND NOT EXISTS (SELECT FROM durable.message m WHERE m.run_id = e.run_id)" \
	" AND NOT EXISTS (SELECT FROM durable.execution c WHERE c.parent_run_id = e.run_id AND " IN_WAIT("c.parent_command") ")" \
	" AND NOT EXISTS (SELECT FROM durable.timer t WHERE t.run_id = e.run_id AND (t.kind = " CppAsString2(KIND_WAKE) " OR " IN_WAIT("t.command") "))" \
	" AND NOT EXISTS (SELECT FROM durable.activity a WHERE a.run_id = e.run_id AND " IN_WAIT("a.command") ")"

/*
 * Parents, from a run on, that wait for commands of theirs in vain.  Returns how
 * many; *looked_at is how many parents it went through, and *last the last one of
 * them if that is not the end.
 */
int
patrol_scan_waits(const pg_uuid_t *after, Sight *sights, pg_uuid_t *last, int *looked_at)
{
	static Statement statement = {
		"SELECT e.run_id, e.owner, e.wait_command, " WAITS_IN_VAIN " FROM"
		" (SELECT p.* FROM durable.execution p WHERE p.has_children AND p.run_id > $1 ORDER BY p.run_id LIMIT $2) e",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(after), Int32GetDatum(PARENTS_EACH)};
	int			n = (int) store_execute(&statement, values, NULL);
	int			found = 0;

	for (int i = 0; i < n && found < SIGHTS_EACH; i++)
		if (!store_is_null(i, 4) && DatumGetBool(store_value(i, 4)))
			sights[found++] = (Sight) {.kind = FOUND_WAIT, .run_id = *DatumGetUUIDP(store_value(i, 1)),
			.owner = DatumGetObjectId(store_value(i, 2)),
			.command = store_is_null(i, 3) ? 0 : DatumGetInt32(store_value(i, 3))};
	*looked_at = n;
	if (n == PARENTS_EACH)
		*last = *DatumGetUUIDP(store_value(n - 1, 1));
	else
		memset(last, 0, sizeof(*last));
	return found;
}

/*
 * Is a message still there, an attempt that nobody will make, or a wait that is in
 * vain, whose run we have locked?
 */
bool
patrol_still(const Sight *sight)
{
	static Statement mail = {
		"SELECT 1 FROM durable.message m WHERE m.owner = $1 AND m.seq = $2", 2, {OIDOID, INT8OID}
	};
	static Statement wait = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = $1 AND " WAITS_IN_VAIN, 1, {UUIDOID}
	};
	static Statement retry = {
		"SELECT 1 FROM durable.activity a JOIN durable.execution e ON e.run_id = a.run_id"
		" WHERE a.run_id = $1 AND a.command = $2 AND " NOBODY_RETRIES("$3"),
		3, {UUIDOID, INT4OID, TIMESTAMPTZOID}
	};
	Datum		number[2] = {ObjectIdGetDatum(sight->owner), Int64GetDatum(sight->number)};
	Datum		command[3] = {
		UUIDPGetDatum(&sight->run_id), Int32GetDatum(sight->command), TimestampTzGetDatum(sight->number)
	};

	switch (sight->kind)
	{
		case FOUND_MAIL:
			return store_execute(&mail, number, NULL) > 0;
		case FOUND_RETRY:
			return store_execute(&retry, command, NULL) > 0;
		default:
			return store_execute(&wait, command, NULL) > 0;
	}
}

/*
 * Lock a timer that is still what it was; false too where somebody else has it
 */
bool
patrol_lock_timer(const Sight *sight)
{
	static Statement statement = {
		"SELECT 1 FROM durable.timer t WHERE t.run_id = $1 AND t.kind = $2 AND t.command = $3 AND t.fire_at = $4"
		" FOR UPDATE SKIP LOCKED",
		4, {UUIDOID, INT2OID, INT4OID, TIMESTAMPTZOID}
	};
	Datum		values[4] = {
		UUIDPGetDatum(&sight->run_id), Int16GetDatum(sight->part), Int32GetDatum(sight->command),
		TimestampTzGetDatum(sight->number)
	};

	return store_execute(&statement, values, NULL) > 0;
}
