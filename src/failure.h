/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  Failures of activities, turns and runs as jsonb objects.
 *
 *	  Keys: message, type, sqlstate, cause, detail, hint, context, attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FAILURE_H
#define DURABLE_FAILURE_H

#include "compat.h"
#include "utils/jsonb.h"

extern Jsonb *failure_from_error(const ErrorData *edata, int attempt);
extern Jsonb *failure_make(const char *type, int sqlstate, const char *message, int attempt);
extern bool failure_listed(Jsonb *failure, Jsonb *retry_policy);
extern bool error_may_pass(int sqlstate);
pg_noreturn extern void failure_raise(int sqlstate, Jsonb *failure);
extern char *wait_location(const char *context);

#endif							/* DURABLE_FAILURE_H */
