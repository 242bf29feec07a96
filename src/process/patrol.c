/*-------------------------------------------------------------------------
 *
 * patrol.c
 *	  Looks for work that could move, and that nobody has in hand.
 *
 *	  1. Who commits work wakes who does it, and shared memory knows where it is.
 *	  Should any of that ever be wrong, work would stand still and nobody would
 *	  notice.  So the scheduler looks at the tables themselves every now and then,
 *	  and compares: mail without a worker, tasks with a place or parked, timers and
 *	  timeouts that are overdue, leases of processes that are gone, runs that wait
 *	  for something that is no more, sessions that wait for a run that is closed.
 *
 *	  2. A finding is work that could move now: its role's workers are not busy,
 *	  or one could be started (in_hand.c), limits allow it, no transaction has it
 *	  locked.  And it has been so in all looks for a while, by a clock that nobody
 *	  sets: what is on its way is not found.
 *
 *	  3. What is found is set going, by whatever makes everybody forget what he
 *	  knows of it; it is shown in wf_patrol, and logged, once, as the bug that it is.
 *
 *	  4. A look reads a few rows of each kind, from one end of an index, in one
 *	  transaction; it locks rows of what it is about to report only.
 *
 *	  5. It rests after a look that saw nothing but what waits for a time to come,
 *	  for messages or for those outside, and is told (durable_stir) when a
 *	  transaction of ours has ended since or a process has come or gone.  So what
 *	  sleeps costs nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/text.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "process/in_hand.h"
#include "process/patrol.h"
#include "run/child.h"
#include "shared/fairness.h"
#include "shared/finding.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "shared/tell.h"
#include "shared/trouble.h"
#include "shared/txn.h"
#include "shared/waiter.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/message.h"
#include "store/patrol_scan.h"
#include "store/store.h"
#include "store/timer.h"
#include "store/update.h"
#include "task/check.h"
#include "task/task.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* What has been seen for so long is a finding */
#define GRACE_USECS		(5 * USECS_PER_SEC)
#define MAX_SIGHTS		512
#define MAX_WAITERS		128
/* Roles that have more queues than a look goes through */
#define MAX_OWNERS		64
#define QUEUES_IN_A_ROW	256
#define TELL_AGAIN_USECS	(3600 * USECS_PER_SEC)

/* A queue whose tasks wait, as was told at a time */
typedef struct ToldQueue
{
	int64		queue;
	int64		at;				/* by durable_monotonic(); 0: free */
} ToldQueue;

static ToldQueue told[64];

static Sight sights[2][MAX_SIGHTS];
static int	counts[2];
static int	current = 0;		/* those of this look; the others are of the last one */
static bool unsettled;			/* this look saw what is not known to wait for something to come */
static int64 next_look = 0;		/* by durable_monotonic(); 0: rests */
static int64 tell_at = 0;		/* the next look at queues that nobody polls; 0: no task waits untold */
static pg_uuid_t parents_cursor;	/* waits are gone through from here on; zero: from the beginning */

static int64
interval_usecs(void)
{
	return durable_patrol_interval * INT64CONST(1000);
}

/*
 * Tell of a queue whose tasks wait, and that no worker has polled for long, once an
 * hour; or look again when it may be so
 */
static void
look_at_polls(const Activity *a, int64 now)
{
	int64		most = durable_tell_unpolled * USECS_PER_SEC;
	TimestampTz since = durable_now() - most;
	ToldQueue  *entry = &told[0];
	char	   *name;

	for (int i = 0; i < lengthof(told); i++)
	{
		if (told[i].queue == a->queue && told[i].at != 0 && now - told[i].at < TELL_AGAIN_USECS)
			return;
		if (told[i].at < entry->at || told[i].queue == a->queue)
			entry = &told[i];
	}
	name = topic_polled_since(a->topic, since) ? NULL : patrol_scan_waiting(a->queue, since);
	if (name)
	{
		tell_unpolled(name, a->owner);
		*entry = (ToldQueue) {a->queue, now};
	}
	else
		tell_at = now + most;
}

/*
 * When the next look is, where there is need for one
 */
static void
plan_look(Database *database)
{
	if (durable_patrol_interval == 0)
		next_look = 0;
	else if (next_look == 0 && database->stirred)
		next_look = durable_monotonic() + interval_usecs();
	else if (next_look != 0)	/* the setting may have changed */
		next_look = Min(next_look, durable_monotonic() + interval_usecs());
}

/*
 * Is it time to look?
 */
