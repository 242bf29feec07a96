/*-------------------------------------------------------------------------
 *
 * in_hand.c
 *	  Whether somebody has work in hand, or nobody could.
 *
 *	  1. A process that is busy, or about to start, looks again before it sleeps.
 *	  So what its queue has is in its hands, however long its step takes.
 *
 *	  2. Where there is none, one could be started: there is a place for it, its
 *	  role may connect, and the launcher does not delay it because the last ones
 *	  came to nothing.
 *
 *	  The patrol asks this at each look for what it has seen before.  So something
 *	  that is so for a moment only does no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "process/in_hand.h"
#include "process/why.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "utils/acl.h"

#define MAX_ROLES	64

typedef struct Hands
{
	int			busy;			/* processes of a queue or a role, or about to come */
	int			idle;
	int			all;			/* processes of the kind, whose ever */
} Hands;

/*
 * Count processes: workers of a queue, or activity workers of a role
 */
static Hands
count_hands(SlotKind kind, int queue, Oid owner)
{
	Hands		hands = {0};

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (!slot->in_use || slot->kind != kind)
			continue;
		hands.all++;
		if (kind == SLOT_WORKER ? slot->queue != queue : slot->dbid != MyDatabaseId || slot->owner != owner)
			continue;
		if (slot->proc && slot->idle)
			hands.idle++;
		else
			hands.busy++;
	}
	LWLockRelease(shared->directory);
	return hands;
}

/*
 * Is a worker in mail's way to its run, or can there be none?
 */
bool
mail_is_in_hand(Queue *queue)
{
	Hands		hands = count_hands(SLOT_WORKER, queue - shared->queues, queue->owner);

	if (hands.busy > 0 || why_no_worker(queue->owner, false) != NULL)
		return true;
	if (hands.idle > 0)
		return false;
	return !shared->launcher || shared->starving > 0 || hands.all >= durable_max_workers ||
		(queue->failures > 0 && (queue_has_mail(queue) || queue_any_skipped(queue)));
}

/*
 * The roles of sessions that wait for tasks of a topic, whatever they are called.
 * Returns how many, up to `room'.
 */
static int
waiting_roles(int64 topic, Oid *roles, int room)
{
	int			n = 0;

	shared_lock(shared->waiting, LW_SHARED);
	for (int i = 0; i < MaxBackends && n < room && shared->nwaiters > 0; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (waiter->proc && waiter->dbid == MyDatabaseId && waiter->topic == topic && !waiter->choosy)
			roles[n++] = waiter->role;
	}
	LWLockRelease(shared->waiting);
	return n;
}

/*
 * The same for tasks of SQL activities; those of others are in hand where no
 * session waits that may take them
 */
bool
tasks_are_in_hand(TaskQueue *queue, Oid owner)
{
	Hands		hands;
	Oid			roles[MAX_ROLES];
	int			n;

	if (queue->external)
	{
		n = waiting_roles(queue->topic, roles, MAX_ROLES);
		for (int i = 0; i < n; i++)
			if (roles[i] == owner || has_privs_of_role(roles[i], owner))
				return false;
		return true;
	}
	hands = count_hands(SLOT_ACTIVITY_WORKER, 0, owner);
	if (hands.busy > 0 || why_no_worker(owner, true) != NULL)
		return true;
	if (hands.idle > 0)
		return false;
	return !shared->launcher || shared->starving_tasks > 0 || hands.all >= durable_max_activity_workers ||
		(queue->failures > 0 && queue->wanted);
}

/*
 * Do the limits of a queue let nothing start now, for all that is known?
 */
bool
tasks_are_limited(TaskQueue *queue)
{
	bool		result;
	TimestampTz now = durable_now();

	SpinLockAcquire(&queue->mutex);
	result = queue->throttled_until != DT_NOEND && queue->throttled_until > now;
	if (queue->limits.concurrency > 0 && queue->running >= queue->limits.concurrency)
		result = true;
	if (queue->state != TASK_QUEUE_KNOWN)
		result = false;
	SpinLockRelease(&queue->mutex);
	return result;
}

/*
 * What sessions wait for.  Returns how many there are, up to `room'.
 */
int
waiting_sessions(WaitingSession *sessions, int room)
{
	int			n = 0;

	shared_lock(shared->waiting, LW_SHARED);
	for (int i = 0; i < MaxBackends && n < room && shared->nwaiters > 0; i++)
	{
		Waiter	   *waiter = &shared->waiters[i];

		if (!waiter->proc || waiter->dbid != MyDatabaseId || waiter->topic != 0)
			continue;
		sessions[n++] = (WaitingSession) {waiter->run_id, waiter->update, waiter->proc->pid};
	}
	LWLockRelease(shared->waiting);
	return n;
}
