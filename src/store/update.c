/*-------------------------------------------------------------------------
 *
 * update.c
 *	  What became of the updates of runs.
 *
 *	  A row comes with the message of the request.  The turn that takes the
 *	  message writes that it is accepted, the turn whose code answers writes the
 *	  answer; often that is one turn.  The row outlives the message and stays
 *	  until the run is deleted, so that a repeated request gets the same answer.
 *
 *	  A run that closes leaves its rows as they are: what is not answered by
 *	  then will not be.
 *
 *	  All functions but update_state_name run between store_begin() and
 *	  store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "shared/waiter.h"
#include "store/execution.h"
#include "store/store.h"
#include "store/update.h"
#include "utils/builtins.h"

/* Columns of durable.update, in order */
enum
{
	U_RUN_ID, U_UPDATE_ID, U_OWNER, U_NAME, U_STATE, U_ARGS, U_ARGS_ID, U_RESULT, U_RESULT_ID,
	U_FAILURE, U_REQUESTED_AT, U_ACCEPTED_AT, U_COMPLETED_AT, U_FIRST_RUN_ID, UPDATE_COLUMNS
};

/*
 * As wf_updates.state has it
 */
const char *
update_state_name(UpdateState state)
{
	static const char *const names[] = {"admitted", "accepted", "completed", "rejected"};

	if (state < UPDATE_ADMITTED || state > UPDATE_REJECTED)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unrecognized state %d of an update", (int) state));
	return names[state - 1];
}

/*
 * A new update of an open run; false where that has one of this id
 */
