/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  Payloads too large to be kept among the events.
 *
 *	  A message becomes an event and an event is read at each turn, so what is
 *	  large goes into a row of its own, once, and the event refers to it.  A
 *	  turn loads it only where the code asks for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/guc.h"
#include "catalog/pg_type.h"
#include "store/payload.h"
#include "store/store.h"

/* Up to here TOAST of the row does as well */
#define INLINE_LIMIT	(16 * 1024)

/*
 * Refuse a payload over durable.max_payload_size; `what' names it
 */
void
payload_check(Jsonb *payload, const char *what)
{
	if (payload && VARSIZE(payload) / 1024 > (Size) durable_max_payload_size)
		ereport(ERROR,
				(errcode(ERRCODE_WF_LIMIT),
				 errmsg("%s of %zu kB exceeds durable.max_payload_size (%d kB)",
						what, (Size) VARSIZE(payload) / 1024, durable_max_payload_size),
				 errhint("Keep the data in a table and pass its key, or raise the setting.")));
}

/*
 * Store a large payload in its own row: returns its id, and *payload is NULL.
 * Returns 0 and leaves a small one alone.
 */
int64
payload_set_aside(const pg_uuid_t *run_id, Jsonb **payload)
{
	static Statement statement = {
		"INSERT INTO durable.payload (payload_id, run_id, data)"
		" VALUES (pg_catalog.nextval('durable.payload_id_seq'), $1, $2) RETURNING payload_id",
		2, {UUIDOID, JSONBOID}
	};
	Datum		values[2];
	StoreScope	scope;
	int64		id;

	if (*payload == NULL || VARSIZE(*payload) <= INLINE_LIMIT)
		return 0;
	values[0] = UUIDPGetDatum(run_id);
	values[1] = JsonbPGetDatum(*payload);
	store_begin(&scope);
	store_execute(&statement, values, NULL);
	id = DatumGetInt64(store_value(0, 1));
	store_end(&scope);
	*payload = NULL;
	return id;
}

/*
 * Load what payload_set_aside() stored, into the current memory context; NULL
 * where its run was deleted meanwhile
 */
Jsonb *
payload_find(int64 payload_id)
{
	static Statement statement = {
		"SELECT p.data FROM durable.payload p WHERE p.payload_id = $1", 1, {INT8OID}
	};
	Datum		id = Int64GetDatum(payload_id);
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	StoreScope	scope;
	Jsonb	   *result = NULL;

	store_begin_look(&scope);
	if (store_execute(&statement, &id, NULL) > 0)
	{
		old = MemoryContextSwitchTo(context);
		result = DatumGetJsonbPCopy(store_value(0, 1));
		MemoryContextSwitchTo(old);
	}
	store_end(&scope);
	return result;
}

/*
 * The same for who holds the run, or is told of it by what the run wrote
 */
Jsonb *
payload_load(int64 payload_id)
{
	Jsonb	   *result = payload_find(payload_id);

	if (!result)
		elog(ERROR, "payload " INT64_FORMAT " is missing", payload_id);
	return result;
}

/*
 * Copy what was stored for another run: returns the id of the copy, 0 for 0
 */
int64
payload_copy(int64 payload_id, const pg_uuid_t *run_id)
{
	static Statement statement = {
		"INSERT INTO durable.payload (payload_id, run_id, data)"
		" SELECT pg_catalog.nextval('durable.payload_id_seq'), $2, p.data FROM durable.payload p"
		" WHERE p.payload_id = $1 RETURNING payload_id",
		2, {INT8OID, UUIDOID}
	};
	Datum		values[2] = {Int64GetDatum(payload_id), UUIDPGetDatum(run_id)};
	StoreScope	scope;
	int64		id;

	if (payload_id == 0)
		return 0;
	store_begin(&scope);
	if (store_execute(&statement, values, NULL) == 0)
		elog(ERROR, "payload " INT64_FORMAT " is missing", payload_id);
	id = DatumGetInt64(store_value(0, 1));
	store_end(&scope);
	return id;
}
