/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  What the processes share, and how they wake each other.
 *
 *	  1. One block of shared memory, made at server start.  Without
 *	  shared_preload_libraries there is none: `shared' stays NULL, every
 *	  function here does nothing, and runs move by CALL wf_work() only.
 *
 *	  2. The directory lock guards which databases, queues and slots exist.  It
 *	  is held for a look through an array at most, never while waiting.  What
 *	  changes at every commit has a spinlock of its own.
 *
 *	  The locks that the block names are taken in its order, if a process holds more
 *	  than one: directory, waiting, fairness, wanting.  shared_lock() holds that
 *	  in builds with assertions.  Below them are the locks of single entries, LWLocks
 *	  (Queue.skipping, those of holder.c) before spinlocks, of which a process holds one
 *	  of each at most.  A spinlock is held for a few straight lines: nothing is
 *	  searched, called or raised meanwhile.
 *
 *	  3. Nothing here is truth.  After a crash the block starts empty, and each
 *	  scheduler finds out from the tables what there is to do.
 *
 *	  4. All of it is called from transaction callbacks after the commit: no
 *	  function here may fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "base/clock.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "shared/shmem.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"

#define LOOK_LATER_USECS	(10 * USECS_PER_SEC)

Shared	   *shared = NULL;

static Size
shared_size(void)
{
	return add_size(offsetof(Shared, waiters), mul_size(sizeof(Waiter), MaxBackends));
}

/*
 * While the server makes room
 */
void
shared_request(void)
{
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("durable", 4);
}

/*
 * At the server's start, and again after a crash; false where it was there
 * already.  The caller holds AddinShmemInitLock.
 */
bool
shared_startup(void)
{
	bool		found;

	shared = ShmemInitStruct("durable", shared_size(), &found);
	if (!found)
	{
		LWLockPadded *locks = GetNamedLWLockTranche("durable");

		memset(shared, 0, shared_size());
		shared->started_at = GetCurrentTimestamp();
		shared->started_steady = durable_steady();
		shared->directory = &locks[0].lock;
		shared->waiting = &locks[1].lock;
		shared->fairness = &locks[2].lock;
		shared->wanting = &locks[3].lock;
		pg_atomic_init_u64(&shared->run_stamp, 0);
		pg_atomic_init_u64(&shared->turns_end, 0);
		pg_atomic_init_u32(&shared->turns_committing, 0);
		pg_atomic_init_u32(&shared->identities, 1);
		pg_atomic_init_u32(&shared->identities_open, 0);
		for (int i = 0; i < MAX_DATABASES; i++)
			SpinLockInit(&shared->databases[i].mutex);
		for (int i = 0; i < MAX_QUEUES; i++)
		{
			SpinLockInit(&shared->queues[i].mutex);
			LWLockInitialize(&shared->queues[i].skipping, shared->directory->tranche);
		}
		for (int i = 0; i < MAX_SLOTS; i++)
			SpinLockInit(&shared->slots[i].mutex);
		for (int i = 0; i < MAX_TASK_QUEUES; i++)
			SpinLockInit(&shared->task_queues[i].mutex);
		for (int i = 0; i < MAX_ERRANDS; i++)
			SpinLockInit(&shared->errands[i].mutex);
	}
	return !found;
}

/*
 * Take one of the locks that Shared names, in their order
 */
void
shared_lock(LWLock *lock, LWLockMode mode)
{
#ifdef USE_ASSERT_CHECKING
	LWLock	   *const ordered[] = {shared->directory, shared->waiting, shared->fairness, shared->wanting};
	int			i = lengthof(ordered) - 1;

	while (ordered[i] != lock)
		Assert(!LWLockHeldByMe(ordered[i--]));
	Assert(!LWLockHeldByMe(lock));
#endif
	LWLockAcquire(lock, mode);
}

/*
 * Text for a place of a fixed size: what does not fit is cut off, but not in the
 * middle of a character
 */
void
clip_text(char *to, const char *from, size_t size)
{
	int			length = pg_mbcliplen(from, strlen(from), size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

/*
 * The entry of a database; NULL where there is none, or no room for one
 */
Database *
durable_database(Oid dbid, bool create)
{
	Database   *free_entry = NULL;
	Database   *result = NULL;

	if (!shared)
		return NULL;
	shared_lock(shared->directory, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < MAX_DATABASES && !result; i++)
	{
		if (shared->databases[i].dbid == dbid)
			result = &shared->databases[i];
		else if (!free_entry && !OidIsValid(shared->databases[i].dbid))
			free_entry = &shared->databases[i];
	}
	if (!result && create && free_entry)
	{
		result = free_entry;
		result->dbid = dbid;
		result->blocked = 0;
		result->wanted = false;
		result->resting = false;
		result->launched_at = 0;
		result->failures = 0;
		result->look = true;
		result->look_at = DT_NOEND;
		result->deadline = DT_NOEND;
		result->timer_low = DT_NOEND;
		result->checked = false;
		result->paused = false;
		memset(&result->trouble, 0, sizeof(Trouble));
		snprintf(result->name, NAMEDATALEN, "%u", dbid);
		result->stirred = true;
		result->patrol_rests = false;
		result->looks = 0;
		result->looked_at = 0;
	}
	LWLockRelease(shared->directory);
	return result;
}

/*
 * Have the launcher look
 */
void
durable_wake_launcher(void)
{
	PGPROC	   *launcher = shared ? shared->launcher : NULL;

	if (launcher)
		SetLatch(&launcher->procLatch);
}

/*
 * Set the latch of every attached process of a kind in a database; false where
 * there is none
 */
bool
durable_wake_slots(SlotKind kind, Oid dbid)
{
	bool		any = false;

	if (!shared)
		return false;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == kind && slot->dbid == dbid && slot->proc)
		{
			SetLatch(&slot->proc->procLatch);
			any = true;
		}
	}
	LWLockRelease(shared->directory);
	return any;
}

/*
 * Ask every attached process of a kind in a database to leave
 */
void
durable_terminate_slots(SlotKind kind, Oid dbid)
{
	if (!shared)
		return;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == kind && slot->dbid == dbid && slot->proc)
		{
			slot->dismissed = true;
			(void) kill(slot->proc->pid, SIGTERM);
		}
	}
	LWLockRelease(shared->directory);
}

/*
 * Wake the scheduler of a database, or the launcher, which starts one if there
 * is need
 */
void
durable_wake_scheduler(Oid dbid)
{
	if (!durable_wake_slots(SLOT_SCHEDULER, dbid))
		durable_wake_launcher();
}

/*
 * Ask the launcher for a scheduler in this database; false where there is no
 * room for it
 */
bool
durable_want_scheduler(Oid dbid)
{
	Database   *db = durable_database(dbid, true);

	if (!db)
		return false;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	db->wanted = true;
	LWLockRelease(shared->directory);
	durable_wake_launcher();
	return true;
}

/*
 * Have the scheduler of a database read everything again, as at its start
 */
void
durable_look_at_all(Oid dbid)
{
	Database   *db = durable_database(dbid, false);

	if (!db)
		return;
	SpinLockAcquire(&db->mutex);
	db->look = true;
	db->stirred = true;
	SpinLockRelease(&db->mutex);
	durable_wake_scheduler(dbid);
}

/*
 * A process has come, or a transaction of ours has ended: the patrol is to look,
 * and is told where it rests.  Mostly it knows already, and this costs nothing.
 */
void
durable_stir(Oid dbid)
{
	static Database *last = NULL;
	bool		wake;

	if (!shared)
		return;
	if (!last || last->dbid != dbid)
		last = durable_database(dbid, false);
	if (!last)
		return;
	/* what was committed is seen by a look that takes the flag after this */
	pg_memory_barrier();
	if (last->stirred)
		return;
	SpinLockAcquire(&last->mutex);
	wake = !last->stirred && last->patrol_rests;
	last->stirred = true;
	SpinLockRelease(&last->mutex);
	if (wake)
		(void) durable_wake_slots(SLOT_SCHEDULER, dbid);
}

/*
 * The same in a while, since there was no room for what it would find
 */
void
durable_look_later(Oid dbid)
{
	Database   *db = durable_database(dbid, false);
	TimestampTz at = GetCurrentTimestamp() + LOOK_LATER_USECS;

	if (!db)
		return;
	SpinLockAcquire(&db->mutex);
	db->look_at = at = Min(db->look_at, at);
	SpinLockRelease(&db->mutex);
	durable_new_deadline(dbid, at);
}

/*
 * A timer was committed that falls due at this time: the scheduler has to
 * look at it, and to get up where it would sleep longer.
 */
void
durable_new_deadline(Oid dbid, TimestampTz at)
{
	Database   *db = durable_database(dbid, false);
	bool		earlier;

	if (!db)
		return;
	SpinLockAcquire(&db->mutex);
	if (at < db->timer_low)
		db->timer_low = at;
	earlier = at < db->deadline;
	if (earlier)
		db->deadline = at;
	SpinLockRelease(&db->mutex);
	if (earlier)
		durable_wake_scheduler(dbid);
}
