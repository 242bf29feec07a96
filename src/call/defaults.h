/*-------------------------------------------------------------------------
 *
 * defaults.h
 *	  Defaults of a workflow's parameters, as part of the input of a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DEFAULTS_H
#define DURABLE_DEFAULTS_H

#include "call/callable_cache.h"

extern Jsonb *input_with_defaults(Callable *c, Jsonb *input, const NullableDatum *args, const bool *given);

#endif							/* DURABLE_DEFAULTS_H */
