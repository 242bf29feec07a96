/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  A poll of an external worker.
 *
 *	  1. The worker gets tasks of its own role's queue of that name, and of those
 *	  of roles whose member it is.
 *
 *	  2. Where there are none, it may wait, in the server or by LISTEN in its own
 *	  event loop.  Either way it says so first and looks once more after that.
 *
 *	  3. While it waits it holds nothing: no lock on tables (wait.c), and no row
 *	  either.  Where it has parked tasks that met a limit, it comes back empty
 *	  early, so that this gets committed.
 *
 *	  4. Nothing is taken for a client that is gone by then (client.c): the
 *	  session ends, which undoes the claim.
 *
 *	  5. Who polled when is kept in shared memory, for wf_workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/client.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/retry.h"
#include "miscadmin.h"
#include "shared/durability.h"
#include "shared/listener.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "shared/taskqueue_id.h"
#include "shared/waiter.h"
#include "store/activity.h"
#include "store/identity.h"
#include "store/store.h"
#include "store/wait.h"
#include "task/attempt.h"
#include "task/claim.h"
#include "task/notify.h"
#include "task/poll.h"
#include "task/task.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MAX_OWNERS		64

/*
 * The roles whose tasks the caller may take, its own first
 */
static int
find_owners(Oid role, Oid *owners)
{
	int			n = 0;

	owners[n++] = role;
	for (int i = 0; shared && i < shared->task_queue_end && n < MAX_OWNERS; i++)
	{
		TaskQueue  *queue = &shared->task_queues[i];
		bool		known = false;

		if (queue->dbid != MyDatabaseId || !queue->external)
			continue;
		for (int j = 0; j < n && !known; j++)
			known = owners[j] == queue->owner;
		if (!known && has_privs_of_role(role, queue->owner))
			owners[n++] = queue->owner;
	}
	return n;
}

/*
 * Is it the worker of this name?  Queues and workers of two roles may be called
 * the same.
 */
static bool
is_poller(const Poller *poller, Oid role, int64 topic, const char *name)
{
	return poller->dbid == MyDatabaseId && poller->role == role && poller->topic == topic &&
		strcmp(poller->name, name) == 0;
}

/*
 * Note that a worker lives
 */
static void
see_worker(const Poll *poll, int64 topic, int tasks)
{
	static Poller *mine = NULL;
	char		name[NAMEDATALEN];
	Poller	   *oldest = NULL;
	Poller	   *own = NULL;		/* the oldest of the role */
	int			count = 0;

	if (!shared)
		return;
	clip_text(name, text_to_cstring(poll->worker), NAMEDATALEN);
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	if (mine && !is_poller(mine, poll->role, topic, name))
		mine = NULL;
	for (int i = 0; i < MAX_POLLERS && !mine; i++)
	{
		Poller	   *poller = &shared->pollers[i];

		if (OidIsValid(poller->dbid) && poller->role == poll->role)
		{
			count++;
			if (!own || poller->seen_at < own->seen_at)
				own = poller;
		}

		if (is_poller(poller, poll->role, topic, name))
			mine = poller;
		else if (!oldest || poller->seen_at < oldest->seen_at)
			oldest = poller;
	}
	if (!mine)
	{
		/* nobody sees the workers of others off the table */
		mine = count < MAX_POLLERS / 2 ? oldest : own;
		mine->dbid = MyDatabaseId;
		mine->role = poll->role;
		mine->topic = topic;
		strlcpy(mine->name, name, NAMEDATALEN);
		clip_text(mine->task_queue, poll->task_queue, NAMEDATALEN);
		mine->tasks = 0;
	}
	mine->pid = MyProcPid;
	mine->seen_at = GetCurrentTimestamp();
	mine->tasks += tasks;
	LWLockRelease(shared->waiting);
}

static void
start_claimed(Poll *poll, Claim *claim)
{
	TimestampTz now = durable_now();
	RowBatch	updates;

	rows_init(&updates, TABLE_ACTIVITY, poll->context);
	for (int i = 0; i < claim->count; i++)
	{
		Activity   *a = &claim->rows[i];

		attempt_start(a, poll->worker, now);
		if (claim->count == 1)
			activity_write_start(a);
		else
			activity_add_update(&updates, a);
		poll->tasks[poll->count++] = *a;
	}
	activity_write_updates(&updates);
}

/*
 * A time to come, DT_NOEND where it is over: then either there is something to
 * take, or it waits for something else, which wakes us
 */
static TimestampTz
to_come(TimestampTz at, TimestampTz now)
{
	return at > now ? at : DT_NOEND;
}

/*
 * Would a claim find something?  Or might one, for all that is known of limits.
 */
