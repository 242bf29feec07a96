/*-------------------------------------------------------------------------
 *
 * waiter.c
 *	  Sessions that wait for a run to close or for tasks.
 *
 *	  A session in wf_result has an entry with its run, and whoever closes the
 *	  run sets its latch after the commit; one in wf_update also says which update,
 *	  by a hash, and is woken at its acceptance and its answer.  One that waits in a
 *	  poll has an entry with its topic, and of those one is woken.  Entries go with
 *	  their session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/text.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "shared/shmem.h"
#include "shared/waiter.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"

static Waiter *my_waiter = NULL;

static bool exit_registered = false;

static void
leave_all(int code, Datum arg)
{
	waiter_end();
}

static void
register_exit(void)
{
	if (!exit_registered)
		before_shmem_exit(leave_all, (Datum) 0);
	exit_registered = true;
}

/*
 * Take an entry; the caller fills it in and sets proc last.  NULL where none is
 * free.  Holds the lock until publish().
 */
static Waiter *
take_entry(void)
{
	register_exit();
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	for (int i = 0; i < MaxBackends && !my_waiter; i++)
		if (shared->waiters[i].proc == NULL)
		{
			my_waiter = &shared->waiters[i];
			shared->nwaiters++;
		}
	if (my_waiter)
	{
		my_waiter->topic = 0;
		my_waiter->update = 0;
	}
	return my_waiter;
}

static void
publish(void)
{
	if (my_waiter)
	{
		my_waiter->dbid = MyDatabaseId;
		my_waiter->proc = MyProc;
	}
	LWLockRelease(shared->waiting);
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
	if (take_entry())
		my_waiter->run_id = *run_id;
	publish();
}

/*
 * The same when an update of it is accepted or answered, too
 */
void
waiter_begin_update(const pg_uuid_t *run_id, uint32 update)
{
	if (!shared)
		return;
	if (take_entry())
	{
		my_waiter->run_id = *run_id;
		my_waiter->update = update;
	}
	publish();
}

/*
 * The same for a session that waits for tasks
 */
void
waiter_begin_poll(int64 topic, Oid role, bool choosy)
{
	if (!shared)
		return;
	if (take_entry())
	{
		my_waiter->topic = topic;
		my_waiter->role = role;
		my_waiter->choosy = choosy;
	}
	publish();
}

/*
 * This session waits no more
 */
void
waiter_end(void)
{
	if (!my_waiter)
		return;
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	my_waiter->proc = NULL;
	my_waiter->topic = 0;
	my_waiter = NULL;
	shared->nwaiters--;
	LWLockRelease(shared->waiting);
}

/*
 * There are tasks of an owner: wake a session of his that waits for them.  It
 * no longer counts as waiting, so that the next call wakes another.  Sessions
 * of other roles may be allowed to take them or not; all of those are woken.
 */
bool
waiter_wake_for_tasks(int64 topic, Oid owner)
{
	bool		woken = false;
	int			left;

	if (shared->nwaiters == 0)
		return false;
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	left = shared->nwaiters;
	for (int i = 0; i < MaxBackends && left > 0 && !woken; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (waiter->proc == NULL)
			continue;
		left--;
		if (waiter->dbid != MyDatabaseId || waiter->topic != topic)
			continue;
		SetLatch(&waiter->proc->procLatch);
		woken = waiter->role == owner;
		if (woken)
			waiter->topic = -1;
	}
	LWLockRelease(shared->waiting);
	return woken;
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
	shared_lock(shared->waiting, LW_SHARED);
	left = shared->nwaiters;
	for (int i = 0; i < MaxBackends && left > 0; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (waiter->proc == NULL)
			continue;
		left--;
		if (waiter->dbid != MyDatabaseId || waiter->topic != 0)
			continue;
		for (int j = 0; j < n; j++)
			if (uuid_equal(&waiter->run_id, &run_ids[j]))
			{
				SetLatch(&waiter->proc->procLatch);
				break;
			}
	}
	LWLockRelease(shared->waiting);
}

/*
 * Any run of this database may have closed
 */
void
waiter_wake_all(void)
{
	if (!shared || shared->nwaiters == 0)
		return;
	shared_lock(shared->waiting, LW_SHARED);
	for (int i = 0; i < MaxBackends; i++)
		if (shared->waiters[i].proc && shared->waiters[i].dbid == MyDatabaseId)
			SetLatch(&shared->waiters[i].proc->procLatch);
	LWLockRelease(shared->waiting);
}

/*
 * These updates are accepted or answered, and the commit is done
 */
void
waiter_wake_updates(const AnsweredUpdate *updates, int n)
{
	int			left;

	if (!shared || shared->nwaiters == 0)
		return;
	shared_lock(shared->waiting, LW_SHARED);
	left = shared->nwaiters;
	for (int i = 0; i < MaxBackends && left > 0; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (waiter->proc == NULL)
			continue;
		left--;
		if (waiter->dbid != MyDatabaseId || waiter->topic != 0 || waiter->update == 0)
			continue;
		for (int j = 0; j < n; j++)
			if (waiter->update == updates[j].update &&
				uuid_equal(&waiter->run_id, &updates[j].run_id))
			{
				SetLatch(&waiter->proc->procLatch);
				break;
			}
	}
	LWLockRelease(shared->waiting);
}

/*
 * Has a worker polled for tasks of a topic since then?  True where we cannot know:
 * what was before the server's start is forgotten.
 */
bool
topic_polled_since(int64 topic, TimestampTz since)
{
	bool		found = false;

	if (!shared || shared->started_at > since)
		return true;
	shared_lock(shared->waiting, LW_SHARED);
	for (int i = 0; i < MAX_POLLERS && !found; i++)
		found = shared->pollers[i].dbid == MyDatabaseId && shared->pollers[i].topic == topic &&
			shared->pollers[i].seen_at > since;
	/* one that waits since then */
	for (int i = 0; i < MaxBackends && !found; i++)
		found = shared->waiters[i].proc && shared->waiters[i].dbid == MyDatabaseId && shared->waiters[i].topic == topic;
	LWLockRelease(shared->waiting);
	return found;
}

/*
 * What waiters know an update by (waiter.c): never 0
 */
uint32
update_hash(const char *update_id)
{
	uint32		hash = hash_bytes((const unsigned char *) update_id, strlen(update_id));

	return hash ? hash : 1;
}
