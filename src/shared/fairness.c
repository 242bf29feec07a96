/*-------------------------------------------------------------------------
 *
 * fairness.c
 *	  Places in a task queue, and the limits of fairness keys.
 *
 *	  1. Tasks of a lane are claimed in the order of their pass, which is given
 *	  once, when the task comes: start-time fair queueing (Goyal, Vin, Cheng,
 *	  1996).  The pass of a task is the lane's virtual time, that is the pass of
 *	  the task claimed last, or where the previous task of its fairness key ends,
 *	  whichever is later.  A task's length is STRIDE / weight.  So a key with a
 *	  long backlog has it stretched out before it, and the first task of another
 *	  comes next.  It costs nothing when tasks are claimed.
 *
 *	  2. Tasks without a key are a key of their own.
 *
 *	  3. Only keys that are ahead of virtual time need be remembered.  They are
 *	  in a hash table of fixed size; should it be full of such, or of the role's
 *	  own where it has its share, tasks of other keys come last.  After a restart of the server the keys with a backlog are
 *	  not known as such, and their next tasks come sooner than they should.
 *
 *	  4. A key may have limits: tasks that run at a time, and tasks a second.  A
 *	  task that meets its key's limit when it would be claimed is parked: it
 *	  leaves the lane and waits, with the others of its key, until the key may go
 *	  on.  So nobody looks at it in the meantime.
 *
 *	  The fairness lock guards the table; a queue's spinlock its lanes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "common/hashfn.h"
#include "shared/fairness.h"
#include "shared/shmem.h"
#include "shared/taskqueue.h"

#define STRIDE			(INT64CONST(1) << 20)
#define PROBES			16	/* places a key may be in */
#define OWNER_PROBES	12	/* of which the keys of one role have so many at most */

/*
 * What a fairness key is known by in shared memory
 */