static bool
worth_a_claim(TaskQueue *queue)
{
	return !shared || task_queue_ready(queue) || queue->throttled_until != DT_NOEND || queue->freed_at != DT_NOEND;
}

/*
 * The same, where another claim may be under way: a lane counts as empty while
 * that scans it
 */
static bool
has_tasks(TaskQueue *queue)
{
	if (worth_a_claim(queue))
		return true;
	task_claims_lock(queue);
	task_claims_unlock(queue);
	return worth_a_claim(queue);
}

/*
 * Take what there is, up to the poll's max.  *ready: there was more, or there
 * is by now; *next: when limits may allow more.  False where it took nothing but
 * wrote, so that the poll cannot go on.
 */
static bool
take(Poll *poll, int64 topic, bool *ready, TimestampTz *next)
{
	Oid			owners[MAX_OWNERS];
	int			nowners = find_owners(poll->role, owners);
	TxnDurability needed = TXN_FORGETTABLE;
	bool		parked = false;
	StoreScope	scope;

	*ready = false;
	*next = DT_NOEND;
	txn_begin_relaxed();
	store_begin_look(&scope);
	for (int i = 0; i < nowners && poll->count < poll->max; i++)
	{
		TaskQueueName name = {
			task_queue_id(poll->namespace, poll->task_queue, owners[i], true), topic, owners[i], true
		};
		TaskQueue  *queue = i == 0 ? task_queue_known(&name) : task_queue_find(name.id);
		Claim		claim = {.queue = queue, .max = poll->max - poll->count, .names = poll->names, .context = poll->context};
		TimestampTz now;

		if (!queue || !has_tasks(queue))
			continue;
		claim_tasks(&claim);
		durable_check_identity();
		parked |= claim.parked;
		STOP_EVENT(poll_claimed);
		start_claimed(poll, &claim);
		STOP_EVENT(poll_started);
		for (int j = 0; j < claim.count; j++)
			if (retry_exhausted(claim.rows[j].retry, claim.rows[j].attempt))
				needed = TXN_LASTING;
		now = durable_now();
		/* others than those asked for may be there for long */
		*ready |= !poll->names && task_queue_ready(queue);
		*next = Min(*next, Min(to_come(queue->throttled_until, now), to_come(queue->freed_at, now)));
	}
	if (poll->count > 0 || parked)
		store_end_kept(&scope);
	else
		store_end(&scope);
	/* an attempt that is the last must not be forgotten, and so repeated */
	txn_end_relaxed(needed);
	return poll->count > 0 || !parked;
}

/*
 * Wait for tasks, and take some
 */
static void
wait_for_tasks(Poll *poll, int64 topic)
{
	static uint32 event = 0;
	Wait		wait = {.until = poll->until};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext round = AllocSetContextCreate(caller, "durable poll", ALLOCSET_SMALL_SIZES);
	bool		ready;
	TimestampTz next;
	long		longest;

	if (event == 0)
		event = wait_event("DurablePoll");
	wait.event = event;
	poll->context = round;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(round);
		MemoryContextSwitchTo(round);
		waiter_begin_poll(topic, poll->role, poll->names != NULL);
		STOP_EVENT(poll_waits);
		if (!take(poll, topic, &ready, &next) || poll->count > 0)
			break;
		/* 1 ms where the limit has just been over */
		longest = next == DT_NOEND ? 0 : TimestampDifferenceMilliseconds(durable_now(), next) + 1;
		if (ready ? durable_monotonic() >= poll->until : !wait_sleep(&wait, longest))
			break;
		STOP_EVENT(poll_woken);
	}
	MemoryContextSwitchTo(caller);
	waiter_end();
	see_worker(poll, topic, poll->count);
}

/*
 * Take tasks for an external worker, waiting for some where it wants that
 */
void
poll_tasks(Poll *poll)
{
	int64		topic = task_queue_topic(poll->namespace, poll->task_queue);
	bool		ready;
	bool		go_on;
	TimestampTz next;

	durable_check_identity();
	poll->tasks = palloc(poll->max * sizeof(Activity));
	poll->count = 0;
	STOP_EVENT(poll_begin);
	go_on = take(poll, topic, &ready, &next);
	if (poll->count < poll->max && listener_set_hungry((uint64) topic))
		go_on &= take(poll, topic, &ready, &next);
	STOP_EVENT(poll_end);
	see_worker(poll, topic, poll->count);
	if (poll->count == 0 && go_on && poll->until != 0)
		wait_for_tasks(poll, topic);
	if (poll->count > 0)
		client_check();
}

/*
 * LISTEN for tasks of a queue
 */
void
poll_listen(const char *namespace, const char *task_queue)
{
	notify_listen("wf_listen()", task_queue_channel(task_queue_topic(namespace, task_queue)));
}
