/*-------------------------------------------------------------------------
 *
 * taskqueue.c
 *	  Task queues: where claims start, and who is woken.
 *
 *	  1. A task queue belongs to a role, whose workflows put activities into it.
 *	  Its id is a hash (taskqueue_id.c), so it needs no row.  A worker may serve
 *	  several roles whose member it is; so those who wait for tasks do it by the
 *	  topic, a hash of namespace and name.
 *
 *	  2. It has a lane for each priority.  A task's place in its lane is given
 *	  when it comes (fairness.c); claims take them in that order.  Under a held
 *	  xmin horizon the dead entries of claimed tasks stay in the index, so a
 *	  claim starts where the last one ended and not at the beginning.  A lane
 *	  that was scanned to its end has nothing (`any' is false) until a commit
 *	  brings a task; a commit with an earlier place, or a claim that is undone,
 *	  lowers the start.
 *
 *	  3. A scan takes the start before its snapshot.  So a commit after that
 *	  lowers it for the next scan, and one before it shows in the snapshot.
 *
 *	  4. Whoever waits for tasks says so first and looks once more after that.
 *	  Who brings tasks wakes one: a session in a poll, or an activity worker.
 *	  Sessions that LISTEN get a NOTIFY only if one of them has found nothing
 *	  (`hungry'), and one until the next time.  Mostly the transaction that
 *	  brings the task sends it; where it could not know yet, the scheduler does.
 *
 *	  5. There may be more queues than entries: then those that were not used for
 *	  long make room.  One role's queues never take more than half of all.  A queue that finds none is looked through from its
 *	  beginning each time, and the scheduler sees to its SQL activities when there
 *	  is.
 *
 *	  6. After a crash all this is empty, and every lane is looked at from its
 *	  beginning.
 *
 *	  7. Limits, and what counts against them, are known or not:
 *
 *		UNKNOWN --begin_count--> COUNTING --end_count--> KNOWN
 *		   ^                        |                      |
 *		   +------- forget ---------+------- forget -------+
 *
 *	  Who holds the claim lock of a queue that is not KNOWN counts (task.c); that
 *	  it finds COUNTING means that who counted before has failed.  forget() is for
 *	  whatever makes the counts wrong, and for the end of a transaction or
 *	  subtransaction that is undone in the middle of a count or a claim
 *	  (tasknote.c).  Of a queue that is not known nothing is taken for granted: it
 *	  may have tasks to claim.
 *
 *	  The spinlock of a queue guards all of it but what shmem.h says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/testmode.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "shared/listener.h"
#include "shared/shmem.h"
#include "shared/taskqueue.h"
#include "shared/waiter.h"
#include "storage/latch.h"

/* The distribution of waits is of the last one or two of these */
#define WAITS_WINDOW	(5 * 60 * USECS_PER_SEC)
/* Entries are kept so long at least: longer than a session sleeps in a poll */
#define KEEP_USECS		(2 * 60 * USECS_PER_SEC)
#define REFUSED_USECS	USECS_PER_SEC

static TaskQueue local_queue;

static void
init_entry(TaskQueue *queue, const TaskQueueName *name)
{
	TaskQueue	entry = {
		.dbid = MyDatabaseId, .id = name->id, .topic = name->topic, .owner = name->owner, .external = name->external,
		.used_at = durable_steady(), .state = TASK_QUEUE_UNKNOWN, .seq = durable_now(), .throttled_until = DT_NOEND,
		.freed_at = DT_NOEND
	};

	for (int i = 0; i < PRIORITIES; i++)
	{
		entry.lanes[i].any = true;
		entry.lanes[i].place = LANE_START(i);
	}
	SpinLockAcquire(&queue->mutex);
	memcpy(queue, &entry, offsetof(TaskQueue, mutex));
	memcpy((char *) queue + offsetof(TaskQueue, lanes), (char *) &entry + offsetof(TaskQueue, lanes),
		   sizeof(TaskQueue) - offsetof(TaskQueue, lanes));
	SpinLockRelease(&queue->mutex);
}

/*
 * May another queue have the entry?  Whoever has a pointer to one uses it at
 * once, but for the notes of open transactions, which compare ids (tasknote.c).
 * With a queue of external workers that has no limits nothing is lost but where
 * scans start; an entry of SQL activities must stay while there are any.
 */
static bool
is_free(TaskQueue *queue)
{
	if (durable_steady() - queue->used_at < KEEP_USECS || queue->open > 0)
		return false;
	if (queue->external && queue->limits.concurrency == 0 && queue->limits.rate == 0 && !task_queue_limits_keys(queue))
		return true;
	for (int i = 0; i < PRIORITIES; i++)
		if (queue->lanes[i].any)
			return false;
	return queue->state == TASK_QUEUE_KNOWN && queue->running == 0 && queue->freed_at == DT_NOEND;
}

