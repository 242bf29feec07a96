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
