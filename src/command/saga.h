/*-------------------------------------------------------------------------
 *
 * saga.h
 *	  Compensations: what undoes the steps of a run that does not complete.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SAGA_H
#define DURABLE_SAGA_H

#include "turn/turn.h"

/* A step to be taken if the run does not complete. */
typedef struct Compensation
{
	bool		queued;			/* task, or else step */
	StepRequest step;
	TaskRequest task;
} Compensation;

extern void saga_register(Turn *turn, const Compensation *compensation);
extern void saga_clear(Turn *turn);
extern void saga_run(Turn *turn);

extern bool saga_begin(Turn *turn);
extern void saga_after_code(Turn *turn);
extern bool saga_is_open(Turn *turn);

extern void saga_take_timeout(Turn *turn);
extern bool saga_gives_up(Turn *turn);
extern Jsonb *saga_failure(Turn *turn, Jsonb *failure);

#endif							/* DURABLE_SAGA_H */