/*
 * The entry of a queue of this database; the caller holds the directory lock
 */
static TaskQueue *
find_entry(int64 id)
{
	static TaskQueue *last = NULL;

	for (int i = -1; i < shared->task_queue_end; i++)
	{
		TaskQueue  *queue = i < 0 ? last : &shared->task_queues[i];

		if (!queue || queue->dbid != MyDatabaseId || queue->id != id)
			continue;
		queue->used_at = durable_steady();
		return last = queue;
	}
	return NULL;
}

/*
 * An entry for another queue of a role, NULL where there is no room; the caller
 * holds the directory lock exclusively.  A role has room for as many as it
 * leaves free, so there is always some for others.
 */
static TaskQueue *
free_entry(Oid owner)
{
	TaskQueue  *unused = NULL;
	TaskQueue  *idle = NULL;
	int			nfree = MAX_TASK_QUEUES - shared->task_queue_end;
	int			count = 0;

	for (int i = 0; i < shared->task_queue_end; i++)
	{
		TaskQueue  *queue = &shared->task_queues[i];

		if (!OidIsValid(queue->dbid))
			unused = unused ? unused : queue;
		else if (is_free(queue))
			idle = idle ? idle : queue;
		else
		{
			count += queue->owner == owner;
			continue;
		}
		nfree++;
	}
	if (count >= nfree)
		return NULL;
	if (!unused && shared->task_queue_end < MAX_TASK_QUEUES)
		unused = &shared->task_queues[shared->task_queue_end++];
	return unused ? unused : idle;
}

/*
 * Make a queue known, unless another process has meanwhile.  Who was refused
 * does not look through all entries again at once.
 */
static TaskQueue *
make_known(const TaskQueueName *name)
{
	static Oid	refused = InvalidOid;
	static TimestampTz refused_at;
	TimestampTz now = durable_steady();
	TaskQueue  *result;

	if (refused == name->owner && now - refused_at < REFUSED_USECS && now >= refused_at)
		return NULL;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	result = find_entry(name->id);
	if (!result && (result = free_entry(name->owner)) != NULL)
		init_entry(result, name);
	LWLockRelease(shared->directory);
	refused = result ? InvalidOid : name->owner;
	refused_at = now;
	return result;
}

/*
 * A queue of this database, if it is known; NULL otherwise
 */
TaskQueue *
task_queue_find(int64 id)
{
	TaskQueue  *result;

	if (!shared)
		return NULL;
	shared_lock(shared->directory, LW_SHARED);
	result = find_entry(id);
	LWLockRelease(shared->directory);
	return result;
}

/*
 * A queue of this database.  Without shared memory, or room in it, there is one
 * that knows nothing: it is always looked through from the beginning.  A test
 * has that one too.
 */
TaskQueue *
task_queue_get(const TaskQueueName *name)
{
	TaskQueue  *result;

	if (test_mode)
	{
		SpinLockInit(&local_queue.mutex);
		init_entry(&local_queue, name);
		local_queue.lanes_read = true;
		local_queue.state = TASK_QUEUE_KNOWN;	/* without limits */
		return &local_queue;
	}
	result = task_queue_find(name->id);
	if (!result && shared)
		result = make_known(name);
	if (result)
		return result;
	/* nobody would be told of its tasks */
	if (!name->external)
		durable_look_later(MyDatabaseId);
	SpinLockInit(&local_queue.mutex);
	init_entry(&local_queue, name);
	local_queue.lanes_read = true;
	return &local_queue;
}

/*
 * Are its limits, and what counts against them, known?
 */
bool
task_queue_is_known(TaskQueue *queue)
{
	TaskQueueState state;

	SpinLockAcquire(&queue->mutex);
	state = queue->state;
	SpinLockRelease(&queue->mutex);
	return state == TASK_QUEUE_KNOWN;
}

/*
 * We read the queue's limits and count, holding its claim lock
 */
void
task_queue_begin_count(TaskQueue *queue)
{
	SpinLockAcquire(&queue->mutex);
	queue->state = TASK_QUEUE_COUNTING;
	queue->throttled_until = DT_NOEND;
	queue->freed_at = DT_NOEND;
	SpinLockRelease(&queue->mutex);
}

/*
 * We have, unless something has changed since
 */
void
task_queue_end_count(TaskQueue *queue)
{
	SpinLockAcquire(&queue->mutex);
	if (queue->state == TASK_QUEUE_COUNTING)
		queue->state = TASK_QUEUE_KNOWN;
	SpinLockRelease(&queue->mutex);
}

