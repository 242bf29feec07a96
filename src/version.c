/*-------------------------------------------------------------------------
 *
 * version.c
 *	  The texts that workflow functions have had: rows of durable.version.
 *
 *	  A row is written with the first turn that runs a text, and stays: closed
 *	  runs name it.  Several workers may meet a new text at once; the unique
 *	  constraints let one of them win.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "utils/builtins.h"
#include "version.h"

/*
 * The number of a text, 0 where it has none yet; *committed tells whether it
 * has it for good, which is not so while our own transaction may be undone
 */
int32
version_find(const char *function, const char *definition, bool *committed)
{
	static Statement statement = {
		"SELECT v.version, v.xmin FROM durable.version v WHERE v.function = $1"
		" AND v.fingerprint = pg_catalog.sha256(pg_catalog.convert_to($2, 'UTF8'))",
		2, {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {CStringGetTextDatum(function), CStringGetTextDatum(definition)};

	if (store_execute(&statement, values, NULL) == 0)
		return 0;
	*committed = !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(store_value(0, 2)));
	return DatumGetInt32(store_value(0, 1));
}

/*
 * Give a text the next number, unless somebody else just did
 */
void
version_add(const char *function, const char *definition, Oid owner)
{
	static Statement statement = {
		"INSERT INTO durable.version (function, version, fingerprint, definition, owner, created_at)"
		" SELECT $1, COALESCE(pg_catalog.max(v.version), 0) + 1, pg_catalog.sha256(pg_catalog.convert_to($2, 'UTF8')),"
		" $2, $3, $4 FROM durable.version v WHERE v.function = $1 ON CONFLICT DO NOTHING",
		4, {TEXTOID, TEXTOID, OIDOID, TIMESTAMPTZOID}
	};
	Datum		values[4] = {CStringGetTextDatum(function), CStringGetTextDatum(definition), ObjectIdGetDatum(owner),
	TimestampTzGetDatum(durable_now())};

	store_execute(&statement, values, NULL);
}

bool
version_read(const char *function, int32 version, MemoryContext context, CodeVersion *result)
{
	static Statement statement = {
		"SELECT v.definition, v.owner, v.clone FROM durable.version v WHERE v.function = $1 AND v.version = $2",
		2, {TEXTOID, INT4OID}
	};
	Datum		values[2] = {CStringGetTextDatum(function), Int32GetDatum(version)};
	MemoryContext old;

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	result->definition = TextDatumGetCString(store_value(0, 1));
	result->owner = DatumGetObjectId(store_value(0, 2));
	result->clone = store_is_null(0, 3) ? NULL : TextDatumGetCString(store_value(0, 3));
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Note the name of a version's clone, NULL: it has none
 */
void
version_set_clone(const char *function, int32 version, const char *clone)
{
	static Statement statement = {
		"UPDATE durable.version v SET clone = $3 WHERE v.function = $1 AND v.version = $2",
		3, {TEXTOID, INT4OID, TEXTOID}
	};
	Datum		values[3] = {CStringGetTextDatum(function), Int32GetDatum(version),
	clone ? CStringGetTextDatum(clone) : (Datum) 0};

	store_execute(&statement, values, clone ? NULL : "  n");
}

bool
version_clone_taken(const char *clone)
{
	static Statement statement = {"SELECT 1 FROM durable.version v WHERE v.clone = $1", 1, {TEXTOID}};
	Datum		value = CStringGetTextDatum(clone);

	return store_execute(&statement, &value, NULL) > 0;
}

/*
 * The open runs of a function that a role may see, in the order of their ids;
 * `except' not 0: only those that are pinned to another version
 */
int
version_open_runs(const char *function, text *namespace, Oid role, int32 except,
				  MemoryContext context, pg_uuid_t **run_ids)
{
	static Statement statement = {
		"SELECT e.run_id FROM durable.execution e WHERE e.function = $1 AND ($2 IS NULL OR e.namespace = $2)"
		" AND pg_catalog.pg_has_role($3, e.owner, 'USAGE') AND ($4 = 0 OR e.version <> $4) ORDER BY e.run_id",
		4, {TEXTOID, TEXTOID, OIDOID, INT4OID}
	};
	Datum		values[4] = {CStringGetTextDatum(function), PointerGetDatum(namespace), ObjectIdGetDatum(role),
	Int32GetDatum(except)};
	int			n = (int) store_execute(&statement, values, namespace ? NULL : " n  ");

	*run_ids = MemoryContextAlloc(context, Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
		(*run_ids)[i] = *DatumGetUUIDP(store_value(i, 1));
	return n;
}

/*
 * Clones that no open run needs
 */
int
version_idle_clones(MemoryContext context, CloneName **names)
{
	static Statement statement = {
		"SELECT v.function, v.version, v.clone FROM durable.version v WHERE v.clone IS NOT NULL AND NOT EXISTS ("
		"SELECT 1 FROM durable.execution e WHERE e.function = v.function AND e.version = v.version)"
	};
	int			n = (int) store_execute(&statement, NULL, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	*names = palloc(Max(n, 1) * sizeof(CloneName));
	for (int i = 0; i < n; i++)
	{
		(*names)[i].function = TextDatumGetCString(store_value(i, 1));
		(*names)[i].version = DatumGetInt32(store_value(i, 2));
		(*names)[i].clone = TextDatumGetCString(store_value(i, 3));
	}
	MemoryContextSwitchTo(old);
	return n;
}
