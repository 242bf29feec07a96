/*-------------------------------------------------------------------------
 *
 * callable.h
 *	  Calling any SQL function with a JSON object and getting jsonb back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CALLABLE_H
#define DURABLE_CALLABLE_H

#include "call/callable_cache.h"

extern Oid	callable_resolve(const char *name, bool problem_ok);
extern Jsonb *callable_complete_input(Callable *callable, Jsonb *input);
extern Jsonb *callable_call(Callable *callable, Jsonb *input);
extern Jsonb *callable_call_clone(Callable *callable, Jsonb *input, Oid definer);
extern Jsonb *callable_call_procedure(Callable *callable, Jsonb *input);

#endif							/* DURABLE_CALLABLE_H */
