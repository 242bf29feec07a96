/*-------------------------------------------------------------------------
 *
 * execution.h
 *	  Runs: the open ones and the closed ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXECUTION_H
#define DURABLE_EXECUTION_H

#include "store/store.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* On disk: durable.closed.status.  RUNNING is never stored. */
typedef enum RunStatus
{
	STATUS_RUNNING = 0,
	STATUS_COMPLETED = 1,
	STATUS_FAILED = 2,
	STATUS_CANCELLED = 3,
	STATUS_TERMINATED = 4,
	STATUS_TIMED_OUT = 5,
	STATUS_CONTINUED_AS_NEW = 6
} RunStatus;

#define WAIT_NOTHING	(-1)	/* Execution.wait_command */
#define WAIT_START		0		/* the start delay */

/* An open run.  Pointers may be NULL where the column may be. */
typedef struct Execution
{
	pg_uuid_t	run_id;
	text	   *namespace;
	text	   *workflow_id;
	Oid			owner;
	text	   *workflow;
	text	   *function;
	ArrayType  *settings;
	pg_uuid_t  *first_run_id;
	pg_uuid_t  *continued_from;
	int32		attempt;
	TimestampTz started_at;
	TimestampTz execution_deadline; /* DT_NOEND: none */
	Interval   *run_timeout;
	Jsonb	   *retry;
	text	   *request_id;
	Jsonb	   *memo;
	Jsonb	   *search_attributes;
	int			priority;		/* of its activities; 0: null */
	text	   *fairness_key;
	double		weight;			/* 0: null */
	int32		version;		/* of the code; 0: null */
	pg_uuid_t  *seed;
	pg_uuid_t  *parent_run_id;
	int32		parent_command; /* 0: null */
	int			parent_close_policy;
	text	   *parent_workflow_id;	/* the parent may be deleted before its child ends */
	int32		next_event;
	int64		history_bytes;
	bool		has_timers;
	bool		has_children;
	bool		compensates;
	bool		cancel_requested;	/* in its history */
	text	   *wait_signal;
	int32		wait_command;
	text	   *wait_update;	/* empty: of any name */
	ArrayType  *wait_set;		/* pairs of commands: from, to */
	int32		wait_left;
	ArrayType  *wait_signals;
	text	   *waiting_for;
	text	   *waiting_at;
	TimestampTz waiting_since;	/* DT_NOEND: does not wait */
	int32		turn_failures;
	Jsonb	   *turn_error;
	TimestampTz turn_retry_at;	/* DT_NOEND: none */
	int32		lost_tries;		/* of which the process was lost (suspect.c) */
	TimestampTz paused_at;		/* DT_NOEND: is not */
	text	   *pause_reason;
} Execution;

/* One that is closed; members of the run that only open ones have are not filled in. */
typedef struct ClosedRun
{
	Execution	run;
	int			status;			/* RunStatus */
	pg_uuid_t  *next_run_id;	/* that goes on for it */
	TimestampTz closed_at;
	int32		history_events;
} ClosedRun;

extern const char *status_name(RunStatus status);
extern bool execution_insert(const Execution *e);
extern int	execution_claim(const pg_uuid_t *run_ids, int count, MemoryContext context, Execution **result);
extern int	execution_read(const pg_uuid_t *run_ids, int count, bool lock, MemoryContext context, Execution **result);
extern bool execution_lock(const pg_uuid_t *run_id, MemoryContext context, Execution *result);
extern int	execution_lock_children(const pg_uuid_t *parents, int count, int policy, int limit, Execution **result);
extern bool execution_try_hold(const pg_uuid_t *run_id);
extern bool execution_lock_turns(const pg_uuid_t *run_id, MemoryContext context, Execution *result);
extern void execution_write_pause(const Execution *e);
extern bool execution_hold(const pg_uuid_t *run_id);
extern bool execution_is_open(const pg_uuid_t *run_id);
extern bool execution_can_close(const pg_uuid_t *run_id);
extern bool execution_remove(const pg_uuid_t *run_ids, int count);
extern void execution_add(RowBatch *batch, const Execution *e);
extern void execution_write_updates(RowBatch *batch, bool upserts);
extern void closed_add(RowBatch *batch, const Execution *e, RunStatus status, TimestampTz at, const pg_uuid_t *next);
extern void closed_write(RowBatch *batch);
extern bool closed_read(const pg_uuid_t *run_id, MemoryContext context, Execution *e, RunStatus *status);
extern ArrayType *execution_settings(const pg_uuid_t *run_id, MemoryContext context, bool *open);
extern void execution_delete_closed(const pg_uuid_t *run_id);

#endif							/* DURABLE_EXECUTION_H */