uint32
fairness_hash(const text *key)
{
	return hash_bytes((const unsigned char *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
}

/*
 * A queue has just become known here; the keys of the one whose entry it was go
 */
void
fairness_forget_keys(TaskQueue *queue)
{
	if (!shared)
		return;
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_FAIR_KEYS; i++)
		if (shared->fair_keys[i].queue == queue)
			memset(&shared->fair_keys[i], 0, sizeof(FairKey));
	LWLockRelease(shared->fairness);
}

/*
 * The first and last pass in a lane of such a queue
 */
void
fairness_load(TaskQueue *queue, int lane, int64 first, int64 last)
{
	SpinLockAcquire(&queue->mutex);
	queue->lanes[lane].pass = Max(queue->lanes[lane].pass, first);
	queue->lanes[lane].finish = Max(queue->lanes[lane].finish, last + STRIDE);
	queue->lanes[lane].tail = Max(queue->lanes[lane].tail, last);
	SpinLockRelease(&queue->mutex);
}

/*
 * Is there nothing worth remembering of a key?
 */
static bool
is_idle(const FairKey *key, TimestampTz now)
{
	if (key->running > 0 || key->parked > 0 || key->next_at > now)
		return false;
	for (int i = 0; i < PRIORITIES; i++)
		if (key->finish[i] > key->queue->lanes[i].pass)
			return false;
	return true;
}

/*
 * The entry of a key; where there is none, a new one if `create' and there is
 * room.  The caller holds the fairness lock exclusively.
 */
static FairKey *
find_key(TaskQueue *queue, uint32 hash, bool create)
{
	uint32		bucket = hash_combine(hash, (uint32) (queue - shared->task_queues)) % (MAX_FAIR_KEYS / PROBES);
	TimestampTz now = create ? durable_now() : 0;
	FairKey    *room = NULL;
	int			count = 0;		/* that the role has here */

	for (int i = 0; i < PROBES; i++)
	{
		FairKey    *key = &shared->fair_keys[bucket * PROBES + i];

		if (key->queue == queue && key->hash == hash)
			return key;
		if (!create)
			continue;
		if (!key->queue || is_idle(key, now))
			room = key;
		else
			count += key->queue->owner == queue->owner;
	}
	if (count >= OWNER_PROBES)
		return NULL;
	if (room)
	{
		memset(room, 0, sizeof(FairKey));
		room->queue = queue;
		room->hash = hash;
	}
	return room;
}

/*
 * The place of a task that comes now
 */
void
fairness_place(TaskQueue *queue, int priority, const text *key, double weight, int64 *place, int64 *seq)
{
	int			lane_number = priority - 1;
	Lane	   *lane = &queue->lanes[lane_number];
	int64		length = STRIDE / (weight > 0 ? weight : 1);
	bool		keyed = key && task_queue_find(queue->id) == queue;
	TimestampTz now = durable_now();
	FairKey    *entry = NULL;
	int64		pass;

	if (keyed)
	{
		shared_lock(shared->fairness, LW_EXCLUSIVE);
		entry = find_key(queue, fairness_hash(key), true);
	}
	SpinLockAcquire(&queue->mutex);
	if (keyed)
		pass = Max(lane->pass, entry ? entry->finish[lane_number] : lane->tail);
	else
		pass = Max(lane->pass, lane->finish);
	pass = Min(pass, MAX_PASS - length);
	if (entry)
		entry->finish[lane_number] = pass + length;
	else if (!keyed)
		lane->finish = pass + length;
	lane->tail = Max(lane->tail, pass);
	queue->seq = Max(queue->seq + 1, now);
	*seq = queue->seq;
	*place = LANE_START(lane_number) | pass;
	SpinLockRelease(&queue->mutex);
	if (keyed)
		LWLockRelease(shared->fairness);
}

/*
 * Microseconds between two tasks of a key, by its rate limit
 */
static int64
key_interval(TaskQueue *queue, double weight)
{
	return durable_bounded_usecs(USECS_PER_SEC / (queue->limits.per_key_rate * (weight > 0 ? weight : 1)));
}

/*
 * May a task of this key start now, by the key's limits?  If so it counts.
 */
bool
fairness_admit(TaskQueue *queue, uint32 hash, double weight, TimestampTz now)
{
	FairKey    *key;
	bool		result = true;

	shared_lock(shared->fairness, LW_EXCLUSIVE);
	key = find_key(queue, hash, true);
	if (key)
	{
		result = key->parked == 0 && key->next_at <= now &&
			(queue->limits.per_key_concurrency == 0 || key->running < queue->limits.per_key_concurrency);
		if (result)
		{
			key->running++;
			key->open++;
			if (queue->limits.per_key_rate > 0)
				key->next_at = now + key_interval(queue, weight);
		}
	}
	LWLockRelease(shared->fairness);
	return result;
}

/*
 * A parked task of a key starts now
 */
void
fairness_unpark(TaskQueue *queue, uint32 hash, double weight, TimestampTz now)
{
	FairKey    *key;

	shared_lock(shared->fairness, LW_EXCLUSIVE);
	key = find_key(queue, hash, true);
	if (key)
		key->open++;
	if (key && queue->limits.per_key_rate > 0)
		key->next_at = now + key_interval(queue, weight);
	LWLockRelease(shared->fairness);
	fairness_count(queue, hash, task_queue_limits_keys(queue), -1);
}

/*
 * Tasks of a key began or ended to run, or to be parked
 */
void
fairness_count(TaskQueue *queue, uint32 hash, int running, int parked)
{
	FairKey    *key;

	if (!shared)
		return;
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	key = find_key(queue, hash, running > 0 || parked > 0);
	if (key)
	{
		key->running = Max(key->running + running, 0);
		key->parked = Max(key->parked + parked, 0);
		if (key->parked > 0)
		{
			SpinLockAcquire(&queue->mutex);
			if (queue->limits.per_key_concurrency == 0 || key->running < queue->limits.per_key_concurrency)
				queue->freed_at = Min(queue->freed_at, key->next_at);
			SpinLockRelease(&queue->mutex);
		}
	}
	LWLockRelease(shared->fairness);
}

/*
 * The transaction that started a task of a key has ended
 */
void
fairness_end_open(TaskQueue *queue, uint32 hash)
{
	FairKey    *key;

	if (!shared)
		return;
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	key = find_key(queue, hash, false);
	if (key)
		key->open = Max(key->open - 1, 0);
	LWLockRelease(shared->fairness);
}

/*
 * Count anew; the caller goes on with fairness_count() for all there is in the
 * table, to which that of open transactions is added
 */
void
fairness_forget_counts(TaskQueue *queue)
{
	if (!shared)
		return;
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_FAIR_KEYS; i++)
		if (shared->fair_keys[i].queue == queue)
		{
			shared->fair_keys[i].running = shared->fair_keys[i].open;
			shared->fair_keys[i].parked = 0;
			/* should the rate be another one now */
			shared->fair_keys[i].next_at = 0;
		}
	LWLockRelease(shared->fairness);
}

