/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Taking activities from a task queue.
 *
 *	  1. One claim of a queue at a time: the claim lock is held while the lanes'
 *	  starts move and rows get locked, not longer.  What a claim has is locked in
 *	  the table and below the lanes' starts; if it is undone, they are lowered.
 *
 *	  2. Higher priorities come first, and within one the order of passes.  The
 *	  limits of the queue bound how many are taken.  A task that meets the limit
 *	  of its fairness key is parked; parked ones whose key may go on are taken
 *	  before all others, since they have waited longest.
 *
 *	  3. What is taken counts against the limits at once, and is counted back if
 *	  the claim is undone (tasknote.c).  If it fails in the middle, between what it
 *	  tells the queue and what it reads, nothing is known of the queue any more.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "shared/fairness.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "shared/taskqueue.h"
#include "store/activity.h"
#include "store/store.h"
#include "task/claim.h"
#include "task/task.h"

/* Rows that one claim parks at most */
#define MAX_PARKED			1000
#define MAX_READY_KEYS		64
/* Parked tasks that are locked are looked at again after this */
#define LOCKED_RETRY_USECS	USECS_PER_SEC

/*
 * How many tasks the queue's limits allow now, up to the claim's max
 */
static int
room_for(Claim *claim, TimestampTz now)
{
	TaskQueue  *queue = claim->queue;
	TimestampTz until = DT_NOEND;
	int			room = claim->max;

	SpinLockAcquire(&queue->mutex);
	if (queue->limits.concurrency > 0)
		room = Min(room, queue->limits.concurrency - queue->running);
	if (queue->limits.rate > 0)
	{
		/* a tenth of a second's tasks may come in a burst */
		double		most = Max(queue->limits.rate / 10, 1);
		double		came = Max(now - queue->tokens_at, 0) * (queue->limits.rate / USECS_PER_SEC);

		queue->tokens = Min(queue->tokens + came, most);
		queue->tokens_at = now;
		room = Min(room, (int) queue->tokens);
		if (queue->tokens < 1)
			until = now + durable_bounded_usecs((1 - queue->tokens) / queue->limits.rate * USECS_PER_SEC) + 1;
	}
	SpinLockRelease(&queue->mutex);
	if (queue->limits.rate > 0)
		task_queue_throttle(queue, until);
	return Max(room, 0);
}

static void
take(Claim *claim, Activity *a)
{
	if (claim->queue->limits.concurrency > 0)
		note_task_started(claim->queue);
	claim->rows[claim->count++] = *a;
}

/*
 * Take parked tasks of keys that may go on
 */
static void
take_parked(Claim *claim, int room, TimestampTz now)
{
	ReadyKey	keys[MAX_READY_KEYS];
	int			nkeys = fairness_ready_keys(claim->queue, now, keys, MAX_READY_KEYS);

	for (int i = 0; i < nkeys; i++)
	{
		int			want = Min(keys[i].room, room - claim->count);
		bool		left = want <= 0 || claim->names;	/* others may be there */
		Activity   *rows;
		int			found = want <= 0 ? 0 :
			activity_scan_parked(claim->queue->id, keys[i].hash, claim->names, want, claim->context, &rows);

		for (int j = 0; j < found; j++)
		{
			fairness_unpark(claim->queue, keys[i].hash, rows[j].weight, now);
			note_key_started(claim->queue, keys[i].hash, true);
			take(claim, &rows[j]);
		}
		/* somebody has them locked, and need not be one who tells us when he is done */
		if (found < want)
			task_queue_look_at(claim->queue, now + LOCKED_RETRY_USECS);
		if (left)
			fairness_count(claim->queue, keys[i].hash, 0, 0);	/* its turn is not over */
	}
}

/*
 * Take a task, unless its key's limit is met: then it is parked
 */
