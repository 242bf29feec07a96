/*-------------------------------------------------------------------------
 *
 * extension.c
 *	  Is the extension in this database, whose is it, and does its SQL fit this
 *	  library.
 *
 *	  The answers are kept until a change of pg_namespace or a new extension
 *	  oid asks for another look: one lookup in a cache per call of the API.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/extension.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* The schema "durable" whose extension passed the version check. */
static Oid	checked_schema = InvalidOid;
static Oid	checked_extension = InvalidOid;
static Oid	checked_owner = InvalidOid;

/*
 * Version of the extension's SQL, NULL where it is not installed
 */
static char *
installed_version(Oid extension)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		version = text_to_cstring(DatumGetTextPP(datum));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

static Oid
schema_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Oid of the schema "durable", InvalidOid where the extension is not installed
 */
Oid
durable_schema(void)
{
	return get_namespace_oid("durable", true);
}

/*
 * Is the extension installed?  If so it stays until the end of the transaction:
 * DROP EXTENSION, which locks the extension first of all, waits for us here
 * and not halfway through our tables.
 */
bool
durable_lock_installed(void)
{
	Oid			extension = get_extension_oid("durable", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("durable", true) == extension && OidIsValid(durable_schema());
}

/*
 * Refuse to work with an SQL part that is older or newer than the library.
 *
 * A new library comes with a package upgrade, a new SQL part with ALTER
 * EXTENSION ... UPDATE; in between the two may not meet.
 */
void
durable_check_version(void)
{
	Oid			schema = durable_schema();
	Oid			extension;
	char	   *version;

	if (OidIsValid(schema) && schema == checked_schema)
		return;
	extension = get_extension_oid("durable", true);
	if (!OidIsValid(schema) || !OidIsValid(extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"durable\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION durable.")));
	version = installed_version(extension);
	if (version == NULL || strcmp(version, DURABLE_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library of durable is version %s, its SQL is version %s",
						DURABLE_VERSION, version ? version : "unknown"),
				 errhint("Run ALTER EXTENSION durable UPDATE, and restart the server where the library is the older one.")));
	checked_schema = schema;
	checked_extension = extension;
	checked_owner = schema_owner(schema);
}

/*
 * The role that owns the extension: the engine's own statements run as it
 */
Oid
durable_owner(void)
{
	durable_check_version();
	return checked_owner;
}

/*
 * The extension in this database, InvalidOid where there is none
 */
Oid
durable_extension_oid(void)
{
	durable_check_version();
	return checked_extension;
}

static void
forget(Datum arg, int cacheid, uint32 hashvalue)
{
	checked_schema = InvalidOid;
}

/*
 * Be told when the extension comes or goes
 */
void
durable_extension_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
	/* ALTER EXTENSION ... UPDATE brings new functions */
	CacheRegisterSyscacheCallback(PROCOID, forget, (Datum) 0);
}
