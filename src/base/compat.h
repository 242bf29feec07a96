/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between PostgreSQL 15 to 18, all of them, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_COMPAT_H
#define DURABLE_COMPAT_H

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif

#if PG_VERSION_NUM < 160000
#define function_aclcheck(oid, role)	pg_proc_aclcheck(oid, role, ACL_EXECUTE)
#else
#define function_aclcheck(oid, role)	object_aclcheck(ProcedureRelationId, oid, role, ACL_EXECUTE)
#endif

/* Could the role become the other one? */
#if PG_VERSION_NUM < 160000
#define check_can_set_role(member, role)	check_is_member_of_role(member, role)
#endif

#ifndef pg_noreturn
#define pg_noreturn		pg_attribute_noreturn()
#endif

/* The number of this process, below MaxBackends but for auxiliary ones */
#if PG_VERSION_NUM < 170000
#define my_proc_number()	(MyProc->pgprocno)
#else
#define my_proc_number()	GetNumberFromPGProc(MyProc)
#endif

#if PG_VERSION_NUM < 170000
#define my_lxid()	(MyProc->lxid)
#else
#define my_lxid()	(MyProc->vxid.lxid)
#endif

/* IsBackgroundWorker, as it was called before 17 */
#define in_background_worker()	(MyBgworkerEntry != NULL)

/*
 * Pin the search path to pg_catalog until unpin_search_path().  An error in
 * between is undone by the (sub)transaction's abort.
 */
#if PG_VERSION_NUM < 170000
typedef int SearchPathPin;

static inline SearchPathPin
pin_search_path(void)
{
	static OverrideSearchPath path = {.schemas = NIL, .addCatalog = true, .addTemp = false};

	PushOverrideSearchPath(&path);
	return 0;
}

static inline void
unpin_search_path(SearchPathPin pin)
{
	PopOverrideSearchPath();
}
#else
typedef int SearchPathPin;

static inline SearchPathPin
pin_search_path(void)
{
	int			nestlevel = NewGUCNestLevel();

	RestrictSearchPath();
	return nestlevel;
}

static inline void
unpin_search_path(SearchPathPin pin)
{
	AtEOXact_GUC(false, pin);
}
#endif

/* All settings there are. */
static inline struct config_generic **
all_settings(int *count)
{
#if PG_VERSION_NUM < 160000
	*count = GetNumConfigOptions();
	return get_guc_variables();
#else
	return get_guc_variables(count);
#endif
}

/* The locks of this process in a partition of the table of locks, one by one. */
static inline PROCLOCK *
own_lock_next(int partition, PROCLOCK *lock)
{
#if PG_VERSION_NUM < 160000
	return (PROCLOCK *) SHMQueueNext(&MyProc->myProcLocks[partition],
									 lock ? &lock->procLink : &MyProc->myProcLocks[partition],
									 offsetof(PROCLOCK, procLink));
#else
	dlist_head *head = &MyProc->myProcLocks[partition];

	if (lock ? !dlist_has_next(head, &lock->procLink) : dlist_is_empty(head))
		return NULL;
	return dlist_container(PROCLOCK, procLink, lock ? dlist_next_node(head, &lock->procLink) : dlist_head_node(head));
#endif
}

static inline bool
own_lock_held(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM < 170000
	return LockHeldByMe(tag, mode);
#else
	return LockHeldByMe(tag, mode, false);
#endif
}

/* A wait event of our own name where the server has them (17). */
static inline uint32
wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* The record of a setting, NULL where there is no such */
static inline struct config_generic *
guc_record(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, true, 0);
#else
	int			n;
	struct config_generic **all = all_settings(&n);

	for (int i = 0; i < n; i++)
		if (pg_strcasecmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
#endif
}

/* The executor runs a plan: an argument less from 18 on */
#if PG_VERSION_NUM >= 180000
#define EXECUTOR_RUN_ONCE
#define executor_run(run, query, direction, count) (run) (query, direction, count)
#else
#define EXECUTOR_RUN_ONCE , bool execute_once
#define executor_run(run, query, direction, count) (run) (query, direction, count, execute_once)
#endif

#ifndef PG_MODULE_MAGIC_EXT
#define DURABLE_MODULE_MAGIC PG_MODULE_MAGIC
#else
#define DURABLE_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "durable", .version = DURABLE_VERSION)
#endif

#endif							/* DURABLE_COMPAT_H */
