/*-------------------------------------------------------------------------
 *
 * continuation.h
 *	  Continue-as-new: a run closes, and a new one goes on for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CONTINUATION_H
#define DURABLE_CONTINUATION_H

#include "call/callable_cache.h"
#include "turn/turn.h"

extern Jsonb *command_new_input(Turn *turn, Callable *workflow, Jsonb *input);
pg_noreturn extern void command_continue_as_new(Turn *turn, const Continuation *continuation);
extern bool continuation_suggested(Turn *turn);
extern void continuation_copy(Continuation *to, const Continuation *from);

#endif							/* DURABLE_CONTINUATION_H */
