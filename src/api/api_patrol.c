/*-------------------------------------------------------------------------
 *
 * api_patrol.c
 *	  What the patrol has found, for wf_patrol.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "shared/finding.h"
#include "shared/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/*
 * As durable.monitors()
 */
static bool
monitors(Oid owner)
{
	Oid			role = GetUserId();

	return has_privs_of_role(role, ROLE_PG_READ_ALL_STATS) || has_privs_of_role(role, ROLE_PG_READ_ALL_DATA) ||
		(OidIsValid(owner) && has_privs_of_role(role, owner));
}

/* durable.patrol(): its findings in this database that the caller may see */
PG_FUNCTION_INFO_V1(durable_patrol);
Datum
durable_patrol(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Finding    *findings = palloc(MAX_FINDINGS * sizeof(Finding));
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = shared ? findings_copy(findings) : 0;
	for (int i = 0; i < n; i++)
	{
		Finding    *finding = &findings[i];
		Datum		values[7];
		bool		nulls[7] = {0};

		if (!monitors(finding->owner))
			continue;
		values[0] = CStringGetTextDatum(finding_name(finding->kind));
		values[1] = ObjectIdGetDatum(finding->owner);
		values[2] = UUIDPGetDatum(&finding->run_id);
		values[3] = CStringGetTextDatum(finding->detail);
		values[4] = TimestampTzGetDatum(finding->first_at);
		values[5] = TimestampTzGetDatum(finding->last_at);
		values[6] = Int64GetDatum(finding->times);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* durable.patrol_looks(): how often it has looked at this database */
PG_FUNCTION_INFO_V1(durable_patrol_looks);
Datum
durable_patrol_looks(PG_FUNCTION_ARGS)
{
	Database   *database = durable_database(MyDatabaseId, false);
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (database)
	{
		SpinLockAcquire(&database->mutex);
		values[0] = Int64GetDatum(database->looks);
		values[1] = TimestampTzGetDatum(database->looked_at);
		nulls[1] = database->looks == 0;
		values[2] = BoolGetDatum(database->patrol_rests);
		SpinLockRelease(&database->mutex);
	}
	else
		nulls[1] = nulls[2] = true;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
