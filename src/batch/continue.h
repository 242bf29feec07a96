/*-------------------------------------------------------------------------
 *
 * continue.h
 *	  Continue-as-new: the run that goes on is planned and written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CONTINUE_H
#define DURABLE_CONTINUE_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern const pg_uuid_t *plan_continuation(Batch *batch, Turn *turn);
extern void write_continuations(Batch *batch);

#endif							/* DURABLE_CONTINUE_H */
