/*-------------------------------------------------------------------------
 *
 * watchdog.h
 *	  Ends code and steps that take too long.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WATCHDOG_H
#define DURABLE_WATCHDOG_H

#include "base/compat.h"

typedef enum WatchdogReason
{
	WATCHDOG_NONE,				/* it did nothing */
	WATCHDOG_CODE,				/* workflow code ran over durable.turn_timeout */
	WATCHDOG_STEP,				/* a step ran over its start_to_close */
	WATCHDOG_BATCH,				/* a step keeps a batch of others waiting */
	WATCHDOG_CANCEL,			/* an activity was asked to cancel itself */
	WATCHDOG_GIVE_WAY			/* others want the run, or the process's place */
} WatchdogReason;

extern void watchdog_start(void);
extern void watchdog_stop(void);
extern void watchdog_stop_at_commit(int64 usecs);
extern void watchdog_guard(int64 usecs, WatchdogReason reason);
extern void watchdog_watch(volatile bool *cancel);
extern WatchdogReason watchdog_release(void);
extern bool watchdog_gave_way(void);
pg_noreturn extern void watchdog_bite(WatchdogReason reason);

#endif							/* DURABLE_WATCHDOG_H */
