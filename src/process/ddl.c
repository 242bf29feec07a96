/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Statements that concern the engine as a whole.
 *
 *	  1. DROP DATABASE, CREATE DATABASE ... TEMPLATE, ALTER DATABASE ... RENAME
 *	  and SET TABLESPACE fail while anyone is connected.  So our processes are
 *	  sent away first and kept away until the statement is over.
 *
 *	  2. CREATE, ALTER and DROP EXTENSION are told to the processes once they
 *	  have committed.
 *
 *	  3. COMMIT PREPARED may bring mail that no session knows of, or close runs,
 *	  and ROLLBACK PREPARED gives runs back: everything is looked at.
 *
 *	  4. LISTEN to a channel of ours counts as wf_listen() and wf_listen_workflow()
 *	  do; UNLISTEN and DISCARD ALL end it (waiter.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "process/ddl.h"
#include "shared/listener.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "shared/txn.h"
#include "shared/waiter.h"
#include "storage/ipc.h"
#include "tcop/utility.h"

#define LEAVE_TIMEOUT_MS	5000
#define LEAVE_POLL_US		2000

static ProcessUtility_hook_type prev_utility_hook = NULL;
static object_access_hook_type prev_object_access_hook = NULL;

/*
 * The database whose users a statement needs gone, by name, or NULL
 */
static const char *
database_to_clear(Node *stmt)
{
	ListCell   *cell;

	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			return castNode(DropdbStmt, stmt)->dbname;
		case T_RenameStmt:
			if (castNode(RenameStmt, stmt)->renameType == OBJECT_DATABASE)
				return castNode(RenameStmt, stmt)->subname;
			return NULL;
		case T_CreatedbStmt:
			foreach(cell, castNode(CreatedbStmt, stmt)->options)
				if (strcmp(lfirst_node(DefElem, cell)->defname, "template") == 0)
					return defGetString(lfirst_node(DefElem, cell));
			return "template1";
		case T_AlterDatabaseStmt:
			foreach(cell, castNode(AlterDatabaseStmt, stmt)->options)
				if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
					return castNode(AlterDatabaseStmt, stmt)->dbname;
			return NULL;
		default:
			return NULL;
	}
}

/*
 * May this user do such things to the database at all?  The statement itself
 * decides; this only keeps others from sending our processes away.
 */
static bool
may_clear(Oid dbid, bool copy)
{
#if PG_VERSION_NUM >= 160000
	bool		owner = object_ownercheck(DatabaseRelationId, dbid, GetUserId());
#else
	bool		owner = pg_database_ownercheck(dbid, GetUserId());
#endif

	return owner || (copy && superuser());
}

static void
change_block(Oid dbid, int by)
{
	Database   *db = durable_database(dbid, false);

	if (!db)
		return;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	db->blocked += by;
	LWLockRelease(shared->directory);
}

static void
send_away(Oid dbid)
{
	for (int waited = 0; slots_terminate(dbid) > 0 && waited < LEAVE_TIMEOUT_MS * 1000; waited += LEAVE_POLL_US)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(LEAVE_POLL_US);
	}
}

/* Whether the statement succeeded or not: our processes may come back */
static void
let_back(int code, Datum arg)
{
	change_block(DatumGetObjectId(arg), -1);
	durable_want_scheduler(DatumGetObjectId(arg));
}

static void
next_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_utility_hook)
		prev_utility_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
}

static void
ddl_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;
	const char *name = shared ? database_to_clear(stmt) : NULL;
	Oid			dbid = name ? get_database_oid(name, true) : InvalidOid;
	bool		prepared = IsA(stmt, TransactionStmt) &&
		(castNode(TransactionStmt, stmt)->kind == TRANS_STMT_COMMIT_PREPARED ||
		 castNode(TransactionStmt, stmt)->kind == TRANS_STMT_ROLLBACK_PREPARED);
	bool		alter = IsA(stmt, AlterExtensionStmt) &&
		strcmp(castNode(AlterExtensionStmt, stmt)->extname, "durable") == 0;

	/* nothing of ours is where nobody ever looked */
	if (!OidIsValid(dbid) || !durable_database(dbid, false) || !may_clear(dbid, IsA(stmt, CreatedbStmt)))
	{
		next_utility(pstmt, query, read_only_tree, context, params, env, dest, qc);
		if (prepared)
		{
			queues_look_again(MyDatabaseId);
			task_queues_look_again(MyDatabaseId);
			durable_look_at_all(MyDatabaseId);
			waiter_wake_all();
		}
		if (alter)
			txn_extension_changed();
		if (IsA(stmt, ListenStmt))
			listener_add(castNode(ListenStmt, stmt)->conditionname);
		if (IsA(stmt, UnlistenStmt))
			listener_remove(castNode(UnlistenStmt, stmt)->conditionname);
		if (IsA(stmt, DiscardStmt) && castNode(DiscardStmt, stmt)->target == DISCARD_ALL)
			listener_remove(NULL);
		return;
	}
	change_block(dbid, 1);
	PG_ENSURE_ERROR_CLEANUP(let_back, ObjectIdGetDatum(dbid));
	{
		STOP_EVENT(ddl_blocked);
		send_away(dbid);
		STOP_EVENT(ddl_sent_away);
		next_utility(pstmt, query, read_only_tree, context, params, env, dest, qc);
	}
	STOP_EVENT(ddl_done);
	PG_END_ENSURE_ERROR_CLEANUP(let_back, ObjectIdGetDatum(dbid));
	if (IsA(stmt, DropdbStmt))
	{
		change_block(dbid, -1);
		slots_forget_database(dbid, true);
	}
	else
		let_back(0, ObjectIdGetDatum(dbid));
	if (IsA(stmt, CreatedbStmt))
		txn_new_database(get_database_oid(castNode(CreatedbStmt, stmt)->dbname, true));
}

static void
ddl_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access == OAT_DROP && classid == ExtensionRelationId &&
		objectid == get_extension_oid("durable", true))
		{
		STOP_EVENT(extension_dropped);
		txn_extension_dropped();
		}
}

/* durable.installed(): the last statement of the install script */
PG_FUNCTION_INFO_V1(durable_notice_installed);
Datum
durable_notice_installed(PG_FUNCTION_ARGS)
{
	txn_extension_changed();
	STOP_EVENT(extension_installed);
	PG_RETURN_VOID();
}

/*
 * See the statements that concern the engine
 */
void
durable_ddl_init(void)
{
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = ddl_utility;
	prev_object_access_hook = object_access_hook;
	object_access_hook = ddl_object_access;
}