/*
 * What is known of the queue is no longer true
 */
void
task_queue_forget(TaskQueue *queue)
{
	SpinLockAcquire(&queue->mutex);
	queue->state = TASK_QUEUE_UNKNOWN;
	SpinLockRelease(&queue->mutex);
}

/*
 * Parked tasks may go on at this time: then the scheduler wakes who takes them
 */
void
task_queue_look_at(TaskQueue *queue, TimestampTz at)
{
	SpinLockAcquire(&queue->mutex);
	queue->freed_at = Min(queue->freed_at, at);
	SpinLockRelease(&queue->mutex);
	if (shared && queue != &local_queue)
		durable_new_deadline(queue->dbid, at);
}

/*
 * Where the next scan of a lane starts; false where there is nothing to scan.
 * Call before taking the snapshot, holding the claim lock (claim.c).
 */
bool
task_queue_begin_scan(TaskQueue *queue, int lane, int64 *place, int64 *seq)
{
	bool		any;

	SpinLockAcquire(&queue->mutex);
	any = queue->lanes[lane].any;
	*place = queue->lanes[lane].place;
	*seq = queue->lanes[lane].seq;
	queue->lanes[lane].any = false;
	SpinLockRelease(&queue->mutex);
	return any;
}

/*
 * There may be a task at this place: claims are to look from here on
 */
void
task_queue_lower(TaskQueue *queue, int64 place, int64 seq)
{
	Lane	   *lane = &queue->lanes[LANE_OF(place)];

	SpinLockAcquire(&queue->mutex);
	if (!lane->any || place < lane->place || (place == lane->place && seq < lane->seq))
	{
		lane->place = place;
		lane->seq = seq;
	}
	lane->any = true;
	SpinLockRelease(&queue->mutex);
}

/*
 * A task goes to a worker, after waiting for so long
 */
void
task_queue_claimed(TaskQueue *queue, int64 place, TimestampTz queued_at, TimestampTz now)
{
	Lane	   *lane = &queue->lanes[LANE_OF(place)];
	uint64		waited = Max(now - queued_at, 1);
	int			octave = pg_leftmost_one_pos64(waited);
	int			bucket = Min(2 * octave + (octave > 0 && (waited >> (octave - 1)) & 1), WAIT_BUCKETS - 1);

	SpinLockAcquire(&queue->mutex);
	lane->pass = Max(lane->pass, place & MAX_PASS);
	queue->claimed++;
	if (now - queue->waits_since > WAITS_WINDOW)
	{
		memcpy(queue->waits[0], queue->waits[1], sizeof(queue->waits[0]));
		memset(queue->waits[1], 0, sizeof(queue->waits[1]));
		queue->waits_since = now;
	}
	queue->waits[1][bucket]++;
	SpinLockRelease(&queue->mutex);
}

static double
percentile(const uint32 *waits, uint64 total, double fraction)
{
	uint64		seen = 0;

	for (int i = 0; i < WAIT_BUCKETS; i++)
	{
		double		octave = (double) (UINT64CONST(1) << (i / 2));

		seen += waits[i];
		if (seen > 0 && seen >= fraction * total)
			return octave * (i % 2 ? 1.75 : 1.25);	/* the bucket's middle */
	}
	return 0;
}

/*
 * The wait from schedule to start in microseconds, lately; -1 for unknown
 */
void
task_queue_percentiles(TaskQueue *queue, double *p50, double *p99)
{
	uint32		seen[2][WAIT_BUCKETS];
	uint32		waits[WAIT_BUCKETS];
	uint64		total = 0;

	SpinLockAcquire(&queue->mutex);
	memcpy(seen, queue->waits, sizeof(seen));
	SpinLockRelease(&queue->mutex);
	for (int i = 0; i < WAIT_BUCKETS; i++)
		total += waits[i] = seen[0][i] + seen[1][i];
	*p50 = total > 0 ? percentile(waits, total, 0.5) : -1;
	*p99 = total > 0 ? percentile(waits, total, 0.99) : -1;
}

/*
 * Would a claim find something, for all that is known here?
 */
bool
task_queue_ready(TaskQueue *queue)
{
	TimestampTz now = durable_now();
	bool		any = false;

	SpinLockAcquire(&queue->mutex);
	for (int i = 0; i < PRIORITIES; i++)
		any |= queue->lanes[i].any;
	any |= queue->freed_at <= now;
	if (queue->throttled_until != DT_NOEND && queue->throttled_until > now)
		any = false;
	if (queue->limits.concurrency > 0 && queue->running >= queue->limits.concurrency)
		any = false;
	any |= queue->state != TASK_QUEUE_KNOWN;
	SpinLockRelease(&queue->mutex);
	return any;
}

