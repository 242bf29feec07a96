/*-------------------------------------------------------------------------
 *
 * step.h
 *	  Inline steps: the effect and its record in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STEP_H
#define DURABLE_STEP_H

#include "base/clock.h"
#include "turn/turn.h"

/* A function that takes longer is run alone */
#define SLOW_STEP_USECS		10000.0
/* Where a transaction is shared, a step may take that long, and wait for locks */
#define SHARED_STEP_USECS	100000
#define SHARED_LOCK_TIMEOUT	20	/* ms */

/* Steps that one turn takes in place at most */
#define MAX_STEPS_IN_PLACE	100

typedef enum StepEnd
{
	STEP_DONE,					/* its outcome is recorded */
	STEP_BACKOFF,				/* it will be tried again later */
	STEP_ALONE					/* undone: wants a transaction of its own */
} StepEnd;

extern StepEnd step_run(Turn *turn);
extern bool step_in_place(Turn *turn);
extern bool step_is_slow(const StepRequest *step);
extern bool step_is_due(Turn *turn, int32 command, DueTime *timer);

#endif							/* DURABLE_STEP_H */
