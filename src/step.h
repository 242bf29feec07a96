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

typedef enum StepEnd
{
	STEP_DONE,					/* its outcome is recorded */
	STEP_BACKOFF,				/* it will be tried again later */
	STEP_ALONE					/* undone: wants a transaction of its own */
} StepEnd;

/* How a step may behave towards others in the transaction. */
typedef struct StepMode
{
	bool		shared;			/* other runs' work is in the transaction */
	bool		alone;			/* the run asked for a transaction of its own */
} StepMode;

extern StepEnd step_run(Turn *turn, StepMode mode, bool *wrote);
extern bool step_is_slow(const StepRequest *step);
extern int64 retry_delay(Jsonb *policy, int attempt);

#endif							/* DURABLE_STEP_H */
