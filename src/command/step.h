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

/* Steps that one turn takes in place at most */
#define MAX_STEPS_IN_PLACE	100

extern StepEnd step_run(Turn *turn);
extern bool step_in_place(Turn *turn);
extern bool step_is_slow(const StepRequest *step);
extern bool step_is_due(Turn *turn, int32 command, DueTime *timer);

#endif							/* DURABLE_STEP_H */
