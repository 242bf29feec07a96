/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  Several turns in one transaction, and what they leave to be written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OUTBOX_H
#define DURABLE_OUTBOX_H

#include "shared/shmem.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"
#include "store/store.h"

/* A run of a batch. */
typedef struct BatchRun
{
	Execution  *execution;
	Message   **mail;			/* in order */
	int			nmail;
	bool		alone;			/* a message says so */
	bool		lost;			/* a process was lost with it in hand (loss.c) */
	bool		wakes;			/* there is mail that the run waits for */
	HistoryRow *history;		/* loaded where its code is to run */
	int			nhistory;
	bool		done;			/* its turn was taken */
} BatchRun;

typedef struct RetryRun
{
	Execution  *failed;
	Jsonb	   *input;
	TimestampTz at;
	pg_uuid_t	run_id;
} RetryRun;

typedef struct TimerKey
{
	pg_uuid_t	run_id;
	int32		command;
	bool		activity;		/* a pending activity, not a timer */
} TimerKey;

typedef struct Batch
{
	Oid			owner;
	Queue	   *queue;
	MemoryContext context;
	TimestampTz started;		/* by the machine's clock */
	int			lock_timeout;	/* the session's, for code and steps */
	int			subxids;		/* used by steps */
	BatchRun   *runs;
	int			nruns;
	int			turns;			/* taken */
	int			again;			/* runs left as they were, for the next transaction */
	bool		acted;			/* one of them ran a step, or answered somebody */
	bool		ended;			/* one of them ended its run */
	bool		cut;			/* a run is in the middle of its turn, or goes on as this: */
	pg_uuid_t	cut_run;
	bool		cut_alone;		/* and wants to go on alone */
	bool		keeps_mail;		/* the process itself goes on with it, at once */
	int64		cut_seq;		/* its message to itself */
	bool		full_scan;		/* the scan found as much as it looked for */

	/* to be written */
	int64	   *consumed;		/* messages, by seq, */
	ItemPointerData *consumed_tids; /* and where they are */
	int			nconsumed;
	pg_uuid_t  *closing;		/* has room for all runs */
	int			nclosing;
	pg_uuid_t  *ending;			/* those of them whose signals nobody would read */
	int			nending;
	pg_uuid_t  *timed;			/* those of them that may have timers */
	int			ntimed;
	List	   *cancelled;		/* of TimerKey */
	List	   *retries;		/* of RetryRun */
	List	   *continued;		/* of ContinuedRun (continuation.c) */
	List	   *wakes;			/* of Message */
	List	   *cancels;		/* of ActivityKey: activities that are to cancel themselves */
	pg_uuid_t  *parents;		/* those of the closing ones that have children */
	int			nparents;
	List	   *new_children;	/* of NewChild (child_start.c), with their rows: */
	RowBatch	children;
	RowBatch	child_mail;
	RowBatch	reports;		/* to the parents of runs that close */
	List	   *child_cancels;	/* of ChildCancels (child_start.c) */
	RowBatch	history;
	RowBatch	updates;
	RowBatch	upserts;		/* the same, with memo and search attributes */
	RowBatch	closed;
	RowBatch	timers;
	RowBatch	activities;
	RowBatch	attempts;
	RowBatch	state;
	RowBatch	answers;		/* to updates */
} Batch;
extern void batch_init(Batch *batch, Oid owner);
extern void batch_consume(Batch *batch, const Message *message);

#endif							/* DURABLE_OUTBOX_H */
