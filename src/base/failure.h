/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  Failures of activities, turns and runs as jsonb objects.
 *
 *	  Keys: message, type, sqlstate, cause, detail, hint, context, attempt, and
 *	  of those an activity makes itself details, non_retryable, next_retry_delay.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FAILURE_H
#define DURABLE_FAILURE_H

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"

extern Jsonb *failure_from_error(const ErrorData *edata, int attempt);
extern Jsonb *failure_make(const char *type, int sqlstate, const char *message, int attempt);
extern Jsonb *failure_of_timeout(const char *which);
extern Jsonb *failure_of_termination(const text *reason);
extern Jsonb *failure_of_activity(const char *type, const char *message, Jsonb *details, bool non_retryable,
								  const Interval *next_retry_delay, int attempt);
pg_noreturn extern void failure_throw(Jsonb *failure);
extern Jsonb *failure_with_retry_state(Jsonb *failure, const char *state);
extern bool failure_is_final(Jsonb *failure);
extern int64 failure_retry_delay(Jsonb *failure);
extern int64 failure_limit_delay(Jsonb *failure, int64 delay);
extern bool failure_listed(Jsonb *failure, Jsonb *retry_policy);
extern bool error_may_pass(int sqlstate);
pg_noreturn extern void failure_raise(int sqlstate, Jsonb *failure);
extern char *wait_location(const char *context);
extern bool error_is_disk(int sqlstate);

/* Whatever it was, work goes on so soon after its end, in ms */
#define TROUBLE_MAX_DELAY	4000

#endif							/* DURABLE_FAILURE_H */
