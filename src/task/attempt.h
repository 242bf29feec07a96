/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  How attempts of activities begin and end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ATTEMPT_H
#define DURABLE_ATTEMPT_H

#include "store/activity.h"
#include "store/history.h"
#include "store/store.h"

/* How an attempt ended that did not complete. */
typedef struct AttemptFailure
{
	EventType	outcome;		/* EVENT_ACTIVITY_FAILED, _TIMED_OUT or _CANCELED */
	Jsonb	   *failure;		/* of a cancellation: its details, or NULL */
	const char *timeout;		/* which, where failure is yet to be made */
	bool		final;			/* no policy retries it */
	bool		gave_way;		/* it was ended so that others get on, nothing failed */
	bool		kept_work;		/* ... after it had committed some of its work */
} AttemptFailure;

/* What attempts that end leave to be written. */
typedef struct AttemptEnds
{
	MemoryContext context;
	bool		single;			/* there is one only: its message is sent at once */
	RowBatch	messages;
	RowBatch	updates;
	RowBatch	log;
	ActivityKey *removed;
	int			nremoved;
	int			removed_room;
} AttemptEnds;

extern void attempt_start(Activity *a, text *worker, TimestampTz now);
extern void attempt_ends_init(AttemptEnds *ends, MemoryContext context);
extern void attempt_remove(AttemptEnds *ends, const Activity *a);
extern void attempt_completed(AttemptEnds *ends, const Activity *a, Jsonb *result);
extern void attempt_failed(AttemptEnds *ends, Activity *a, const AttemptFailure *failure);
extern void attempt_ends_write(AttemptEnds *ends);
extern Jsonb *timeout_failure(const Activity *a, const char *which);
extern char *task_token(const Activity *a);
extern bool task_token_parse(const char *token, ActivityKey *key);

#endif							/* DURABLE_ATTEMPT_H */