/*
 * A queue of a role's SQL activities in which there is something to claim,
 * other than `last' if possible; NULL where there is none
 */
TaskQueue *
task_queue_next(Oid dbid, Oid owner, TaskQueue *last)
{
	int			first = last ? last - shared->task_queues + 1 : 0;
	int			count = shared->task_queue_end;

	for (int n = 0; n < count; n++)
	{
		TaskQueue  *queue = &shared->task_queues[(first + n) % count];

		if (queue->dbid == dbid && queue->owner == owner && !queue->external && task_queue_ready(queue))
		{
			queue->used_at = durable_steady();
			return queue;
		}
	}
	return NULL;
}

/*
 * The launcher is to see to workers; false where it was to before
 */
bool
task_queue_want(TaskQueue *queue)
{
	bool		news;

	SpinLockAcquire(&queue->mutex);
	news = !queue->wanted;
	queue->wanted = true;
	SpinLockRelease(&queue->mutex);
	return news;
}

/*
 * Take that back; true where it was so.  Look at the queue after this call, not
 * before: who brings a task in between asks again.
 */
bool
task_queue_take_wanted(TaskQueue *queue)
{
	bool		wanted;

	SpinLockAcquire(&queue->mutex);
	wanted = queue->wanted;
	queue->wanted = false;
	SpinLockRelease(&queue->mutex);
	return wanted;
}

/*
 * Does another role have tasks for activity workers, and no idle one?
 */
bool
task_queue_others_wait(Oid dbid, Oid owner)
{
	for (int i = 0; i < shared->task_queue_end; i++)
	{
		TaskQueue  *queue = &shared->task_queues[i];

		if (OidIsValid(queue->dbid) && queue->wanted && (queue->dbid != dbid || queue->owner != owner) &&
			task_queue_ready(queue))
			return true;
	}
	return false;
}

/*
 * An activity worker for this queue's role: wake an idle one, or have one
 * started
 */
static void
wake_activity_worker(TaskQueue *queue)
{
	bool		woken = false;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS && !woken; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == SLOT_ACTIVITY_WORKER && slot->dbid == queue->dbid &&
			slot->owner == queue->owner && slot->proc && slot->idle)
		{
			slot->idle = false;
			SetLatch(&slot->proc->procLatch);
			woken = true;
		}
	}
	LWLockRelease(shared->directory);
	if (woken)
		return;
	if (task_queue_want(queue))
		durable_wake_launcher();
}

/*
 * The same for external workers of a topic, in this database
 */
void
task_queue_wake_external(int64 topic, Oid owner, uint32 notified)
{
	if (waiter_wake_for_tasks(topic, owner))
		return;
	if (listener_tell(topic, notified) && !durable_wake_slots(SLOT_SCHEDULER, MyDatabaseId))
		(void) durable_want_scheduler(MyDatabaseId);
}

/*
 * There may be tasks to claim: wake one who would.  `notified' is not 0 where
 * the transaction itself has told those who LISTEN: see listener_hungry().
 */
void
task_queue_wake(TaskQueue *queue, uint32 notified)
{
	if (!shared)
		return;
	if (!queue->external)
	{
		wake_activity_worker(queue);
		return;
	}
	task_queue_wake_external(queue->topic, queue->owner, notified);
}

/*
 * Nothing more can be claimed before this time, by the rate limit
 */
void
task_queue_throttle(TaskQueue *queue, TimestampTz until)
{
	SpinLockAcquire(&queue->mutex);
	queue->throttled_until = until;
	SpinLockRelease(&queue->mutex);
	if (shared && queue != &local_queue)
		durable_new_deadline(queue->dbid, until);
}

/*
 * That time has come, unless a claim has set another one
 */
void
task_queue_unthrottle(TaskQueue *queue, TimestampTz now)
{
	SpinLockAcquire(&queue->mutex);
	if (queue->throttled_until <= now)
		queue->throttled_until = DT_NOEND;
	SpinLockRelease(&queue->mutex);
}

/*
 * Anything may have come: look from the beginning
 */
void
task_queue_look_again(TaskQueue *queue)
{
	for (int lane = 0; lane < PRIORITIES; lane++)
		task_queue_lower(queue, LANE_START(lane), 0);
	task_queue_forget(queue);
	task_queue_wake(queue, 0);
}

/*
 * The same for all queues of a database
 */
void
task_queues_look_again(Oid dbid)
{
	if (!shared)
		return;
	for (int i = 0; i < shared->task_queue_end; i++)
		if (shared->task_queues[i].dbid == dbid)
			task_queue_look_again(&shared->task_queues[i]);
}
