/*-------------------------------------------------------------------------
 *
 * activity.c
 *	  Activities that are not done.
 *
 *	  1. A row lives from the turn that schedules the activity to the end of its
 *	  last attempt.  In a queue it has a place; while an attempt runs it has a
 *	  lease instead, a random number that is in the worker's token.  Between two
 *	  attempts, or paused, it has neither.
 *
 *	  2. What ends an attempt names its lease.  So whoever was thought dead and
 *	  comes back finds that the attempt is no longer his.
 *
 *	  3. check_at is when something falls due: the next attempt, or a timeout.
 *	  Heartbeats do not move it.  When it is over, the row tells whether there is
 *	  anything to do (check.c).
 *
 *	  4. A worker may keep a row locked for as long as its transaction lasts.  So
 *	  what runs in a batch of turns or in the scheduler skips locked rows.
 *
 *	  All functions run between store_begin() and store_end(), but for those
 *	  that only collect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/activity.h"
#include "store/columns.h"
#include "store/store.h"
#include "utils/builtins.h"

#define INSERTED	0x20		/* and never changed */
#define ALL			(COLUMN_KEY | INSERTED | COLUMN_CHANGES)

static const Column activity_columns[] = {
	{"run_id", COLUMN_UUID, offsetof(Activity, run_id), COLUMN_KEY},
	{"command", COLUMN_INT4, offsetof(Activity, command), COLUMN_KEY},
	{"owner", COLUMN_OID, offsetof(Activity, owner), INSERTED},
	{"workflow_id", COLUMN_VARLENA, offsetof(Activity, workflow_id), INSERTED},
	{"name", COLUMN_VARLENA, offsetof(Activity, name), INSERTED},
	{"activity_id", COLUMN_VARLENA, offsetof(Activity, activity_id), INSERTED},
	{"queue", COLUMN_INT8, offsetof(Activity, queue), INSERTED, NULL_IF, offsetof(Activity, inline_step)},
	{"topic", COLUMN_INT8, offsetof(Activity, topic), INSERTED},
	{"task_queue", COLUMN_VARLENA, offsetof(Activity, task_queue), INSERTED},
	{"external", COLUMN_BOOL, offsetof(Activity, external), INSERTED},
	{"priority", COLUMN_INT2, offsetof(Activity, priority), COLUMN_CHANGES},
	{"fairness_key", COLUMN_VARLENA, offsetof(Activity, fairness_key), INSERTED},
	{"weight", COLUMN_FLOAT8, offsetof(Activity, weight), INSERTED, NULL_IF_NONE},
	{"input", COLUMN_VARLENA, offsetof(Activity, input), INSERTED},
	{"input_id", COLUMN_INT8, offsetof(Activity, input_id), INSERTED, NULL_IF_NONE},
	{"schedule_to_close", COLUMN_INT8, offsetof(Activity, schedule_to_close), COLUMN_CHANGES, NULL_IF_NONE},
	{"schedule_to_start", COLUMN_INT8, offsetof(Activity, schedule_to_start), COLUMN_CHANGES, NULL_IF_NONE},
	{"start_to_close", COLUMN_INT8, offsetof(Activity, start_to_close), COLUMN_CHANGES, NULL_IF_NONE},
	{"heartbeat", COLUMN_INT8, offsetof(Activity, heartbeat), COLUMN_CHANGES, NULL_IF_NONE},
	{"retry", COLUMN_VARLENA, offsetof(Activity, retry), COLUMN_CHANGES},
	{"cancellation", COLUMN_INT2, offsetof(Activity, cancellation), INSERTED},
	{"scheduled_at", COLUMN_TIME, offsetof(Activity, scheduled_at), INSERTED},
	{"place", COLUMN_INT8, offsetof(Activity, place), COLUMN_CHANGES, NULL_IF_NONE},
	{"seq", COLUMN_INT8, offsetof(Activity, seq), COLUMN_CHANGES, NULL_IF_NONE},
	{"parked", COLUMN_INT4, offsetof(Activity, parked), COLUMN_CHANGES, NULL_UNLESS, offsetof(Activity, is_parked)},
	{"queued_at", COLUMN_TIME, offsetof(Activity, queued_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"attempt", COLUMN_INT4, offsetof(Activity, attempt), COLUMN_CHANGES},
	{"lease", COLUMN_INT4, offsetof(Activity, lease), COLUMN_CHANGES, NULL_IF_NONE},
	{"started_at", COLUMN_TIME, offsetof(Activity, started_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"worker", COLUMN_VARLENA, offsetof(Activity, worker), COLUMN_CHANGES},
	{"heartbeat_at", COLUMN_TIME, offsetof(Activity, heartbeat_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"details", COLUMN_VARLENA, offsetof(Activity, details), COLUMN_CHANGES},
	{"check_at", COLUMN_TIME, offsetof(Activity, check_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"next_attempt_at", COLUMN_TIME, offsetof(Activity, next_attempt_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"cancel_requested", COLUMN_BOOL, offsetof(Activity, cancel_requested), COLUMN_CHANGES},
	{"paused_at", COLUMN_TIME, offsetof(Activity, paused_at), COLUMN_CHANGES, NULL_IF_NONE},
	{"pause_reason", COLUMN_VARLENA, offsetof(Activity, pause_reason), COLUMN_CHANGES},
	{"last_failure", COLUMN_VARLENA, offsetof(Activity, last_failure), COLUMN_CHANGES},
	{NULL}
};

static ColumnTable activities = {TABLE_ACTIVITY, activity_columns, ALL};

/*
 * An activity with nothing set
 */
void
activity_init(Activity *a)
{
	memset(a, 0, sizeof(Activity));
	a->queued_at = a->started_at = a->heartbeat_at = DT_NOEND;
	a->check_at = a->next_attempt_at = a->paused_at = DT_NOEND;
}

/*
 * The id it was given, or the number of its command
 */
char *
activity_id_of(const Activity *a)
{
	return a->activity_id ? text_to_cstring(a->activity_id) : psprintf("%d", a->command);
}

/*
 * Collect one; what is not in a queue has no order there
 */
static void
collect(RowBatch *batch, const Activity *a, int uses)
{
	Activity	row = *a;

	if (row.place == 0 && !row.is_parked)
		row.seq = 0;
	columns_add(batch, &activities, &row, uses);
}

/*
 * Collect a new activity
 */
void
activity_add(RowBatch *batch, const Activity *a)
{
	collect(batch, a, ALL);
}

/*
 * Write the collected ones; of a step that is there already, its state
 */
void
activity_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.activity SELECT n.* FROM pg_catalog.unnest($1) n"
		" ON CONFLICT (run_id, command) DO UPDATE SET attempt = excluded.attempt,"
		" next_attempt_at = excluded.next_attempt_at, last_failure = excluded.last_failure",
		1, {ROWS_OF(TABLE_ACTIVITY)}
	};

	rows_write(batch, &statement);
}

/*
 * Collect the new state of an activity
 */
void
activity_add_update(RowBatch *batch, const Activity *a)
{
	collect(batch, a, COLUMN_KEY | COLUMN_CHANGES);
}

/*
 * An attempt begins: the same for one row and those columns only, since that
 * is what a poll for one task does
 */
void
activity_write_start(const Activity *a)
{
	static Statement statement = {
		"UPDATE durable.activity a SET place = NULL, seq = NULL, parked = NULL, attempt = $3, lease = $4, started_at = $5,"
		" worker = $6, heartbeat_at = NULL, check_at = $7, next_attempt_at = NULL"
		" WHERE a.run_id = $1 AND a.command = $2",
		7, {UUIDOID, INT4OID, INT4OID, INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[7] = {
		UUIDPGetDatum(&a->run_id), Int32GetDatum(a->command), Int32GetDatum(a->attempt), Int32GetDatum(a->lease),
		TimestampTzGetDatum(a->started_at), PointerGetDatum(a->worker), TimestampTzGetDatum(a->check_at)
	};
	char		nulls[7] = {' ', ' ', ' ', ' ', ' ', ' ', a->check_at == DT_NOEND ? 'n' : ' '};

	store_execute(&statement, values, nulls);
}

/*
 * Write the collected states
 */
void
activity_write_updates(RowBatch *batch)
{
	static Statement statement = {NULL, 1, {ROWS_OF(TABLE_ACTIVITY)}};

	if (!statement.sql)
		statement.sql = columns_update(&activities, COLUMN_CHANGES, "activity");
	rows_write(batch, &statement);
}

/*
 * Row `n' of the last result, which is a row of durable.activity as one value:
 * as columns they would cost more than the statement
 */
static void
from_row(uint64 n, Activity *a)
{
	columns_read(&activities, store_value(n, 1), a);
}

/*
 * The last result's rows, in memory of `context'
 */
int
activity_from_rows(uint64 n, MemoryContext context, Activity **result)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	*result = palloc(Max(n, 1) * sizeof(Activity));
	for (uint64 i = 0; i < n; i++)
		from_row(i, &(*result)[i]);
	MemoryContextSwitchTo(old);
	return (int) n;
}

static bool
read_one(Statement *statement, const ActivityKey *key, MemoryContext context, Activity *result)
{
	Datum		values[2] = {UUIDPGetDatum(&key->run_id), Int32GetDatum(key->command)};
	Activity   *rows;

	if (activity_from_rows(store_execute(statement, values, NULL), context, &rows) == 0)
		return false;
	*result = rows[0];
	return key->lease == 0 || key->lease == result->lease;
}

/*
 * Read an activity; false where it is not there, or the lease is another
 */
bool
activity_read(const ActivityKey *key, MemoryContext context, Activity *result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.run_id = $1 AND a.command = $2", 2, {UUIDOID, INT4OID}
	};

	return read_one(&statement, key, context, result);
}

/*
 * Lock and read it; without waiting, false too where someone else has it
 */
bool
activity_lock(const ActivityKey *key, bool wait, MemoryContext context, Activity *result)
{
	static Statement waiting = {
		"SELECT a FROM durable.activity a WHERE a.run_id = $1 AND a.command = $2 FOR UPDATE",
		2, {UUIDOID, INT4OID}
	};
	static Statement skipping = {
		"SELECT a FROM durable.activity a WHERE a.run_id = $1 AND a.command = $2 FOR UPDATE SKIP LOCKED",
		2, {UUIDOID, INT4OID}
	};

	return read_one(wait ? &waiting : &skipping, key, context, result);
}

/*
 * All activities of a run, by command
 */
int
activity_read_run(const pg_uuid_t *run_id, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"SELECT a FROM durable.activity a WHERE a.run_id = $1 ORDER BY a.run_id, a.command", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	return activity_from_rows(store_execute(&statement, &id, NULL), context, result);
}

static void
key_arrays(const ActivityKey *keys, int count, Datum *values)
{
	pg_uuid_t  *ids = palloc(Max(count, 1) * sizeof(pg_uuid_t));
	Datum	   *commands = palloc(Max(count, 1) * sizeof(Datum));
	Datum	   *leases = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
	{
		ids[i] = keys[i].run_id;
		commands[i] = Int32GetDatum(keys[i].command);
		leases[i] = Int32GetDatum(keys[i].lease);
	}
	values[0] = uuid_array(ids, count);
	values[1] = PointerGetDatum(construct_array(commands, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(leases, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/*
 * Delete attempts that are over, and return what was known of them.  Those
 * whose lease is another are not touched.
 */
int
activity_take(const ActivityKey *keys, int count, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"DELETE FROM durable.activity a USING ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) k(run_id, command, lease)"
		" WHERE a.run_id = k.run_id AND a.command = k.command AND a.lease = k.lease RETURNING a",
		3, {UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
	};
	static Statement single = {
		"DELETE FROM durable.activity a WHERE a.run_id = $1 AND a.command = $2 AND a.lease = $3 RETURNING a",
		3, {UUIDOID, INT4OID, INT4OID}
	};
	Datum		values[3] = {
		UUIDPGetDatum(&keys->run_id), Int32GetDatum(keys->command), Int32GetDatum(keys->lease)
	};

	if (count == 1)
		return activity_from_rows(store_execute(&single, values, NULL), context, result);
	key_arrays(keys, count, values);
	return activity_from_rows(store_execute(&statement, values, NULL), context, result);
}

/*
 * Delete activities that this transaction has locked
 */
void
activity_remove(const ActivityKey *keys, int count)
{
	static Statement statement = {
		"DELETE FROM durable.activity a USING ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) k(run_id, command, lease)"
		" WHERE a.run_id = k.run_id AND a.command = k.command",
		3, {UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
	};
	Datum		values[3];

	if (count == 0)
		return;
	key_arrays(keys, count, values);
	store_execute(&statement, values, NULL);
}

/*
 * Delete what is left of runs that close, but for those someone has locked;
 * returns how many, and what was known of them
 */
int
activity_clear(const pg_uuid_t *run_ids, int count, MemoryContext context, Activity **result)
{
	static Statement statement = {
		"WITH d AS (SELECT a.ctid FROM durable.activity a WHERE a.run_id = ANY ($1) FOR UPDATE SKIP LOCKED)"
		" DELETE FROM durable.activity a USING d WHERE a.ctid = d.ctid RETURNING a",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	return activity_from_rows(store_execute(&statement, &ids, NULL), context, result);
}

/*
 * An attempt lives.  False where its lease is over.  The reply's texts live until
 * store_end().
 */
bool
activity_heartbeat(const ActivityKey *key, TimestampTz at, Jsonb *details, HeartbeatReply *reply)
{
	static Statement statement = {
		"UPDATE durable.activity a SET heartbeat_at = $4, details = coalesce($5, a.details)"
		" WHERE a.run_id = $1 AND a.command = $2 AND a.lease = $3"
		" RETURNING a.cancel_requested, a.paused_at IS NOT NULL, a.owner, a.workflow_id",
		5, {UUIDOID, INT4OID, INT4OID, TIMESTAMPTZOID, JSONBOID}
	};
	Datum		values[5] = {
		UUIDPGetDatum(&key->run_id), Int32GetDatum(key->command), Int32GetDatum(key->lease),
		TimestampTzGetDatum(at), PointerGetDatum(details)
	};
	char		nulls[5] = {' ', ' ', ' ', ' ', details ? ' ' : 'n'};

	if (store_execute(&statement, values, nulls) == 0)
		return false;
	reply->cancel_requested = DatumGetBool(store_value(0, 1));
	reply->paused = DatumGetBool(store_value(0, 2));
	reply->owner = DatumGetObjectId(store_value(0, 3));
	reply->workflow_id = TextDatumGetCString(store_value(0, 4));
	return true;
}
