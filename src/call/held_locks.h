/*-------------------------------------------------------------------------
 *
 * held_locks.h
 *	  Advisory locks of the session that steps leave.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_HELD_LOCKS_H
#define DURABLE_HELD_LOCKS_H

#include "storage/lock.h"

/* Session-level advisory locks that are not ours to release */
typedef struct HeldLocks
{
	LOCKTAG    *tags;
	int			count;
} HeldLocks;

extern void held_locks_note(HeldLocks *held);
extern void held_locks_release(const HeldLocks *held);

#endif							/* DURABLE_HELD_LOCKS_H */