bool
patrol_is_due(Database *database)
{
	plan_look(database);
	return (next_look != 0 && next_look <= durable_monotonic()) || (tell_at != 0 && tell_at <= durable_monotonic());
}

/*
 * Milliseconds until the next look, -1 where there will be none until something
 * happens
 */
long
patrol_wait(Database *database)
{
	int64		next;

	SpinLockAcquire(&database->mutex);
	database->patrol_rests = next_look == 0 && !database->stirred;
	SpinLockRelease(&database->mutex);
	plan_look(database);
	next = next_look == 0 || tell_at == 0 ? next_look + tell_at : Min(next_look, tell_at);
	return next == 0 ? -1 : Max((next - durable_monotonic()) / 1000 + 1, 1);
}

/*
 * Something that could move is seen; `now' is by durable_monotonic()
 */
static void
see(const Sight *sight, int64 now)
{
	const Sight *before = sights[1 - current];
	Sight	   *entry;

	unsettled = true;
	if (counts[current] == MAX_SIGHTS)
		return;
	entry = &sights[current][counts[current]++];
	*entry = *sight;
	entry->since = now;
	for (int i = 0; i < counts[1 - current]; i++)
		if (before[i].kind == sight->kind && before[i].number == sight->number && before[i].command == sight->command &&
			before[i].part == sight->part && uuid_equal(&before[i].run_id, &sight->run_id))
			entry->since = before[i].since;
}

static void
see_all(const Sight *seen, int n, int64 now)
{
	for (int i = 0; i < n; i++)
		see(&seen[i], now);
}

static void
look_at_mail(int64 now)
{
	Sight		seen[SIGHTS_EACH];
	Oid			owner = InvalidOid;
	int			n;

	while ((n = patrol_scan_mail(&owner, seen)) > 0)
	{
		Queue	   *queue = durable_queue(owner);

		unsettled = true;
		if (!queue || mail_is_in_hand(queue))
			continue;
		for (int i = 0; i < n; i++)
			if (queue->workers == 0 || !queue_is_skipped(queue, &seen[i].run_id, seen[i].number))
				see(&seen[i], now);
	}
}

/*
 * Tasks of one queue.  One that has no entry in shared memory for want of room
 * is looked at again soon (taskqueue.c, point 5).
 */
static void
look_at_queue(const Activity *a, int64 now)
{
	TaskQueue  *queue = task_queue_find(a->queue);
	Sight		seen[SIGHTS_EACH];
	int64		after = PG_INT64_MIN;
	TimestampTz time = durable_now();

	if (a->external)
		look_at_polls(a, now);
	else
		unsettled = true;
	if (!queue || tasks_are_in_hand(queue, a->owner) || tasks_are_limited(queue))
		return;
	see_all(seen, patrol_scan_places(a->queue, time, seen), now);
	for (int i = 0; i < SIGHTS_EACH && patrol_scan_parked(a->queue, after, seen); i++)
	{
		after = seen->part;
		if (fairness_may_go_on(queue, (uint32) seen->part, time))
			see(seen, now);
	}
}

/*
 * Of a role's queues some are looked at, so that who has many does not keep it
 */
