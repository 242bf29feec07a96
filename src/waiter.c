/*-------------------------------------------------------------------------
 *
 * waiter.c
 *	  Sessions that wait for a run to close, and runs somebody LISTENs to.
 *
 *	  A session in wf_result has an entry with its run, and whoever closes the
 *	  run sets its latch after the commit.  A listened-to workflow is known by
 *	  a hash of its namespace and id; a collision costs a NOTIFY too many.
 *	  Entries go with their session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "waiter.h"

static Waiter *my_waiter = NULL;
static uint64 *my_listeners = NULL;
static int	my_listener_count = 0;
static bool exit_registered = false;

static void
leave_all(int code, Datum arg)
{
	waiter_end();
	LWLockAcquire(shared->waiting, LW_EXCLUSIVE);
	for (int n = 0; n < my_listener_count; n++)
		for (int i = 0; i < MAX_LISTENERS; i++)
		{
			Listener   *listener = &shared->listeners[i];

			if (listener->sessions > 0 && listener->dbid == MyDatabaseId &&
				listener->key == my_listeners[n])
			{
				if (--listener->sessions == 0)
					shared->nlisteners--;
				break;
			}
		}
	my_listener_count = 0;
	LWLockRelease(shared->waiting);
}

static void
register_exit(void)
{
	if (!exit_registered)
		before_shmem_exit(leave_all, (Datum) 0);
	exit_registered = true;
}

/*
 * From here to waiter_end() this session's latch is set when the run closes.
 * Look at the run after this call, not before.
 */
void
waiter_begin(const pg_uuid_t *run_id)
{
	if (!shared)
		return;
	register_exit();
	LWLockAcquire(shared->waiting, LW_EXCLUSIVE);
	for (int i = 0; i < MaxBackends && !my_waiter; i++)
		if (shared->waiters[i].proc == NULL)
		{
			my_waiter = &shared->waiters[i];
			shared->nwaiters++;
		}
	if (my_waiter)
	{
		my_waiter->dbid = MyDatabaseId;
		my_waiter->run_id = *run_id;
		my_waiter->proc = MyProc;
	}
	LWLockRelease(shared->waiting);
}

void
waiter_end(void)
{
	if (!my_waiter)
		return;
	LWLockAcquire(shared->waiting, LW_EXCLUSIVE);
	my_waiter->proc = NULL;
	my_waiter = NULL;
	shared->nwaiters--;
	LWLockRelease(shared->waiting);
}

/*
 * These runs have closed, and the commit is done
 */
void
waiter_wake(const pg_uuid_t *run_ids, int n)
{
	int			left;

	if (!shared || shared->nwaiters == 0)
		return;
	LWLockAcquire(shared->waiting, LW_SHARED);
	left = shared->nwaiters;
	for (int i = 0; i < MaxBackends && left > 0; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (waiter->proc == NULL)
			continue;
		left--;
		if (waiter->dbid != MyDatabaseId)
			continue;
		for (int j = 0; j < n; j++)
			if (memcmp(&waiter->run_id, &run_ids[j], sizeof(pg_uuid_t)) == 0)
			{
				SetLatch(&waiter->proc->procLatch);
				break;
			}
	}
	LWLockRelease(shared->waiting);
}

/*
 * This session LISTENs to a workflow
 */
void
listener_add(uint64 key)
{
	Listener   *entry = NULL;

	for (int i = 0; i < my_listener_count; i++)
		if (my_listeners[i] == key)
			return;
	if (!shared)
		return;
	register_exit();
	if (my_listener_count % 64 == 0)
	{
		Size		size = (my_listener_count + 64) * sizeof(uint64);

		my_listeners = my_listeners ? repalloc(my_listeners, size) :
			MemoryContextAlloc(TopMemoryContext, size);
	}
	my_listeners[my_listener_count++] = key;

	LWLockAcquire(shared->waiting, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_LISTENERS; i++)
	{
		Listener   *listener = &shared->listeners[i];

		if (listener->sessions > 0 && listener->dbid == MyDatabaseId && listener->key == key)
		{
			entry = listener;
			break;
		}
		if (listener->sessions == 0 && entry == NULL)
			entry = listener;
	}
	if (entry == NULL)
		shared->listeners_full = true;
	else
	{
		if (entry->sessions == 0)
			shared->nlisteners++;
		entry->dbid = MyDatabaseId;
		entry->key = key;
		entry->sessions++;
	}
	LWLockRelease(shared->waiting);
}

/*
 * May there be anyone who listens?  Without shared memory nobody can tell, so
 * yes.
 */
bool
listener_any(void)
{
	return !shared || shared->listeners_full || shared->nlisteners > 0;
}

bool
listener_wants(uint64 key)
{
	bool		found = false;

	if (!shared || shared->listeners_full)
		return true;
	LWLockAcquire(shared->waiting, LW_SHARED);
	for (int i = 0; i < MAX_LISTENERS && !found; i++)
		found = shared->listeners[i].sessions > 0 &&
			shared->listeners[i].dbid == MyDatabaseId && shared->listeners[i].key == key;
	LWLockRelease(shared->waiting);
	return found;
}
