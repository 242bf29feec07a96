/*-------------------------------------------------------------------------
 *
 * await.h
 *	  Waiting for a run to close, and its outcome.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_AWAIT_H
#define DURABLE_AWAIT_H

#include "store/find.h"
#include "utils/jsonb.h"

/* How a run ended. */
typedef struct Outcome
{
	Jsonb	   *result;			/* NULL: SQL NULL, or it did not complete */
	Jsonb	   *failure;		/* NULL: it completed, or nothing is known */
	const char *message;
} Outcome;

extern bool await_closed(Found *run, const char *name, int64 until);
pg_noreturn extern void refuse_deleted(const char *name);
extern void await_outcome(const Found *run, const char *name, Outcome *outcome);
extern Jsonb *await_result(Found *run, const char *name, int64 until);

#endif							/* DURABLE_AWAIT_H */
