/*-------------------------------------------------------------------------
 *
 * why.c
 *	  What keeps workflows from being run: for wf_stuck and the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "guc.h"
#include "identity.h"
#include "miscadmin.h"
#include "shmem.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "why.h"

/*
 * May a worker connect as this role?  Before PostgreSQL 17 it needs LOGIN.
 */
static bool
role_can_connect(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	result = true;
#endif
	return result;
}

static bool
may_connect(Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(DatabaseRelationId, MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
#else
	return pg_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
}

/*
 * Why no worker would run this owner's workflows, or queued activities; NULL
 * where one would
 */
char *
why_no_worker(Oid owner, bool activities)
{
	Database   *db;
	char	   *name = GetUserNameFromId(owner, true);

	if (!shared)
		return pstrdup("durable is not in shared_preload_libraries: no worker runs, only CALL wf_work()");
	if (!name)
		return psprintf("the owner, role %u, does not exist", owner);
	if (!role_can_connect(owner))
		return psprintf("the owner, role \"%s\", cannot log in: ALTER ROLE ... LOGIN", name);
	if (!may_connect(owner))
		return psprintf("the owner, role \"%s\", lacks CONNECT on this database: GRANT CONNECT", name);
	db = durable_database(MyDatabaseId, false);
	if ((db && db->paused) || !durable_identity_matches())
		return pstrdup("the database is a restored dump or a copy: SELECT wf_adopt() if the original is gone");
	if (activities && durable_max_activity_workers == 0)
		return pstrdup("durable.max_activity_workers is 0: no worker runs queued activities, only CALL wf_work()");
	if (!activities && durable_max_workers == 0)
		return pstrdup("durable.max_workers is 0: no worker runs, only CALL wf_work()");
	if (shared->out_of_workers)
		return pstrdup("no background worker could be started: raise max_worker_processes");
	return NULL;
}
