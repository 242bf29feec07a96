/*-------------------------------------------------------------------------
 *
 * step.h
 *	  Inline steps: the effect and its record in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STEP_H
#define DURABLE_STEP_H

#include "turn.h"

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
extern bool step_is_due(Turn *turn, int32 command);
extern int64 retry_delay(Jsonb *policy, int attempt);

#endif							/* DURABLE_STEP_H */
