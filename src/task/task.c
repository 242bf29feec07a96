/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Activities as tasks of a queue.
 *
 *	  1. An activity gets its place in a queue when it is scheduled, and another
 *	  one for each further attempt (fairness.c).
 *
 *	  2. The first process to use a queue after a restart reads from the table
 *	  how far its lanes are, and where the queue has limits, how much runs.  The
 *	  same is done again when that is no longer known (taskqueue.c, point 7).
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "shared/fairness.h"
#include "shared/listener.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "shared/taskqueue.h"
#include "shared/taskqueue_id.h"
#include "shared/txn.h"
#include "storage/lock.h"
#include "store/activity.h"
#include "store/limits.h"
#include "store/payload.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* As an advisory lock of a class that SQL's functions do not use; see batch.c */
#define CLAIM_LOCK_CLASS	4

/*
 * One claim of a queue at a time, or one count of what it has
 */
void
task_claims_lock(const TaskQueue *queue)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (queue->id >> 32), (uint32) queue->id, CLAIM_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Let the next claim of the queue go on
 */
void
task_claims_unlock(const TaskQueue *queue)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (queue->id >> 32), (uint32) queue->id, CLAIM_LOCK_CLASS);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

static void
load_lanes(TaskQueue *queue)
{
	fairness_forget_keys(queue);
	for (int lane = 0; lane < PRIORITIES; lane++)
	{
		int64		first;
		int64		last;

		if (activity_bounds(queue->id, LANE_START(lane), LANE_START(lane + 1), &first, &last))
			fairness_load(queue, lane, first & MAX_PASS, last & MAX_PASS);
	}
}

/*
 * A queue, ready for use
 */
TaskQueue *
task_queue_known(const TaskQueueName *name)
{
	TaskQueue  *queue = task_queue_get(name);

	if (task_queue_is_known(queue))
		return queue;
	/* a claim is to wait for the count, not to go by the last one */
	task_claims_lock(queue);
	if (!task_queue_is_known(queue))
		task_queue_refresh(queue);
	task_claims_unlock(queue);
	return queue;
}

/*
 * The queue of an activity, NULL for a step of a turn
 */
TaskQueue *
task_queue_of(const Activity *a)
{
	return a->inline_step ? NULL :
		task_queue_known(&(TaskQueueName) {a->queue, a->topic, a->owner, a->external});
}

/*
 * Count what runs and what is parked
 */
static void
count_tasks(TaskQueue *queue)
{
	Activity   *rows;
	int			n = activity_read_running(queue->id, CurrentMemoryContext, &rows);
	int			running = 0;

	fairness_forget_counts(queue);
	for (int i = 0; i < n; i++)
	{
		running += rows[i].lease != 0;
		if (rows[i].fairness_key)
			fairness_count(queue, fairness_hash(rows[i].fairness_key), rows[i].lease != 0, rows[i].is_parked);
	}
	SpinLockAcquire(&queue->mutex);
	queue->running = running + queue->open;
	queue->counts++;
	SpinLockRelease(&queue->mutex);
}

/*
 * Find out about a queue that is not known: its lanes where they were never
 * read, its limits, and what counts against them or waits for those it had.
 * The caller holds the claim lock.
 */
void
task_queue_refresh(TaskQueue *queue)
{
	TaskLimits	limits;
	Jsonb	   *weights;
	bool		any;

	note_begin_change(queue);
	task_queue_begin_count(queue);
	STOP_EVENT(count_begun);
	if (!queue->lanes_read)
		load_lanes(queue);
	any = limits_read(queue->id, CurrentMemoryContext, &limits, &weights) || activity_any_parked(queue->id);
	SpinLockAcquire(&queue->mutex);
	queue->lanes_read = true;
	queue->limits = limits;
	queue->has_weights = weights != NULL;
	SpinLockRelease(&queue->mutex);
	STOP_EVENT(count_limits);
	if (any)
		count_tasks(queue);
	STOP_EVENT(count_counted);
	task_queue_end_count(queue);
	STOP_EVENT(count_ended);
	note_end_change(queue);
}

