/*-------------------------------------------------------------------------
 *
 * why.c
 *	  What keeps workflows from being run: for wf_stuck and the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/clock.h"
#include "base/guc.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "process/why.h"
#include "shared/shmem.h"
#include "shared/trouble.h"
#include "store/identity.h"
#include "utils/acl.h"
#include "utils/syscache.h"

/* A role that waits for a worker for so long is stuck */
#define LONG_USECS	(5 * USECS_PER_SEC)

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
 * Why no worker would run what belongs to this role, whatever it is; NULL where one
 * would.  Limits of connections do not hold for workers.
 */
static char *
why_not_as(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	if (!name)
		return psprintf("the owner, role %u, does not exist", role);
	if (!role_can_connect(role))
		return psprintf("the owner, role \"%s\", cannot log in: ALTER ROLE ... LOGIN", name);
	if (!may_connect(role))
		return psprintf("the owner, role \"%s\", lacks CONNECT on this database: GRANT CONNECT", name);
	return NULL;
}

#define PAUSED_DATABASE	"the database is a restored dump, a copy, or replicated: SELECT wf_adopt() if the original is gone"

/*
 * Tell who starts a workflow that no worker will run it: once in a session for
 * each role that is in this state.  What an operator has set, like
 * durable.max_workers, is for wf_stuck.
 */
void
warn_if_no_worker(Oid owner)
{
	static Oid	fine = InvalidOid;	/* asked for, and not again in this session */
	static Oid	warned = InvalidOid;
	Database   *db;
	char	   *why;

	if (!shared || owner == fine)
		return;
	why = why_not_as(owner);
	db = durable_database(MyDatabaseId, false);
	if (!why && db && db->paused)
		why = PAUSED_DATABASE;
	if (!why)
	{
		fine = owner;
		warned = InvalidOid;
	}
	else if (warned != owner)
	{
		warned = owner;
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no worker will run this workflow: %s", why),
				 errhint("A worker connects as the role that starts the workflow. wf_stuck shows what waits for that.")));
	}
}

/*
 * Have there been roles without a worker for long, and is this one of them?
 */
static bool
waits_for_others(Oid owner, bool activities)
{
	TimestampTz since = activities ? shared->starving_tasks_since : shared->starving_since;
	SlotKind	kind = activities ? SLOT_ACTIVITY_WORKER : SLOT_WORKER;
	bool		has_worker = false;

	if (since == 0 || durable_steady() - since < LONG_USECS)
		return false;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
		has_worker |= shared->slots[i].in_use && shared->slots[i].kind == kind &&
			shared->slots[i].dbid == MyDatabaseId && shared->slots[i].owner == owner;
	LWLockRelease(shared->directory);
	return !has_worker;
}

/*
 * Why nothing is done in this database, not even for external workers; NULL
 * where that is not so
 */
char *
why_nothing_runs(void)
{
	Database   *db = durable_database(MyDatabaseId, false);

	if (!durable_enabled)
		return pstrdup("durable.enabled is off: nothing is run in this server");
	if ((db && db->paused) || !durable_identity_matches())
		return pstrdup(PAUSED_DATABASE);
	return NULL;
}

/*
 * Why no worker would run this owner's workflows, or queued activities; NULL
 * where one would
 */
char *
why_no_worker(Oid owner, bool activities)
{
	char	   *why;

	why = why_nothing_runs();
	if (why)
		return why;
	if (!shared)
		return pstrdup("durable is not in shared_preload_libraries: no worker runs, only CALL wf_work()");
	why = why_not_as(owner);
	if (why)
		return why;
	why = trouble_why();
	if (why)
		return why;
	if (activities && durable_max_activity_workers == 0)
		return pstrdup("durable.max_activity_workers is 0: no worker runs queued activities, only CALL wf_work()");
	if (!activities && durable_max_workers == 0)
		return pstrdup("durable.max_workers is 0: no worker runs, only CALL wf_work()");
	if (shared->out_of_workers)
		return pstrdup("no background worker could be started: raise max_worker_processes");
	if (waits_for_others(owner, activities))
		return psprintf("all workers are busy with others' work: see wf_workers, and %s",
						activities ? "durable.max_activity_workers" : "durable.max_workers");
	return NULL;
}
