/*-------------------------------------------------------------------------
 *
 * temp_objects.c
 *	  What lies in the temporary schema of the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/compat.h"
#include "base/temp_objects.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "utils/fmgroids.h"

/*
 * The temporary schema of the session, InvalidOid where it has none
 */
Oid
temp_schema(void)
{
	Oid			schema;
	Oid			toast_schema;

	GetTempNamespaceState(&schema, &toast_schema);
	return schema;
}

/*
 * The objects in the temporary schema of the session: how many
 */
int
temp_objects(ObjectAddress **objects)
{
	Oid			schema = temp_schema();
	int			n = 0;
	int			room = 16;
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key[2];
	HeapTuple	tuple;

	*objects = NULL;
	if (!OidIsValid(schema))
		return 0;
	*objects = palloc(room * sizeof(ObjectAddress));
	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(schema));
	scan = systable_beginscan(rel, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(tuple);

		if (n == room)
			*objects = repalloc(*objects, (room *= 2) * sizeof(ObjectAddress));
		ObjectAddressSet((*objects)[n], depend->classid, depend->objid);
		n++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return n;
}

/*
 * Does a client's session have temporary objects?  In a process of ours none
 * are left.
 */
bool
session_has_temp(void)
{
	ObjectAddress *objects;

	return !in_background_worker() && temp_objects(&objects) > 0;
}
