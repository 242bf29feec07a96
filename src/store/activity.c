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

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "store/activity.h"
#include "store/store.h"
#include "utils/builtins.h"

/* Columns of durable.activity, in order */
enum
{
	A_RUN_ID, A_COMMAND, A_OWNER, A_WORKFLOW_ID, A_NAME, A_ACTIVITY_ID, A_QUEUE, A_TOPIC, A_TASK_QUEUE,
	A_EXTERNAL, A_PRIORITY, A_FAIRNESS_KEY, A_WEIGHT, A_INPUT, A_INPUT_ID, A_SCHEDULE_TO_CLOSE,
	A_SCHEDULE_TO_START, A_START_TO_CLOSE, A_HEARTBEAT, A_RETRY, A_CANCELLATION, A_SCHEDULED_AT,
	A_PLACE, A_SEQ, A_PARKED, A_QUEUED_AT, A_ATTEMPT, A_LEASE, A_STARTED_AT, A_WORKER,
	A_HEARTBEAT_AT, A_DETAILS, A_CHECK_AT, A_NEXT_ATTEMPT_AT, A_CANCEL_REQUESTED, A_PAUSED_AT,
	A_PAUSE_REASON, A_LAST_FAILURE,
	ACTIVITY_COLUMNS
};

/* A row as values, or values as a row */
typedef struct RowValues
{
	Datum		values[ACTIVITY_COLUMNS];
	bool		nulls[ACTIVITY_COLUMNS];
} RowValues;

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

static void
set_pointer(RowValues *row, int column, const void *value)
{
	row->values[column] = PointerGetDatum(value);
	row->nulls[column] = value == NULL;
}

static void
set_int8(RowValues *row, int column, int64 value)
{
	row->values[column] = Int64GetDatum(value);
	row->nulls[column] = value == 0;
}

static void
set_time(RowValues *row, int column, TimestampTz value)
{
	row->values[column] = TimestampTzGetDatum(value);
	row->nulls[column] = value == DT_NOEND;
}

/*
 * What changes in the life of an activity
 */
static void
set_state(const Activity *a, RowValues *row)
{
	row->values[A_RUN_ID] = UUIDPGetDatum(&a->run_id);
	row->values[A_COMMAND] = Int32GetDatum(a->command);
	set_int8(row, A_SCHEDULE_TO_CLOSE, a->schedule_to_close);
	set_int8(row, A_SCHEDULE_TO_START, a->schedule_to_start);
	set_int8(row, A_START_TO_CLOSE, a->start_to_close);
	set_int8(row, A_HEARTBEAT, a->heartbeat);
	set_pointer(row, A_RETRY, a->retry);
	row->values[A_PRIORITY] = Int16GetDatum(a->priority);
	set_int8(row, A_PLACE, a->place);
	row->values[A_SEQ] = Int64GetDatum(a->seq);
	row->nulls[A_SEQ] = a->place == 0 && !a->is_parked;
	row->values[A_PARKED] = Int32GetDatum(a->parked);
	row->nulls[A_PARKED] = !a->is_parked;
	set_time(row, A_QUEUED_AT, a->queued_at);
	row->values[A_ATTEMPT] = Int32GetDatum(a->attempt);
	row->values[A_LEASE] = Int32GetDatum(a->lease);
	row->nulls[A_LEASE] = a->lease == 0;
	set_time(row, A_STARTED_AT, a->started_at);
	set_pointer(row, A_WORKER, a->worker);
	set_time(row, A_HEARTBEAT_AT, a->heartbeat_at);
	set_pointer(row, A_DETAILS, a->details);
	set_time(row, A_CHECK_AT, a->check_at);
	set_time(row, A_NEXT_ATTEMPT_AT, a->next_attempt_at);
	row->values[A_CANCEL_REQUESTED] = BoolGetDatum(a->cancel_requested);
	set_time(row, A_PAUSED_AT, a->paused_at);
	set_pointer(row, A_PAUSE_REASON, a->pause_reason);
	set_pointer(row, A_LAST_FAILURE, a->last_failure);
}

/*
 * Collect a new activity
 */
