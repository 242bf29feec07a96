/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  What a turn leaves behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FLUSH_H
#define DURABLE_FLUSH_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern void batch_add_turn(Batch *batch, BatchRun *run, Turn *turn, TurnEnd end);

#endif							/* DURABLE_FLUSH_H */
