/*-------------------------------------------------------------------------
 *
 * guarded.h
 *	  Work in a subtransaction of its own, whose error is a result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_GUARDED_H
#define DURABLE_GUARDED_H

#include "shared/watchdog.h"
#include "utils/jsonb.h"

/* A function that takes longer is run alone */
#define SLOW_STEP_USECS		10000.0
/* Where a transaction is shared, a step may take that long, and wait for locks */
#define SHARED_STEP_USECS	100000
#define SHARED_LOCK_TIMEOUT	20	/* ms */

typedef Jsonb *(*GuardedWork) (void *arg);

typedef struct GuardedEnd
{
	Jsonb	   *result;
	ErrorData  *error;			/* NULL: none */
	WatchdogReason watchdog;
	bool		wrote;			/* it took a subtransaction id */
} GuardedEnd;

extern void guarded_call(GuardedWork work, void *arg, MemoryContext context, GuardedEnd *end);
extern bool wants_to_be_alone(int sqlstate, WatchdogReason watchdog);

#endif							/* DURABLE_GUARDED_H */