static void
look_at_queues(bool external, int64 now)
{
	int64		after = PG_INT64_MIN;
	Datum		enough[MAX_OWNERS];
	int			nenough = 0;
	Oid			owner = InvalidOid;
	int			count = 0;
	ArrayType  *except = construct_empty_array(OIDOID);
	Activity	a;

	while (nenough < MAX_OWNERS && activity_next_queue(after, external, InvalidOid, except, &a))
	{
		after = a.queue;
		look_at_queue(&a, now);
		count = a.owner == owner ? count + 1 : 1;
		owner = a.owner;
		if (count < QUEUES_IN_A_ROW)
			continue;
		enough[nenough++] = ObjectIdGetDatum(owner);
		except = construct_array(enough, nenough, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
	}
}

static void
look_at_tasks(int64 now)
{
	look_at_queues(false, now);
	look_at_queues(true, now);
}

/*
 * Where more is due than a slice of time has room for (due.c), the scheduler goes
 * on after this look, and has it all in hand
 */
static void
look_at_due(Database *database, int64 now)
{
	Sight		seen[SIGHTS_EACH];
	TimestampTz time = durable_now();
	bool		goes_on;

	SpinLockAcquire(&database->mutex);
	goes_on = database->look || database->deadline <= time;
	SpinLockRelease(&database->mutex);
	unsettled |= goes_on;
	if (goes_on)
		return;
	see_all(seen, patrol_scan_timers(time, seen), now);
	see_all(seen, patrol_scan_checks(time, seen), now);
	see_all(seen, patrol_scan_retries(time, seen), now);
}

static void
look_at_leases(int64 now)
{
	Activity   *rows;
	int			n = patrol_scan_leases(CurrentMemoryContext, &rows);

	for (int i = 0; i < n; i++)
		if (attempt_is_lost(&rows[i]))
			see(&(Sight) {.kind = FOUND_LEASE, .owner = rows[i].owner, .run_id = rows[i].run_id,
				.command = rows[i].command, .number = rows[i].lease}, now);
}

/*
 * Some parents at a look.  Those that were seen wait in vain are looked at each
 * time; it rests only when all have been gone through.
 */
static void
look_at_waits(int64 now)
{
	Sight		seen[SIGHTS_EACH];
	int			looked_at;

	for (int i = 0; i < counts[1 - current]; i++)
		if (sights[1 - current][i].kind == FOUND_WAIT && patrol_still(&sights[1 - current][i]))
			see(&sights[1 - current][i], now);
	for (int i = patrol_scan_waits(&parents_cursor, seen, &parents_cursor, &looked_at) - 1; i >= 0; i--)
	{
		bool		known = false;

		for (int j = 0; j < counts[current] && !known; j++)
			known = sights[current][j].kind == FOUND_WAIT &&
				uuid_equal(&sights[current][j].run_id, &seen[i].run_id);
		if (!known)
			see(&seen[i], now);
	}
	unsettled |= !uuid_equal(&parents_cursor, &(pg_uuid_t) {{0}});
}

static void
look_at_waiters(int64 now)
{
	WaitingSession sessions[MAX_WAITERS];
	int			n = waiting_sessions(sessions, MAX_WAITERS);

	for (int i = 0; i < n; i++)
	{
		WaitingSession *s = &sessions[i];

		if (!execution_is_open(&s->run_id) || (s->update != 0 && update_is_answered(&s->run_id, s->update)))
			see(&(Sight) {.kind = FOUND_WAITER, .run_id = s->run_id, .part = s->pid}, now);
	}
}

/*
 * The activity of a sight, locked; false where it is another by now, or somebody
 * else has it.  What went past it meanwhile comes back at our end.
 */
static bool
lock_activity(const Sight *sight)
{
	Activity	a;

	if (!activity_lock(&(ActivityKey) {sight->run_id, sight->command, 0}, false, CurrentMemoryContext, &a))
		return false;
	task_hold(&a);
	task_leave(&a);
	switch (sight->kind)
	{
		case FOUND_TASK:
			return a.place != 0 && a.seq == sight->number;
		case FOUND_PARKED:
			return a.is_parked && a.seq == sight->number;
		case FOUND_CHECK:
			return a.check_at == sight->number;
		default:
			return a.lease == sight->number && attempt_is_lost(&a);
	}
}

/*
 * The run of a sight, locked; the same goes for it.  Mail may be of a run that is
 * closed.
 */
static bool
lock_run(const Sight *sight, Execution **run)
{
	if (execution_claim(&sight->run_id, 1, CurrentMemoryContext, run) > 0)
		txn_locked((*run)->owner, &sight->run_id);
	else if (sight->kind != FOUND_MAIL || execution_is_open(&sight->run_id))
		return false;
	return patrol_still(sight);
}

/*
 * Is it as it was seen, and has nobody locked it?
 */
static bool
confirm(const Sight *sight, Execution **run)
{
	switch (sight->kind)
	{
		case FOUND_MAIL:
		case FOUND_RETRY:
		case FOUND_WAIT:
			return lock_run(sight, run);
		case FOUND_TIMER:
			return patrol_lock_timer(sight);
		case FOUND_WAITER:
			return true;
		default:
			return lock_activity(sight);
	}
}

/*
 * What is told of it, with what shared memory knew
 */
static void
describe(const Sight *sight, char *detail, Size size)
{
	TaskQueue  *tasks;
	Queue	   *queue;

	switch (sight->kind)
	{
		case FOUND_MAIL:
			queue = durable_queue(sight->owner);
			snprintf(detail, size, "message " INT64_FORMAT ", cursor " INT64_FORMAT ", low " INT64_FORMAT ", %d workers",
					 sight->number, queue->cursor, queue->low, queue->workers);
			break;
		case FOUND_TASK:
		case FOUND_PARKED:
			tasks = task_queue_find(sight->queue);
			snprintf(detail, size, "command %d, queue " INT64_FORMAT ", state %d, running %d, ready %d", sight->command,
					 sight->queue, tasks ? (int) tasks->state : -1, tasks ? tasks->running : 0,
					 tasks && task_queue_ready(tasks));
			break;
		case FOUND_TIMER:
			snprintf(detail, size, "command %d, kind %d, due at %s", sight->command, sight->part,
					 timestamptz_to_str(sight->number));
			break;
		case FOUND_CHECK:
		case FOUND_RETRY:
			snprintf(detail, size, "command %d, due at %s", sight->command, timestamptz_to_str(sight->number));
			break;
		case FOUND_LEASE:
			snprintf(detail, size, "command %d, lease " INT64_FORMAT, sight->command, sight->number);
			break;
		case FOUND_WAIT:
			snprintf(detail, size, "command %d", sight->command);
			break;
		case FOUND_WAITER:
			snprintf(detail, size, "process %d", sight->part);
			break;
	}
}

/*
 * Have it looked at as if nothing were known
 */
static void
set_going(const Sight *sight, Execution *run)
{
	Queue	   *queue;
	TaskQueue  *tasks;

	switch (sight->kind)
	{
		case FOUND_MAIL:
			queue = durable_queue(sight->owner);
			queue_lower(queue, sight->number);
			queue_wake(queue);
			break;
		case FOUND_TASK:
		case FOUND_PARKED:
			tasks = task_queue_find(sight->queue);
			if (tasks)
				task_queue_look_again(tasks);
			break;
		case FOUND_TIMER:
		case FOUND_CHECK:
		case FOUND_LEASE:
			durable_look_at_all(MyDatabaseId);
			break;
		case FOUND_RETRY:
			timer_set(&sight->run_id, MESSAGE_ACTIVITY_RETRY, sight->command, sight->owner,
					  (DueTime) {sight->number, sight->number});
			break;
		case FOUND_WAIT:
			children_tell_again(run);
			break;
		case FOUND_WAITER:
			waiter_wake(&sight->run_id, 1);
			break;
	}
}

static void
report(const Sight *sight)
{
	Finding		finding = {.dbid = MyDatabaseId, .owner = sight->owner, .kind = sight->kind, .run_id = sight->run_id,
	.number = sight->number ^ ((int64) sight->command << 32) ^ sight->part};

	describe(sight, finding.detail, sizeof(finding.detail));
	if (finding_note(&finding))
		ereport(LOG,
				(errmsg("durable patrol: nobody had this in hand: %s of run %s", finding_name(sight->kind),
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&sight->run_id)))),
				 errdetail("%s, owner %u.", finding.detail, sight->owner),
				 errhint("It was set going. This is a bug in durable: please report it, with the log before this.")));
}

