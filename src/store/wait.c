/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  A session that waits for what others do.
 *
 *	  1. It sleeps until its latch is set, watching its client (client.c), and by
 *	  a clock that nobody sets.
 *
 *	  2. It holds no lock of ours itself: who waits looks at the tables by
 *	  store_begin_look().  But its transaction may hold some, of statements before:
 *	  it started another workflow, or read a view.  If then somebody wants to have
 *	  a table to himself, everybody queues up behind him, and the one who waits for
 *	  them is not seen to be part of that circle.  So after a second it looks
 *	  whether it holds any, and if so every second whether it is in somebody's way,
 *	  and then gives up as the victim of a deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/client.h"
#include "base/clock.h"
#include "base/extension.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "shared/shmem.h"
#include "store/store.h"
#include "store/wait.h"
#include "utils/snapmgr.h"

/* Where nobody can set our latch we look ourselves, that often */
#define POLL_MS			20
/* and as a safety net this often otherwise */
#define SAFETY_MS		60000
/* How long to be in somebody's way before it is a deadlock */
#define IN_THE_WAY_MS	1000

/*
 * Does the transaction hold locks on the engine's tables?
 */
static bool
holds_locks(void)
{
	static Statement statement = {
		"SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation"
		" WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'"
		" AND c.relnamespace = $1 LIMIT 1",
		1, {OIDOID}
	};
	Datum		schema = ObjectIdGetDatum(durable_schema());
	StoreScope	scope;
	bool		found;

	store_begin_look(&scope);
	found = store_execute(&statement, &schema, NULL) > 0;
	store_end(&scope);
	return found;
}

/*
 * Does anybody wait for such a lock behind us?
 */
static bool
is_in_the_way(void)
{
	static Statement statement = {
		"SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation"
		" WHERE NOT l.granted AND l.locktype = 'relation' AND c.relnamespace = $1"
		" AND l.database = $2 AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(l.pid)) LIMIT 1",
		2, {OIDOID, OIDOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(durable_schema()), ObjectIdGetDatum(MyDatabaseId)};
	StoreScope	scope;
	bool		found;

	store_begin_look(&scope);
	found = store_execute(&statement, values, NULL) > 0;
	store_end(&scope);
	return found;
}

/*
 * Give up where what we wait for waits for us
 */
static void
check_in_the_way(Wait *wait)
{
	if (!holds_locks())
		wait->in_nobodys_way = true;
	else if (is_in_the_way())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("deadlock detected"),
				 errdetail("The session waits for a workflow, and its transaction holds locks on tables of durable for which another session waits."),
				 errhint("Commit before you wait.")));
}

/*
 * Sleep until something may have happened, `longest' milliseconds at most (0: as
 * long as it is safe); false when the time is over
 */
bool
wait_sleep(Wait *wait, long longest)
{
	int64		now = durable_monotonic();
	long		timeout = shared ? SAFETY_MS : POLL_MS;

	if (wait->since == 0)
		wait->since = now;
	if (longest > 0)
		timeout = Min(timeout, longest);
	if (wait->until != PG_INT64_MAX)
	{
		if (wait->until <= now)
			return false;
		timeout = Min(timeout, (wait->until - now + 999) / 1000);
	}
	if (!wait->in_nobodys_way)
	{
		if (now - wait->since >= IN_THE_WAY_MS * INT64CONST(1000))
		{
			check_in_the_way(wait);
			wait->since = now;
		}
		if (!wait->in_nobodys_way)
			timeout = Min(timeout, Max(IN_THE_WAY_MS - (now - wait->since) / 1000, 1));
	}
	/* nor does what was looked up in catalogs hold back vacuum */
	InvalidateCatalogSnapshotConditionally();
	client_sleep(timeout, wait->event);
	return true;
}