bool
update_insert(const Update *u)
{
	static Statement statement = {
		"INSERT INTO durable.update (run_id, update_id, owner, name, state, args, args_id, requested_at, first_run_id)"
		" VALUES ($1, $2, $3::pg_catalog.oid, $4, $5, $6, $7, $8,"
		" (SELECT COALESCE(e.first_run_id, e.run_id) FROM durable.execution e WHERE e.run_id = $1)) ON CONFLICT DO NOTHING",
		8, {UUIDOID, TEXTOID, OIDOID, TEXTOID, INT2OID, JSONBOID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		values[8] = {
		UUIDPGetDatum(&u->run_id), PointerGetDatum(u->update_id), ObjectIdGetDatum(u->owner),
		PointerGetDatum(u->name), Int16GetDatum(u->state), PointerGetDatum(u->args),
		Int64GetDatum(u->args_id), TimestampTzGetDatum(u->requested_at)
	};
	char		nulls[8] = {
		' ', ' ', ' ', ' ', ' ', u->args ? ' ' : 'n', u->args_id ? ' ' : 'n', ' '
	};

	return store_execute(&statement, values, nulls) > 0;
}

static TimestampTz
time_value(int column)
{
	return store_is_null(0, column) ? DT_NOEND : DatumGetTimestampTz(store_value(0, column));
}

/*
 * Read an update but for its arguments, into memory of `context'; false where
 * there is none
 */
bool
update_find(const pg_uuid_t *run_id, const text *update_id, MemoryContext context, Update *u)
{
	static Statement statement = {
		"SELECT u.owner, u.name, u.state, u.result, u.result_id, u.failure, u.requested_at, u.accepted_at,"
		" u.completed_at, u.xmin FROM durable.update u WHERE u.run_id = $1 AND u.update_id = $2",
		2, {UUIDOID, TEXTOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), PointerGetDatum(update_id)};
	MemoryContext old;

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(u, 0, sizeof(Update));
	u->run_id = *run_id;
	u->update_id = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(update_id));
	u->owner = DatumGetObjectId(store_value(0, 1));
	u->name = DatumGetTextPCopy(store_value(0, 2));
	u->state = (UpdateState) DatumGetInt16(store_value(0, 3));
	u->result = store_is_null(0, 4) ? NULL : DatumGetJsonbPCopy(store_value(0, 4));
	u->result_id = DatumGetInt64(store_value(0, 5));
	u->failure = store_is_null(0, 6) ? NULL : DatumGetJsonbPCopy(store_value(0, 6));
	u->requested_at = time_value(7);
	u->accepted_at = time_value(8);
	u->completed_at = time_value(9);
	u->ours = u->state == UPDATE_ADMITTED &&
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(store_value(0, 10)));
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * The earlier run that answered an update before it went on as this one, by
 * continue-as-new or a retry, through any number of others; false where none did.
 * What a reset left out has not been.
 */
bool
update_find_before(const pg_uuid_t *run_id, const text *update_id, pg_uuid_t *before)
{
	static Statement statement = {
		"SELECT u.run_id FROM durable.update u JOIN durable.closed c ON c.run_id = u.run_id"
		" WHERE u.first_run_id = COALESCE((SELECT e.first_run_id FROM durable.execution e WHERE e.run_id = $1),"
		" (SELECT o.first_run_id FROM durable.closed o WHERE o.run_id = $1))"
		" AND u.update_id = $2 AND u.completed_at IS NOT NULL"
		" AND (c.status = $3 OR c.next_run_id IS NOT NULL AND c.status <> $4)"
		" ORDER BY u.run_id DESC LIMIT 1",
		4, {UUIDOID, TEXTOID, INT2OID, INT2OID}
	};
	Datum		values[4] = {
		UUIDPGetDatum(run_id), PointerGetDatum(update_id),
		Int16GetDatum(STATUS_CONTINUED_AS_NEW), Int16GetDatum(STATUS_TERMINATED)
	};

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	*before = *DatumGetUUIDP(store_value(0, 1));
	return true;
}

static void
set_pointer(Datum *values, bool *nulls, int column, const void *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

static void
set_time(Datum *values, bool *nulls, int column, TimestampTz at)
{
	values[column] = TimestampTzGetDatum(at);
	nulls[column] = at == DT_NOEND;
}

/*
 * Collect the new state of an update
 */
void
update_add(RowBatch *batch, const Update *u)
{
	Datum		values[UPDATE_COLUMNS];
	bool		nulls[UPDATE_COLUMNS] = {0};

	values[U_RUN_ID] = UUIDPGetDatum(&u->run_id);
	values[U_UPDATE_ID] = PointerGetDatum(u->update_id);
	values[U_OWNER] = ObjectIdGetDatum(u->owner);
	values[U_NAME] = PointerGetDatum(u->name);
	values[U_STATE] = Int16GetDatum(u->state);
	set_pointer(values, nulls, U_ARGS, u->args);
	values[U_ARGS_ID] = Int64GetDatum(u->args_id);
	nulls[U_ARGS_ID] = u->args_id == 0;
	set_pointer(values, nulls, U_RESULT, u->result);
	values[U_RESULT_ID] = Int64GetDatum(u->result_id);
	nulls[U_RESULT_ID] = u->result_id == 0;
	set_pointer(values, nulls, U_FAILURE, u->failure);
	values[U_REQUESTED_AT] = TimestampTzGetDatum(u->requested_at);
	set_time(values, nulls, U_ACCEPTED_AT, u->accepted_at);
	set_time(values, nulls, U_COMPLETED_AT, u->completed_at);
	values[U_FIRST_RUN_ID] = UUIDPGetDatum(&u->first_run_id);
	rows_add(batch, values, nulls);
}

/*
 * Write the collected states.  The row is there, unless the update came with
 * the history of another run.
 */
void
update_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.update AS u SELECT n.* FROM pg_catalog.unnest($1) n"
		" ON CONFLICT (run_id, update_id) DO UPDATE SET (state, result, result_id, failure, accepted_at, completed_at)"
		" = (EXCLUDED.state, EXCLUDED.result, EXCLUDED.result_id, EXCLUDED.failure,"
		" COALESCE(u.accepted_at, EXCLUDED.accepted_at), EXCLUDED.completed_at)",
		1, {ROWS_OF(TABLE_UPDATE)}
	};

	rows_write(batch, &statement);
}

#define WHOLE_ARGS	"COALESCE(u.args, (SELECT p.data FROM durable.payload p WHERE p.payload_id = u.args_id))"

/*
 * A run goes on as another one, which gets what is not answered.  To be called
 * after update_write().
 */
void
update_move(const pg_uuid_t *from, const pg_uuid_t *to)
{
	static Statement statement = {
		"UPDATE durable.update u SET (run_id, args, args_id) = ROW ($2, " WHOLE_ARGS ", NULL)"
		" WHERE u.run_id = $1 AND u.completed_at IS NULL",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(from), UUIDPGetDatum(to)};

	store_execute(&statement, values, NULL);
}

/*
 * Is the update of a run that waiters know by this hash answered?
 */
bool
update_is_answered(const pg_uuid_t *run_id, uint32 hash)
{
	static Statement statement = {
		"SELECT u.update_id FROM durable.update u WHERE u.run_id = $1 AND u.completed_at IS NOT NULL", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	int64		n = store_execute(&statement, &id, NULL);

	for (int64 i = 0; i < n; i++)
		if (update_hash(TextDatumGetCString(store_value(i, 1))) == hash)
			return true;
	return false;
}
