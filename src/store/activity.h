/*-------------------------------------------------------------------------
 *
 * activity.h
 *	  Activities that are not done, and the attempts that failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ACTIVITY_H
#define DURABLE_ACTIVITY_H

#include "store/store.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* On disk: durable.activity.cancellation.  What a cancelled workflow does. */
typedef enum Cancellation
{
	CANCELLATION_TRY,			/* asks the activity to cancel itself, and goes on */
	CANCELLATION_WAIT,			/* asks, and waits for its end */
	CANCELLATION_ABANDON		/* goes on */
} Cancellation;

/* A row of durable.activity.  Pointers may be NULL where the column may be. */
typedef struct Activity
{
	pg_uuid_t	run_id;
	int32		command;
	Oid			owner;
	text	   *workflow_id;
	text	   *name;
	text	   *activity_id;
	bool		inline_step;	/* queue is null */
	int64		queue;
	int64		topic;
	text	   *task_queue;
	bool		external;
	int			priority;
	text	   *fairness_key;
	double		weight;			/* 0: null */
	Jsonb	   *input;
	int64		input_id;		/* 0: null */
	int64		schedule_to_close;	/* 0: none, as the following */
	int64		schedule_to_start;
	int64		start_to_close;
	int64		heartbeat;
	Jsonb	   *retry;
	Cancellation cancellation;
	TimestampTz scheduled_at;
	int64		place;			/* 0: null */
	int64		seq;
	bool		is_parked;
	int32		parked;
	TimestampTz queued_at;		/* DT_NOEND: null, as all times below */
	int32		attempt;
	int32		lease;			/* 0: does not run */
	TimestampTz started_at;
	text	   *worker;
	TimestampTz heartbeat_at;
	Jsonb	   *details;
	TimestampTz check_at;
	TimestampTz next_attempt_at;
	bool		cancel_requested;
	TimestampTz paused_at;
	text	   *pause_reason;
	Jsonb	   *last_failure;
} Activity;

/* What names an activity, or with a lease one attempt of it. */
typedef struct ActivityKey
{
	pg_uuid_t	run_id;
	int32		command;
	int32		lease;			/* 0: any */
} ActivityKey;

/* Where a scan of a queue starts and ends. */
typedef struct ActivityRange
{
	int64		queue;
	int64		from_place;
	int64		from_seq;
	int64		to_place;		/* exclusive */
	ArrayType  *names;			/* NULL: all */
	TimestampTz now;
} ActivityRange;

/* What a heartbeat is answered. */
typedef struct HeartbeatReply
{
	bool		cancel_requested;
	bool		paused;
	Oid			owner;
	char	   *workflow_id;
} HeartbeatReply;

extern int	activity_from_rows(uint64 n, MemoryContext context, Activity **result);
extern void activity_init(Activity *a);
extern char *activity_id_of(const Activity *a);
extern void activity_add(RowBatch *batch, const Activity *a);
extern void activity_write(RowBatch *batch);
extern void activity_add_update(RowBatch *batch, const Activity *a);
extern void activity_write_start(const Activity *a);
extern void activity_write_updates(RowBatch *batch);
extern int	activity_scan(const ActivityRange *range, int limit, MemoryContext context, Activity **result);
extern int	activity_scan_parked(int64 queue, int32 parked, ArrayType *names, int limit, MemoryContext context,
								 Activity **result);
extern int	activity_scan_due(TimestampTz from, TimestampTz now, int limit, ArrayType *except, MemoryContext context,
							  Activity **result);
extern int	activity_scan_in_server(MemoryContext context, Activity **result);
extern bool activity_next_queue(int64 after, bool external, Oid owner, ArrayType *except, Activity *result);
extern TimestampTz activity_next_check(TimestampTz from);
extern bool activity_read(const ActivityKey *key, MemoryContext context, Activity *result);
extern bool activity_lock(const ActivityKey *key, bool wait, MemoryContext context, Activity *result);
extern int	activity_read_run(const pg_uuid_t *run_id, MemoryContext context, Activity **result);
extern int	activity_take(const ActivityKey *keys, int count, MemoryContext context, Activity **result);
extern void activity_remove(const ActivityKey *keys, int count);
extern int	activity_clear(const pg_uuid_t *run_ids, int count, MemoryContext context, Activity **result);
extern bool activity_heartbeat(const ActivityKey *key, TimestampTz at, Jsonb *details, HeartbeatReply *reply);
extern bool activity_bounds(int64 queue, int64 from, int64 to, int64 *first, int64 *last);
extern bool activity_any_parked(int64 queue);
extern int	activity_read_running(int64 queue, MemoryContext context, Activity **result);

#endif							/* DURABLE_ACTIVITY_H */
