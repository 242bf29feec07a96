/*-------------------------------------------------------------------------
 *
 * roles.c
 *	  Roles, as the launcher sees them, which is connected to no database.
 *
 *	  A process that is started for a role that does not exist, or may not log in,
 *	  ends as it connects.  So before it starts one where the last start was in vain,
 *	  the launcher looks into pg_authid.  There is no syscache without a database:
 *	  it is a scan, for which there is time once a delay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "postmaster/bgworker.h"
#include "process/roles.h"
#include "utils/snapmgr.h"

static RoleState
state_of(Form_pg_authid role)
{
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	return ROLE_FINE;
#else
	return role->rolcanlogin ? ROLE_FINE : ROLE_CANNOT_LOG_IN;
#endif
}

/*
 * Could a process of ours connect as this role?
 */
RoleState
role_state(Oid role)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;
	RoleState	result = ROLE_GONE;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(AuthIdRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (result == ROLE_GONE && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		if (form->oid == role)
			result = state_of(form);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return result;
}

/*
 * Say that nothing is started for it
 */
void
roles_log(Oid role, Oid dbid, RoleState state)
{
	if (state == ROLE_GONE)
		ereport(LOG,
				(errmsg("durable starts nothing for role %u in database %u: it does not exist any more", role, dbid),
				 errhint("wf_stuck lists its runs. wf_change_owner() gives them to another role.")));
	else if (state == ROLE_CANNOT_LOG_IN)
		ereport(LOG,
				(errmsg("durable starts nothing for role %u in database %u: it cannot log in", role, dbid),
				 errhint("ALTER ROLE ... LOGIN. wf_stuck lists its runs.")));
}
