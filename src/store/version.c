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
#include "base/clock.h"
#include "catalog/pg_type.h"
#include "store/store.h"
#include "store/version.h"
#include "utils/builtins.h"

/*
 * The number of a text, 0 where it has none yet; *committed tells whether it
 * has it for good, which is not so while our own transaction may be undone
 */
int32
version_find(const char *function, const CodeVersion *code, bool *committed)
{
	static Statement statement = {
		"SELECT v.version, v.xmin FROM durable.version v WHERE v.function = $1"
		" AND v.fingerprint = pg_catalog.sha256(pg_catalog.convert_to($2, 'UTF8'))"
		" AND CASE WHEN v.definer OR v.untrusted THEN v.owner::pg_catalog.oid ELSE 0::pg_catalog.oid END = $3",
		3, {TEXTOID, TEXTOID, OIDOID}
	};
	Datum		values[3] = {CStringGetTextDatum(function), CStringGetTextDatum(code->definition),
	ObjectIdGetDatum(code->definer || code->untrusted ? code->owner : InvalidOid)};

	if (store_execute(&statement, values, NULL) == 0)
		return 0;
	*committed = !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(store_value(0, 2)));
	return DatumGetInt32(store_value(0, 1));
}

/*
 * Give a text the next number, unless somebody else just did
 */
void
version_add(const char *function, const CodeVersion *code)
{
	static Statement statement = {
		"INSERT INTO durable.version (function, version, fingerprint, definition, owner, definer, untrusted, created_at)"
		" SELECT $1, COALESCE(pg_catalog.max(v.version), 0) + 1, pg_catalog.sha256(pg_catalog.convert_to($2, 'UTF8')),"
		" $2, $3, $4, $5, $6 FROM durable.version v WHERE v.function = $1 ON CONFLICT DO NOTHING",
		6, {TEXTOID, TEXTOID, OIDOID, BOOLOID, BOOLOID, TIMESTAMPTZOID}
	};
	Datum		values[6] = {CStringGetTextDatum(function), CStringGetTextDatum(code->definition),
		ObjectIdGetDatum(code->owner), BoolGetDatum(code->definer), BoolGetDatum(code->untrusted),
	TimestampTzGetDatum(durable_now())};

	store_execute(&statement, values, NULL);
}

/*
 * The text of a version; false where it is not known
 */
bool
version_read(const char *function, int32 version, MemoryContext context, CodeVersion *result)
{
	static Statement statement = {
		"SELECT v.definition, v.owner, v.definer, v.untrusted FROM durable.version v WHERE v.function = $1 AND v.version = $2",
		2, {TEXTOID, INT4OID}
	};
	Datum		values[2] = {CStringGetTextDatum(function), Int32GetDatum(version)};
	MemoryContext old;

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	result->definition = TextDatumGetCString(store_value(0, 1));
	result->owner = DatumGetObjectId(store_value(0, 2));
	result->definer = DatumGetBool(store_value(0, 3));
	result->untrusted = DatumGetBool(store_value(0, 4));
	MemoryContextSwitchTo(old);
	return true;
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
 * A number that no clone has, and none will have
 */
int64
version_next_clone(void)
{
	static Statement statement = {"SELECT pg_catalog.nextval('durable.clone_seq')"};

	(void) store_execute(&statement, NULL, NULL);
	return DatumGetInt64(store_value(0, 1));
}

/*
 * A version has a clone from now on
 */
void
version_add_clone(const CloneName *clone)
{
	static Statement statement = {
		"INSERT INTO durable.clone (clone, function, version) VALUES ($1, $2, $3)",
		3, {TEXTOID, TEXTOID, INT4OID}
	};
	Datum		values[3] = {CStringGetTextDatum(clone->clone), CStringGetTextDatum(clone->function),
	Int32GetDatum(clone->version)};

	store_execute(&statement, values, NULL);
}

/*
 * Its clone is gone
 */
void
version_forget_clone(const char *clone)
{
	static Statement statement = {"DELETE FROM durable.clone n WHERE n.clone = $1", 1, {TEXTOID}};
	Datum		value = CStringGetTextDatum(clone);

	store_execute(&statement, &value, NULL);
}

static int
read_clones(int n, MemoryContext context, CloneName **clones)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	*clones = palloc(Max(n, 1) * sizeof(CloneName));
	for (int i = 0; i < n; i++)
	{
		(*clones)[i].clone = TextDatumGetCString(store_value(i, 1));
		(*clones)[i].function = TextDatumGetCString(store_value(i, 2));
		(*clones)[i].version = DatumGetInt32(store_value(i, 3));
		(*clones)[i].needed = DatumGetBool(store_value(i, 4));
	}
	MemoryContextSwitchTo(old);
	return n;
}

/*
 * The clones of a version, those that others are making left out
 */
int
version_clones(const char *function, int32 version, MemoryContext context, CloneName **clones)
{
	static Statement statement = {
		"SELECT n.clone, n.function, n.version, true FROM durable.clone n WHERE n.function = $1 AND n.version = $2"
		" ORDER BY n.clone",
		2, {TEXTOID, INT4OID}
	};
	Datum		values[2] = {CStringGetTextDatum(function), Int32GetDatum(version)};

	return read_clones((int) store_execute(&statement, values, NULL), context, clones);
}

/*
 * All clones, by version, in the order of version_clones(), and whether an open
 * run needs one of that version
 */
int
version_all_clones(MemoryContext context, CloneName **clones)
{
	static Statement statement = {
		"SELECT n.clone, n.function, n.version, EXISTS (SELECT 1 FROM durable.execution e"
		" WHERE e.function = n.function AND e.version = n.version)"
		" FROM durable.clone n ORDER BY n.function, n.version, n.clone"
	};

	return read_clones((int) store_execute(&statement, NULL, NULL), context, clones);
}