/*
 * Deal with what has been seen for long enough
 */
static void
deal_with_findings(int64 now)
{
	for (int i = 0; i < counts[current]; i++)
	{
		Sight	   *sight = &sights[current][i];
		Execution  *run = NULL;

		if (now - sight->since < GRACE_USECS || !confirm(sight, &run))
			continue;
		STOP_EVENT(patrol_found);
		report(sight);
		set_going(sight, run);
		sight->since = now;
	}
}

/*
 * Look once, in the current transaction
 */
void
patrol_look(Database *database)
{
	int64		now = durable_monotonic();
	StoreScope	scope;

	next_look = now + interval_usecs();
	tell_at = 0;
	current = 1 - current;
	counts[current] = 0;
	unsettled = false;
	/* all are on their way out, or wait for a disk that is full */
	if (database->blocked > 0 || trouble_in(MyDatabaseId))
		return;
	SpinLockAcquire(&database->mutex);
	database->stirred = false;
	database->looks++;
	database->looked_at = GetCurrentTimestamp();
	SpinLockRelease(&database->mutex);
	if (database->paused)
	{
		next_look = 0;			/* wf_adopt() tells */
		return;
	}
	store_begin(&scope);
	look_at_mail(now);
	look_at_tasks(now);
	look_at_due(database, now);
	look_at_leases(now);
	look_at_waits(now);
	look_at_waiters(now);
	deal_with_findings(now);
	store_end(&scope);

	if (counts[current] > 0)
		next_look = now + Min(interval_usecs(), GRACE_USECS);
	else if (!unsettled)
		next_look = 0;
}