static bool
take_or_park(Claim *claim, Activity *a, RowBatch *parked, TimestampTz now)
{
	TaskQueue  *queue = claim->queue;
	uint32		hash;

	if (task_queue_limits_keys(queue) && a->fairness_key)
	{
		hash = fairness_hash(a->fairness_key);
		if (!fairness_admit(queue, hash, a->weight, now))
		{
			a->place = 0;
			a->is_parked = true;
			a->parked = (int32) hash;
			activity_add_update(parked, a);
			note_key_parked(queue, hash);
			return false;
		}
		note_key_started(queue, hash, false);
	}
	take(claim, a);
	return true;
}

/*
 * Take tasks of one lane
 */
static void
scan_lane(Claim *claim, int lane, int room, RowBatch *parked, TimestampTz now)
{
	TaskQueue  *queue = claim->queue;
	ActivityRange range = {.queue = queue->id, .to_place = LANE_START(lane + 1), .names = claim->names, .now = now};
	bool		more = true;

	if (!task_queue_begin_scan(queue, lane, &range.from_place, &range.from_seq))
		return;
	note_task_claimed(queue, range.from_place, range.from_seq);
	STOP_EVENT(task_claim_scanning);
	if (claim->names)
		task_queue_lower(queue, range.from_place, range.from_seq);
	while (more && claim->count < room && parked->count < MAX_PARKED)
	{
		int			want = room - claim->count;
		Activity   *rows;
		int			found = activity_scan(&range, want, claim->context, &rows);

		for (int i = 0; i < found; i++)
		{
			range.from_place = rows[i].place;
			range.from_seq = rows[i].seq + 1;
			if (take_or_park(claim, &rows[i], parked, now))
				task_queue_claimed(queue, range.from_place, rows[i].queued_at, now);
		}
		more = found == want;
	}
	if (more)
		task_queue_lower(queue, range.from_place, range.from_seq);
}

/*
 * Take up to claim->max tasks, locked.  Wakes another worker where more is
 * left.  The caller calls txn_wait_for_disk() before anything is done for them:
 * a crash must not take back what they come from.
 */
void
claim_tasks(Claim *claim)
{
	TaskQueue  *queue = claim->queue;
	TimestampTz now = durable_now();
	RowBatch	parked;
	int			room;

	rows_init(&parked, TABLE_ACTIVITY, claim->context);
	claim->rows = MemoryContextAlloc(claim->context, Max(claim->max, 1) * sizeof(Activity));
	claim->count = 0;
	task_claims_lock(queue);
	STOP_EVENT(task_claim_locked);
	if (!task_queue_is_known(queue))
		task_queue_refresh(queue);
	note_begin_change(queue);
	STOP_EVENT(task_claim_begun);
	room = room_for(claim, now);
	if (room > 0)
	{
		take_parked(claim, room, now);
		STOP_EVENT(task_claim_parked);
	}
	for (int lane = 0; lane < PRIORITIES && claim->count < room; lane++)
		scan_lane(claim, lane, room, &parked, now);
	if (queue->limits.rate > 0)
		note_tokens(queue, claim->count);
	STOP_EVENT(task_claim_taken);
	note_end_change(queue);
	task_claims_unlock(queue);
	STOP_EVENT(task_claim_unlocked);

	claim->parked = parked.count > 0;
	activity_write_updates(&parked);
	STOP_EVENT(task_claim_written);
	if (queue->freed_at != DT_NOEND)
		durable_new_deadline(MyDatabaseId, queue->freed_at);
	if (claim->count > 0 && task_queue_ready(queue))
		task_queue_wake(queue, 0);
}

/*
 * A task, as it was claimed, is for others after all
 */
void
claim_give_back_task(Claim *claim, const Activity *a)
{
	if (a->is_parked)
		note_queue_changed(claim->queue);
	else
		note_task_arrived(claim->queue, a->place, a->seq);
	if (claim->queue->limits.concurrency > 0)
		note_task_ended(claim->queue);
	if (task_queue_limits_keys(claim->queue) && a->fairness_key)
		note_key_ended(claim->queue, fairness_hash(a->fairness_key));
}

/*
 * And so are tasks from this one on
 */
void
claim_give_back(Claim *claim, int from)
{
	for (int i = from; i < claim->count; i++)
		claim_give_back_task(claim, &claim->rows[i]);
	claim->count = Min(claim->count, from);
}
