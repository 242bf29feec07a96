/*-------------------------------------------------------------------------
 *
 * child_start.h
 *	  Writing the children that a batch of turns starts, and cancel requests to
 *	  children.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CHILD_START_H
#define DURABLE_CHILD_START_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern void child_starts_add(Batch *batch, Turn *turn, bool closing);
extern void child_starts_write(Batch *batch);
extern void child_cancels_add(Batch *batch, Turn *turn);
extern void child_cancels_write(Batch *batch);

#endif							/* DURABLE_CHILD_START_H */
