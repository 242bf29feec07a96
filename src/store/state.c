/*-------------------------------------------------------------------------
 *
 * state.c
 *	  State that workflows publish.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/state.h"
#include "store/store.h"

enum
{
	S_RUN_ID, S_KEY, S_OWNER, S_VALUE, S_SET_AT, STATE_COLUMNS
};

/*
 * Collect a value that code publishes, NULL to take it back
 */
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

/*
 * Write the collected ones
 */
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

/*
 * Another run starts with what this one has published
 */
void
state_copy(const pg_uuid_t *from, const pg_uuid_t *to)
{
	static Statement statement = {
		"INSERT INTO durable.state SELECT $2, s.key, s.owner, s.value, s.set_at FROM durable.state s WHERE s.run_id = $1",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(from), UUIDPGetDatum(to)};

	store_execute(&statement, values, NULL);
}
