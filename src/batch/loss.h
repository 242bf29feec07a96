/*-------------------------------------------------------------------------
 *
 * loss.h
 *	  Turns whose process was lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LOSS_H
#define DURABLE_LOSS_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern void losses_find(Batch *batch);
extern TurnEnd loss_take(BatchRun *run, Turn *turn);
extern void losses_hold(const Batch *batch);
extern void leave_timeouts(BatchRun *run);

#endif							/* DURABLE_LOSS_H */
