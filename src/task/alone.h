/*-------------------------------------------------------------------------
 *
 * alone.h
 *	  A queued activity that runs in transactions of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ALONE_H
#define DURABLE_ALONE_H

#include "shared/shmem.h"
#include "store/activity.h"

extern char *alone_worker_name(void);
extern void alone_announce(Slot *slot, const Activity *a);
extern void alone_withdraw(Slot *slot);
extern bool alone_run(Activity *a, Slot *slot);

#endif							/* DURABLE_ALONE_H */
