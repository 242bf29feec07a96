/*-------------------------------------------------------------------------
 *
 * running.h
 *	  The attempt of an activity that this process is in the middle of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_RUNNING_H
#define DURABLE_RUNNING_H

#include "shared/shmem.h"
#include "store/activity.h"

typedef struct RunningAttempt
{
	Activity   *activity;
	MemoryContext context;		/* that outlives the attempt's transactions */
	bool		has_lease;		/* others see it run: its row says so */
	bool		commits;		/* and it is a procedure, which may COMMIT */
	bool		keeps_details;	/* the activity's details are its own last ones */
	Slot	   *slot;			/* of an activity worker, or NULL */
} RunningAttempt;

/* NULL: none */
extern RunningAttempt *running_attempt;

/* The turn whose run this process has in hand, NULL: none */
extern struct Turn *current_turn;

extern RunningAttempt *running_in_activity(const char *call);
extern Jsonb *running_info(RunningAttempt *running);
extern void running_heartbeat(RunningAttempt *running, Jsonb *details);
extern bool running_cancelled(RunningAttempt *running);
extern char *idempotency_key(const Activity *a);
extern TimestampTz activity_deadline(const Activity *a);

#endif							/* DURABLE_RUNNING_H */