/*
 * The weight of an activity: its queue's for its fairness key, or its own
 */
static double
weight_of(TaskQueue *queue, const Activity *a)
{
	TaskLimits	limits;
	Jsonb	   *weights;
	JsonbValue *weight = NULL;

	if (queue->has_weights && a->fairness_key && limits_read(queue->id, CurrentMemoryContext, &limits, &weights))
		weight = json_find(weights, text_to_cstring(a->fairness_key));
	if (!weight || weight->type != jbvNumeric)
		return a->weight;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(weight->val.numeric)));
}

static TimestampTz
earlier(TimestampTz at, TimestampTz since, int64 span)
{
	return span > 0 && since != DT_NOEND ? Min(at, since + span) : at;
}

/*
 * When something falls due for an activity, as it is now.  One that was paused
 * waits for nothing but schedule_to_close.
 */
TimestampTz
task_check_at(const Activity *a)
{
	TimestampTz at = earlier(DT_NOEND, a->scheduled_at, a->schedule_to_close);

	if (a->lease != 0)
	{
		at = earlier(at, a->started_at, a->start_to_close);
		return earlier(at, a->heartbeat_at != DT_NOEND ? a->heartbeat_at : a->started_at, a->heartbeat);
	}
	if (a->paused_at != DT_NOEND)
		return at;
	if (a->next_attempt_at != DT_NOEND)
		return Min(at, a->next_attempt_at);
	return earlier(at, a->queued_at, a->schedule_to_start);
}

/*
 * Someone who LISTENs waits for tasks: tell him with this transaction
 */
static void
notify_hungry(TaskQueue *queue)
{
	uint32		hungry;

	if (!queue->external || task_is_notified(queue))
		return;
	hungry = listener_hungry(queue->topic);
	if (hungry == 0)
		return;
	Async_Notify(task_queue_channel(queue->topic), NULL);
	note_task_notified(queue, hungry);
}

/*
 * Give an activity a place in its queue.  The caller writes the row.
 */
void
task_enqueue(Activity *a, TimestampTz now)
{
	TaskQueue  *queue = task_queue_of(a);

	a->queued_at = now;
	a->next_attempt_at = DT_NOEND;
	a->is_parked = false;
	fairness_place(queue, a->priority, a->fairness_key, weight_of(queue, a), &a->place, &a->seq);
	a->check_at = task_check_at(a);
	if (a->check_at != DT_NOEND)
		txn_deadline(a->check_at);
	note_task_arrived(queue, a->place, a->seq);
	notify_hungry(queue);
}

/*
 * This transaction has locked the row of an activity.  If that has a place,
 * claims go by it meanwhile, and have to come back if the transaction is undone.
 */
void
task_hold(const Activity *a)
{
	if (a->place != 0)
		note_task_claimed(task_queue_of(a), a->place, a->seq);
	else if (a->is_parked)
		note_queue_changed(task_queue_of(a));
}

/*
 * And also if it has a place when that has ended otherwise
 */
void
task_leave(const Activity *a)
{
	if (a->place != 0)
		note_task_arrived(task_queue_of(a), a->place, a->seq);
}

/*
 * An activity leaves the state it is in: what was counted of it no longer is,
 * once this commits
 */
void
task_uncount(const Activity *a)
{
	TaskQueue  *queue;

	if (a->inline_step || (a->lease == 0 && !a->is_parked))
		return;
	queue = task_queue_of(a);
	if (a->is_parked)
		note_queue_changed(queue);
	else
	{
		if (queue->limits.concurrency > 0)
			note_task_ended(queue);
		if (task_queue_limits_keys(queue) && a->fairness_key)
			note_key_ended(queue, fairness_hash(a->fairness_key));
	}
}

/*
 * The input of an activity, in the current memory context
 */
Jsonb *
task_input(const Activity *a)
{
	return a->input_id ? payload_load(a->input_id) : a->input;
}
