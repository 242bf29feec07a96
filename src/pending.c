/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Activities between two attempts, and state that workflows publish.
 *
 *	  All functions run between store_begin() and store_end(), but for those
 *	  that only collect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "pending.h"
#include "utils/builtins.h"

enum
{
	A_RUN_ID, A_COMMAND, A_NAME, A_ATTEMPT, A_SCHEDULED_AT, A_NEXT_ATTEMPT_AT, A_LAST_FAILURE,
	ACTIVITY_COLUMNS
};

enum
{
	S_RUN_ID, S_KEY, S_OWNER, S_VALUE, S_SET_AT, STATE_COLUMNS
};

void
pending_add(RowBatch *batch, const PendingActivity *activity)
{
	Datum		values[ACTIVITY_COLUMNS];
	bool		nulls[ACTIVITY_COLUMNS] = {0};

	values[A_RUN_ID] = UUIDPGetDatum(&activity->run_id);
	values[A_COMMAND] = Int32GetDatum(activity->command);
	values[A_NAME] = PointerGetDatum(activity->name);
	values[A_ATTEMPT] = Int32GetDatum(activity->attempt);
	values[A_SCHEDULED_AT] = TimestampTzGetDatum(activity->scheduled_at);
	values[A_NEXT_ATTEMPT_AT] = TimestampTzGetDatum(activity->next_attempt_at);
	values[A_LAST_FAILURE] = JsonbPGetDatum(activity->last_failure);
	rows_add(batch, values, nulls);
}

void
pending_write(RowBatch *batch)
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
 * The attempts so far of an activity; false where none failed yet
 */
bool
pending_read(const pg_uuid_t *run_id, int32 command, PendingActivity *result)
{
	static Statement statement = {
		"SELECT a.attempt, a.scheduled_at, a.next_attempt_at FROM durable.activity a"
		" WHERE a.run_id = $1 AND a.command = $2",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), Int32GetDatum(command)};

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	result->run_id = *run_id;
	result->command = command;
	result->attempt = DatumGetInt32(store_value(0, 1));
	result->scheduled_at = DatumGetTimestampTz(store_value(0, 2));
	result->next_attempt_at = DatumGetTimestampTz(store_value(0, 3));
	return true;
}

void
pending_remove(const pg_uuid_t *run_id, int32 command)
{
	static Statement statement = {
		"DELETE FROM durable.activity a WHERE a.run_id = $1 AND a.command = $2", 2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), Int32GetDatum(command)};

	store_execute(&statement, values, NULL);
}

void
state_add(RowBatch *batch, const pg_uuid_t *run_id, text *key, Oid owner, Jsonb *value, TimestampTz at)
{
	Datum		values[STATE_COLUMNS];
	bool		nulls[STATE_COLUMNS] = {0};

	values[S_RUN_ID] = UUIDPGetDatum(run_id);
	values[S_KEY] = PointerGetDatum(key);
	values[S_OWNER] = ObjectIdGetDatum(owner);
	values[S_VALUE] = JsonbPGetDatum(value);
	nulls[S_VALUE] = value == NULL;
	values[S_SET_AT] = TimestampTzGetDatum(at);
	rows_add(batch, values, nulls);
}

void
state_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.state SELECT n.* FROM pg_catalog.unnest($1) n"
		" ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value, set_at = excluded.set_at",
		1, {ROWS_OF(TABLE_STATE)}
	};

	rows_write(batch, &statement);
}