void
activity_add(RowBatch *batch, const Activity *a)
{
	RowValues	row;

	memset(row.nulls, 0, sizeof(row.nulls));
	set_state(a, &row);
	row.values[A_OWNER] = ObjectIdGetDatum(a->owner);
	row.values[A_WORKFLOW_ID] = PointerGetDatum(a->workflow_id);
	row.values[A_NAME] = PointerGetDatum(a->name);
	set_pointer(&row, A_ACTIVITY_ID, a->activity_id);
	row.values[A_QUEUE] = Int64GetDatum(a->queue);
	row.nulls[A_QUEUE] = a->inline_step;
	row.values[A_TOPIC] = Int64GetDatum(a->topic);
	set_pointer(&row, A_TASK_QUEUE, a->task_queue);
	row.values[A_EXTERNAL] = BoolGetDatum(a->external);
	set_pointer(&row, A_FAIRNESS_KEY, a->fairness_key);
	row.values[A_WEIGHT] = Float8GetDatum(a->weight);
	row.nulls[A_WEIGHT] = a->weight == 0;
	set_pointer(&row, A_INPUT, a->input);
	set_int8(&row, A_INPUT_ID, a->input_id);
	row.values[A_CANCELLATION] = Int16GetDatum(a->cancellation);
	row.values[A_SCHEDULED_AT] = TimestampTzGetDatum(a->scheduled_at);
	rows_add(batch, row.values, row.nulls);
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
	RowValues	row;

	memset(row.nulls, true, sizeof(row.nulls));
	row.nulls[A_RUN_ID] = row.nulls[A_COMMAND] = row.nulls[A_PRIORITY] = false;
	row.nulls[A_ATTEMPT] = row.nulls[A_CANCEL_REQUESTED] = false;
	set_state(a, &row);
	rows_add(batch, row.values, row.nulls);
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

void
activity_write_updates(RowBatch *batch)
{
	static Statement statement = {
		"UPDATE durable.activity a SET (schedule_to_close, schedule_to_start, start_to_close, heartbeat, retry,"
		" priority, place, seq, parked, queued_at, attempt, lease, started_at, worker, heartbeat_at, details,"
		" check_at, next_attempt_at, cancel_requested, paused_at, pause_reason, last_failure)"
		" = (n.schedule_to_close, n.schedule_to_start, n.start_to_close, n.heartbeat, n.retry,"
		" n.priority, n.place, n.seq, n.parked, n.queued_at, n.attempt, n.lease, n.started_at, n.worker, n.heartbeat_at, n.details,"
		" n.check_at, n.next_attempt_at, n.cancel_requested, n.paused_at, n.pause_reason, n.last_failure)"
		" FROM pg_catalog.unnest($1) n WHERE a.run_id = n.run_id AND a.command = n.command",
		1, {ROWS_OF(TABLE_ACTIVITY)}
	};

	rows_write(batch, &statement);
}

static void *
get_pointer(const RowValues *row, int column)
{
	return row->nulls[column] ? NULL : PG_DETOAST_DATUM_COPY(row->values[column]);
}

static int64
get_int8(const RowValues *row, int column)
{
	return row->nulls[column] ? 0 : DatumGetInt64(row->values[column]);
}

static TimestampTz
get_time(const RowValues *row, int column)
{
	return row->nulls[column] ? DT_NOEND : DatumGetTimestampTz(row->values[column]);
}

static void
get_state(const RowValues *row, Activity *a)
{
	a->schedule_to_close = get_int8(row, A_SCHEDULE_TO_CLOSE);
	a->schedule_to_start = get_int8(row, A_SCHEDULE_TO_START);
	a->start_to_close = get_int8(row, A_START_TO_CLOSE);
	a->heartbeat = get_int8(row, A_HEARTBEAT);
	a->retry = get_pointer(row, A_RETRY);
	a->priority = DatumGetInt16(row->values[A_PRIORITY]);
	a->place = get_int8(row, A_PLACE);
	a->seq = get_int8(row, A_SEQ);
	a->is_parked = !row->nulls[A_PARKED];
	a->parked = a->is_parked ? DatumGetInt32(row->values[A_PARKED]) : 0;
	a->queued_at = get_time(row, A_QUEUED_AT);
	a->attempt = DatumGetInt32(row->values[A_ATTEMPT]);
	a->lease = row->nulls[A_LEASE] ? 0 : DatumGetInt32(row->values[A_LEASE]);
	a->started_at = get_time(row, A_STARTED_AT);
	a->worker = get_pointer(row, A_WORKER);
	a->heartbeat_at = get_time(row, A_HEARTBEAT_AT);
	a->details = get_pointer(row, A_DETAILS);
	a->check_at = get_time(row, A_CHECK_AT);
	a->next_attempt_at = get_time(row, A_NEXT_ATTEMPT_AT);
	a->cancel_requested = DatumGetBool(row->values[A_CANCEL_REQUESTED]);
	a->paused_at = get_time(row, A_PAUSED_AT);
	a->pause_reason = get_pointer(row, A_PAUSE_REASON);
	a->last_failure = get_pointer(row, A_LAST_FAILURE);
}

/*
 * Row `n' of the last result, which is a row of durable.activity as one value:
 * as columns they would cost more than the statement
 */
static void
from_row(uint64 n, Activity *a)
{
	RowValues	row;

	row_deform(TABLE_ACTIVITY, store_value(n, 1), row.values, row.nulls, ACTIVITY_COLUMNS);
	a->run_id = *DatumGetUUIDP(row.values[A_RUN_ID]);
	a->command = DatumGetInt32(row.values[A_COMMAND]);
	a->owner = DatumGetObjectId(row.values[A_OWNER]);
	a->workflow_id = get_pointer(&row, A_WORKFLOW_ID);
	a->name = get_pointer(&row, A_NAME);
	a->activity_id = get_pointer(&row, A_ACTIVITY_ID);
	a->inline_step = row.nulls[A_QUEUE];
	a->queue = get_int8(&row, A_QUEUE);
	a->topic = DatumGetInt64(row.values[A_TOPIC]);
	a->task_queue = get_pointer(&row, A_TASK_QUEUE);
	a->external = DatumGetBool(row.values[A_EXTERNAL]);
	a->fairness_key = get_pointer(&row, A_FAIRNESS_KEY);
	a->weight = row.nulls[A_WEIGHT] ? 0 : DatumGetFloat8(row.values[A_WEIGHT]);
	a->input = get_pointer(&row, A_INPUT);
	a->input_id = get_int8(&row, A_INPUT_ID);
	a->cancellation = (Cancellation) DatumGetInt16(row.values[A_CANCELLATION]);
	a->scheduled_at = DatumGetTimestampTz(row.values[A_SCHEDULED_AT]);
	get_state(&row, a);
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