/*
 * May a parked task of this key go on now?  If the key is not known to have one,
 * nothing is against it.
 */
bool
fairness_may_go_on(TaskQueue *queue, uint32 hash, TimestampTz now)
{
	FairKey    *key;
	bool		result = true;

	shared_lock(shared->fairness, LW_SHARED);
	key = find_key(queue, hash, false);
	if (key)
		result = key->next_at <= now &&
			(queue->limits.per_key_concurrency == 0 || key->running < queue->limits.per_key_concurrency);
	LWLockRelease(shared->fairness);
	return result;
}

/*
 * Keys whose parked tasks may go on, and how many of each.  Notes when to look
 * again.
 */
int
fairness_ready_keys(TaskQueue *queue, TimestampTz now, ReadyKey *keys, int room)
{
	TimestampTz next = DT_NOEND;
	int			count = 0;

	if (!shared || queue->freed_at > now)
		return 0;
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_FAIR_KEYS; i++)
	{
		FairKey    *key = &shared->fair_keys[i];
		int			left = key->parked;

		if (key->queue != queue || key->parked == 0)
			continue;
		if (queue->limits.per_key_concurrency > 0)
			left = Min(left, queue->limits.per_key_concurrency - key->running);
		if (left <= 0)
			continue;
		if (queue->limits.per_key_rate > 0)
			left = 1;
		if (key->next_at > now || count == room)
			next = Min(next, key->next_at);
		else
			keys[count++] = (ReadyKey) {key->hash, left};
	}
	SpinLockAcquire(&queue->mutex);
	queue->freed_at = next;
	SpinLockRelease(&queue->mutex);
	LWLockRelease(shared->fairness);
	return count;
}

/*
 * The clock was set back
 */
void
fairness_set_back(TaskQueue *queue, int64 by)
{
	shared_lock(shared->fairness, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_FAIR_KEYS; i++)
		if (shared->fair_keys[i].queue == queue)
			shared->fair_keys[i].next_at -= by;
	LWLockRelease(shared->fairness);
}

/*
 * The clock was set back, so that much later comes what the queues of a database
 * wait for
 */
void
task_queues_set_back(Oid dbid, int64 by)
{
	for (int i = 0; i < shared->task_queue_end; i++)
	{
		TaskQueue  *queue = &shared->task_queues[i];

		if (queue->dbid != dbid)
			continue;
		SpinLockAcquire(&queue->mutex);
		queue->tokens_at -= by;
		if (queue->throttled_until != DT_NOEND)
			queue->throttled_until -= by;
		if (queue->freed_at != DT_NOEND)
			queue->freed_at -= by;
		SpinLockRelease(&queue->mutex);
		fairness_set_back(queue, by);
	}
}
