/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Where claims of one owner's mail start and go on.
 *
 *	  1. Messages are claimed in the order of their seq.  Under a held xmin
 *	  horizon the dead entries of consumed messages stay in the index, so a
 *	  claim must not start from the beginning each time: it goes on from the
 *	  queue's cursor, below which everything was consumed or is in some
 *	  worker's hands.
 *
 *	  2. Three things bring a claim back below the cursor, and each lowers
 *	  `low', from where the next claim then starts: a transaction that commits
 *	  with a seq it drew earlier; a claim that is undone; and a run that was
 *	  locked by someone else when its mail came by (`skips'), as soon as the
 *	  transaction that held it has ended.  Should that one not be ours, or skips
 *	  have no room, a worker of the queue has a look now and then.
 *
 *	  3. A scan takes `low' before its snapshot.  So a commit after that shows
 *	  in `low' for the next scan, and one before it shows in the snapshot.
 *
 *	  4. Without shared memory there is one queue, local to the backend, and each
 *	  wf_work() starts at the beginning.
 *
 *	  The spinlock of a queue guards cursor, low and more, its lock `skipping' the
 *	  skips, which are searched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/testmode.h"
#include "base/text.h"
#include "miscadmin.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "storage/latch.h"

#define RELEASE_CHUNK	32

static Queue local_queue;

/*
 * The queue of an owner in this database
 */
Queue *
durable_queue(Oid owner)
{
	static Queue *last = NULL;
	Queue	   *free_entry = NULL;
	Queue	   *result = NULL;

	if (!shared)
	{
		if (!OidIsValid(local_queue.dbid))
		{
			SpinLockInit(&local_queue.mutex);
			LWLockInitialize(&local_queue.skipping, LWTRANCHE_FIRST_USER_DEFINED);
			local_queue.dbid = MyDatabaseId;
			local_queue.low = local_queue.skipped = QUEUE_NONE;
		}
		return &local_queue;
	}
	if (last && last->dbid == MyDatabaseId && last->owner == owner)
		return last;

	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_QUEUES && !result; i++)
	{
		Queue	   *queue = &shared->queues[i];

		if (queue->dbid == MyDatabaseId && queue->owner == owner)
			result = queue;
		else if (!free_entry && !OidIsValid(queue->dbid))
			free_entry = queue;
	}
	if (!result && free_entry && !test_mode)
	{
		result = free_entry;
		result->dbid = MyDatabaseId;
		result->owner = owner;
		result->workers = 0;
		result->launched_at = 0;
		result->failures = 0;
		result->ownerless = false;
		result->cursor = 0;
		result->low = QUEUE_NONE;
		result->nskips = 0;
		result->skipped = QUEUE_NONE;
		result->more = false;
		result->watched = false;
	}
	LWLockRelease(shared->directory);
	if (!result && test_mode)
		return NULL;			/* what nobody is to be told of needs no queue */
	if (!result)
	{
		ereport(LOG,
				(errmsg("durable has no room for another queue"),
				 errdetail("More than %d pairs of database and owner have workflows.", MAX_QUEUES)));
		return NULL;
	}
	last = result;
	return result;
}

/*
 * Where a scan starts.  Call before taking its snapshot, holding the claim
 * lock (batch.c), so that one scan at a time moves the cursor.
 */
int64
queue_begin_scan(Queue *queue)
{
	int64		from;

	SpinLockAcquire(&queue->mutex);
	from = Min(queue->cursor, queue->low);
	queue->cursor = from;
	queue->low = QUEUE_NONE;
	SpinLockRelease(&queue->mutex);
	return from;
}

/*
 * The scan took everything below `next': the following one starts there
 */
void
queue_end_scan(Queue *queue, int64 from, int64 next)
{
	SpinLockAcquire(&queue->mutex);
	queue->cursor = Max(from, next);
	SpinLockRelease(&queue->mutex);
}

/*
 * Claims are to begin at a message again, or before it
 */
void
queue_lower(Queue *queue, int64 seq)
{
	SpinLockAcquire(&queue->mutex);
	if (seq < queue->low)
		queue->low = seq;
	SpinLockRelease(&queue->mutex);
}

/*
 * A run is in other hands: claims leave its mail until it is told as free
 */
void
queue_skip(Queue *queue, const pg_uuid_t *run_id, int64 seq)
{
	int			i;

	LWLockAcquire(&queue->skipping, LW_EXCLUSIVE);
	for (i = 0; i < queue->nskips; i++)
		if (uuid_equal(&queue->skips[i].run_id, run_id))
			break;
	if (i < queue->nskips)
		queue->skips[i].seq = Min(queue->skips[i].seq, seq);
	else if (i < MAX_SKIPS)
		queue->skips[queue->nskips++] = (Skip) {*run_id, seq};
	else
		queue->skipped = Min(queue->skipped, seq);
	LWLockRelease(&queue->skipping);
}

