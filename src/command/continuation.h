/*-------------------------------------------------------------------------
 *
 * continuation.h
 *	  Continue-as-new: a run closes, and a new one goes on for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CONTINUATION_H
#define DURABLE_CONTINUATION_H

#include "batch/batch.h"

extern Jsonb *command_new_input(Turn *turn, Callable *workflow, Jsonb *input);
pg_noreturn extern void command_continue_as_new(Turn *turn, const Continuation *continuation);
extern bool continuation_suggested(Turn *turn);
extern bool event_as_mail(const Event *event, Message *message);
extern const pg_uuid_t *plan_continuation(Batch *batch, Turn *turn);
extern void write_continuations(Batch *batch);

#endif							/* DURABLE_CONTINUATION_H */
