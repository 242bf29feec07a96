/*-------------------------------------------------------------------------
 *
 * held_locks.c
 *	  Advisory locks of the session that steps leave.
 *
 *	  They are to last longer than the transaction, or they would protect nothing;
 *	  so they are released after it.  In a client's session those that it held
 *	  before are kept.  How often it held one is not known: the server tells
 *	  nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "call/held_locks.h"
#include "storage/proc.h"

/*
 * Before steps are run: note the locks that the session holds
 */
void
held_locks_note(HeldLocks *held)
{
	PROCLOCK   *lock;
	int			room = 0;

	held->tags = NULL;
	held->count = 0;
	if (in_background_worker())
		return;
	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
		LWLockAcquire(LockHashPartitionLockByIndex(i), LW_SHARED);
		for (lock = own_lock_next(i, NULL); lock; lock = own_lock_next(i, lock))
			room += lock->tag.myLock->tag.locktag_lockmethodid == USER_LOCKMETHOD && lock->holdMask != 0;
		LWLockRelease(LockHashPartitionLockByIndex(i));
	}
	if (room == 0)
		return;
	held->tags = palloc(room * sizeof(LOCKTAG));
	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
		LWLockAcquire(LockHashPartitionLockByIndex(i), LW_SHARED);
		for (lock = own_lock_next(i, NULL); lock; lock = own_lock_next(i, lock))
			if (lock->tag.myLock->tag.locktag_lockmethodid == USER_LOCKMETHOD && lock->holdMask != 0 &&
				held->count < room)
				held->tags[held->count++] = lock->tag.myLock->tag;
		LWLockRelease(LockHashPartitionLockByIndex(i));
	}
}

static bool
is_held(const HeldLocks *held, const LOCKTAG *tag)
{
	for (int i = 0; i < held->count; i++)
		if (memcmp(&held->tags[i], tag, sizeof(LOCKTAG)) == 0)
			return true;
	return false;
}

/*
 * The transaction of steps has ended: release what locks they left
 */
void
held_locks_release(const HeldLocks *held)
{
	HeldLocks	now;

	if (held->count == 0)
	{
		LockReleaseSession(USER_LOCKMETHOD);
		return;
	}
	held_locks_note(&now);
	for (int i = 0; i < now.count; i++)
		for (LOCKMODE mode = ShareLock; mode <= ExclusiveLock; mode++)
			while (!is_held(held, &now.tags[i]) && own_lock_held(&now.tags[i], mode))
				if (!LockRelease(&now.tags[i], mode, true))
					break;
}