/*
 * A transaction that had these runs locked has ended: mail of theirs that was
 * skipped is looked at again
 */
void
queue_release(Queue *queue, const pg_uuid_t *run_ids, int count)
{
	int64		low = QUEUE_NONE;

	/* some at a time, since a transaction may have locked millions */
	for (int from = 0; from < count && queue->nskips > 0; from += RELEASE_CHUNK)
	{
		int			to = Min(from + RELEASE_CHUNK, count);

		LWLockAcquire(&queue->skipping, LW_EXCLUSIVE);
		for (int i = queue->nskips - 1; i >= 0; i--)
			for (int j = from; j < to; j++)
				if (uuid_equal(&queue->skips[i].run_id, &run_ids[j]))
				{
					low = Min(low, queue->skips[i].seq);
					queue->skips[i] = queue->skips[--queue->nskips];
					break;
				}
		queue_lower(queue, low);
		LWLockRelease(&queue->skipping);
	}
	if (low != QUEUE_NONE)
		queue_wake(queue);
}

/*
 * Is there such mail?
 */
bool
queue_any_skipped(Queue *queue)
{
	return queue->nskips > 0 || queue->skipped != QUEUE_NONE;
}

/*
 * Is this message known as one that was skipped?
 */
bool
queue_is_skipped(Queue *queue, const pg_uuid_t *run_id, int64 seq)
{
	bool		result;

	LWLockAcquire(&queue->skipping, LW_SHARED);
	result = queue->skipped <= seq;
	for (int i = 0; i < queue->nskips && !result; i++)
		result = queue->skips[i].seq <= seq && uuid_equal(&queue->skips[i].run_id, run_id);
	LWLockRelease(&queue->skipping);
	return result;
}

/*
 * Look at all skipped mail again
 */
void
queue_release_all(Queue *queue)
{
	int64		low;

	LWLockAcquire(&queue->skipping, LW_EXCLUSIVE);
	low = queue->skipped;
	for (int i = 0; i < queue->nskips; i++)
		low = Min(low, queue->skips[i].seq);
	queue->nskips = 0;
	queue->skipped = QUEUE_NONE;
	queue_lower(queue, low);
	LWLockRelease(&queue->skipping);
	queue_wake(queue);
}

/*
 * May there be mail that no worker has in hand?
 */
bool
queue_has_mail(Queue *queue)
{
	bool		result;

	SpinLockAcquire(&queue->mutex);
	result = queue->low != QUEUE_NONE;
	SpinLockRelease(&queue->mutex);
	return result;
}

/*
 * A worker leaves that may not have come to the end of the mail: from the
 * cursor on there may be more
 */
void
queue_doubt(Queue *queue)
{
	SpinLockAcquire(&queue->mutex);
	queue->low = Min(queue->low, queue->cursor);
	SpinLockRelease(&queue->mutex);
}

/*
 * Whether the launcher watches the queue; returns whether it did
 */
bool
queue_set_watched(Queue *queue, bool watched)
{
	bool		before;

	SpinLockAcquire(&queue->mutex);
	before = queue->watched;
	queue->watched = watched;
	SpinLockRelease(&queue->mutex);
	return before;
}

/*
 * All workers of the queue are busy.  Mostly they are soon through with their
 * batches and look again by themselves; the launcher sees to the case that
 * they are not.
 */
static void
watch(Queue *queue)
{
	if (!queue_set_watched(queue, true))
		durable_wake_launcher();
}

/*
 * There is mail: wake an idle worker of the queue, or have one started
 */
void
queue_wake(Queue *queue)
{
	int			index;
	bool		woken = false;
	int			workers;

	if (!shared || queue == &local_queue)
		return;
	index = queue - shared->queues;
	shared_lock(shared->directory, LW_SHARED);
	workers = queue->workers;
	for (int i = 0; workers > 0 && !woken && i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == SLOT_WORKER && slot->queue == index &&
			slot->proc && slot->idle)
		{
			slot->idle = false;
			SetLatch(&slot->proc->procLatch);
			woken = true;
		}
	}
	LWLockRelease(shared->directory);
	if (!shared->starts_workers)
		return;
	if (workers == 0)
		durable_wake_launcher();
	else if (!woken)
		watch(queue);
}

/*
 * A worker that leaves mail behind: it could do with company
 */
void
queue_want_more(Queue *queue)
{
	bool		news;

	if (!shared)
		return;
	queue_wake(queue);
	SpinLockAcquire(&queue->mutex);
	news = !queue->more;
	queue->more = true;
	SpinLockRelease(&queue->mutex);
	if (news)
		durable_wake_launcher();
}

/*
 * Anything may have come for anyone in this database: claims start over
 */
void
queues_look_again(Oid dbid)
{
	if (!shared)
		return;
	for (int i = 0; i < MAX_QUEUES; i++)
		if (shared->queues[i].dbid == dbid)
		{
			queue_lower(&shared->queues[i], 0);
			queue_release_all(&shared->queues[i]);
		}
}
