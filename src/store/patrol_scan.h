/*-------------------------------------------------------------------------
 *
 * patrol_scan.h
 *	  What is there to do, for the patrol: a few of each kind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PATROL_SCAN_H
#define DURABLE_PATROL_SCAN_H

#include "shared/shmem.h"
#include "store/activity.h"

/* Something that somebody should have in hand. */
typedef struct Sight
{
	FindingKind kind;
	Oid			owner;
	pg_uuid_t	run_id;
	int32		command;		/* 0: none */
	int64		number;			/* seq, time or lease: changes with what is to be done */
	int32		part;			/* kind of a timer, hash of a fairness key, pid of a session */
	int64		queue;			/* of a task */
	int64		since;			/* seen in each look since then, by durable_monotonic() */
} Sight;

#define SIGHTS_EACH		20		/* a scan looks at so many at most */

extern int	patrol_scan_mail(Oid *owner, Sight *sights);
extern int	patrol_scan_places(int64 queue, TimestampTz now, Sight *sights);
extern bool patrol_scan_parked(int64 queue, int64 after, Sight *sight);
extern char *patrol_scan_waiting(int64 queue, TimestampTz since);
extern int	patrol_scan_timers(TimestampTz now, Sight *sights);
extern int	patrol_scan_checks(TimestampTz now, Sight *sights);
extern int	patrol_scan_leases(MemoryContext context, Activity **result);
extern int	patrol_scan_retries(TimestampTz now, Sight *sights);
extern int	patrol_scan_waits(const pg_uuid_t *after, Sight *sights, pg_uuid_t *last, int *looked_at);
extern bool patrol_still(const Sight *sight);
extern bool patrol_lock_timer(const Sight *sight);

#endif							/* DURABLE_PATROL_SCAN_H */
