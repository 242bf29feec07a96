/*-------------------------------------------------------------------------
 *
 * effects.h
 *	  What a turn does besides events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EFFECTS_H
#define DURABLE_EFFECTS_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern void batch_add_effects(Batch *batch, Turn *turn, bool closing);

#endif							/* DURABLE_EFFECTS_H */
