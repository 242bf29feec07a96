/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The one process that starts the others.
 *
 *	  1. The launcher is started with the server and restarted by it.  It is
 *	  connected to no database, so it is in nobody's way.
 *
 *	  2. At its start it has a scheduler look into every database; those without
 *	  the extension are forgotten, which makes room in shared memory for the
 *	  next ones.  Later a scheduler is started where one is
 *	  wanted: after CREATE EXTENSION, and when one was lost.
 *
 *	  3. A worker is started for a queue that has mail and none, and another for
 *	  a queue whose workers leave mail behind or are all in slow steps, up to
 *	  durable.max_workers.  When
 *	  that is reached and a queue has none at all, busy workers of others make
 *	  room (worker.c).
 *
 *	  4. An activity worker is started for a task queue of SQL activities that has
 *	  tasks and no idle one, up to durable.max_activity_workers, in the same way.
 *
 *	  5. Where the server has no free background worker, idle workers of either
 *	  kind leave for a queue or a database that has none, and busy ones make room.
 *
 *	  Workers of a role that has more than its share do so in the middle of a
 *	  step (shares.c), and a scheduler that has nothing to do rests: it is started
 *	  again when its deadline has come, or somebody wants it.
 *
 *	  6. Restarts are throttled: each start of a worker that took no turn doubles
 *	  the delay before the next one.  Then it looks whether the role could have a worker
 *	  at all (roles.c); for one that is gone nothing is started ever again.
 *
 *	  With nothing to start it sleeps without a timeout.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/failure.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "process/launcher.h"
#include "process/process.h"
#include "process/roles.h"
#include "process/setback.h"
#include "shared/databases.h"
#include "shared/queue.h"
#include "shared/shares.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "shared/trouble.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define RESTART_DELAY_MS		1000
#define MAX_RESTART_DELAY_MS	60000
/* A worker so long in a batch is in a slow step, and others' mail waits */
#define ABSORBED_MS				20

/*
 * What one look around could not start
 */
typedef struct Round
{
	bool		full;			/* the server has no free background worker */
	int			databases;		/* want a scheduler */
	int			queues;			/* have mail and no worker */
	int			task_queues;	/* have tasks and no worker */
	int			crowded;		/* have tasks and no idle worker */
	long		wait;			/* ms until a throttled one may be started; -1: none */
} Round;

pg_noreturn PGDLLEXPORT extern void durable_launcher_main(Datum arg);

static void
leave(int code, Datum arg)
{
	shared->launcher = NULL;
}

/*
 * Milliseconds until the next start, after so many in vain and the last one at
 * a time.  That is in the future if the clock was set back.  Where it is the
 * database's trouble the end of that is not to be missed.
 */
static long
restart_delay(Oid dbid, int failures, TimestampTz launched_at, TimestampTz now)
{
	long		delay = RESTART_DELAY_MS;
	long		limit = MAX_RESTART_DELAY_MS;

	if (failures == 0 || launched_at > now)
		return 0;
	if (trouble_in(dbid))
		limit = TROUBLE_MAX_DELAY;
	for (int i = 1; i < failures && delay < limit; i++)
		delay *= 2;
	return Max(Min(delay, limit) - TimestampDifferenceMilliseconds(launched_at, now), 0);
}

static long
sooner(long a, long b)
{
	return a < 0 ? b : b < 0 ? a : Min(a, b);
}

/*
 * Start a process, unless the server has just refused another
 */
static bool
start_process(Round *round, SlotKind kind, Oid dbid, Oid owner, int queue)
{
	if (!round->full)
		round->full = !slot_start(kind, dbid, owner, queue);
	return !round->full;
}

/*
 * Would it be in vain to start a process for this role?  That is looked at where
 * the last start was, and counts as another one.
 */
static bool
in_vain(Oid dbid, Oid owner, int *failures, TimestampTz *launched_at, bool *ownerless)
{
	RoleState	state;

	if (*failures == 0 || (state = role_state(owner)) == ROLE_FINE)
		return false;
	*ownerless = state == ROLE_GONE;
	/* the first time, and when the delay is as long as it gets */
	if (*ownerless || *failures == 1 || RESTART_DELAY_MS << Min(*failures - 1, 10) >= MAX_RESTART_DELAY_MS)
		roles_log(owner, dbid, state);
	shared_lock(shared->directory, LW_EXCLUSIVE);
	(*failures)++;
	*launched_at = durable_steady();
	LWLockRelease(shared->directory);
	return true;
}

/*
 * Is there need for the scheduler of a database?  For one that rests there is
 * when its time has come; the caller holds the directory lock.
 */
static bool
needs_scheduler(Round *round, Database *db)
{
	TimestampTz at;
	long		left;

	if (!OidIsValid(db->dbid) || db->blocked > 0)
		return false;
	if (db->wanted || (db->checked && !db->resting))
		return true;
	if (!db->checked)
		return false;
	SpinLockAcquire(&db->mutex);
	at = db->look ? DT_NOBEGIN : Min(db->deadline, db->look_at);
	SpinLockRelease(&db->mutex);
	if (at == DT_NOEND)
		return false;
	left = at == DT_NOBEGIN || setback_happened(db) ? 0 : TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at);
	if (left > 0)
		round->wait = sooner(round->wait, Min(left, CLOCK_CHECK_MS));
	return left == 0;
}

/*
 * Start the schedulers that are wanted
 */
static void
start_schedulers(Round *round)
{
	long		left;
	TimestampTz now = durable_steady();

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		Database   *db = &shared->databases[i];
		Oid			dbid;
		bool		wanted;

		shared_lock(shared->directory, LW_SHARED);
		dbid = db->dbid;
		wanted = needs_scheduler(round, db);
		LWLockRelease(shared->directory);
		if (!wanted || slot_exists(SLOT_SCHEDULER, dbid))
			continue;
		left = restart_delay(dbid, db->failures, db->launched_at, now);
		if (left > 0)
		{
			round->wait = sooner(round->wait, left);
			continue;
		}
		if (!start_process(round, SLOT_SCHEDULER, dbid, InvalidOid, -1))
		{
			round->databases++;
			continue;
		}
		STOP_EVENT(launcher_scheduler);
		/* it says so itself if it is wanted on */
		shared_lock(shared->directory, LW_EXCLUSIVE);
		db->wanted = db->resting = false;
		db->failures++;
		db->launched_at = now;
		LWLockRelease(shared->directory);
	}
}

/*
 * May workers run in a database?  One that nobody has looked into gets a
 * scheduler first.
 */
static bool
may_run(Oid dbid)
{
	bool		result = false;
	bool		known = false;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		Database   *db = &shared->databases[i];

		if (db->dbid == dbid)
		{
			known = true;
			result = db->blocked == 0 && db->checked && !db->paused;
		}
	}
	LWLockRelease(shared->directory);
	if (!known)
		durable_want_scheduler(dbid);
	return result;
}

/*
 * Have all workers of a queue been in their batches for long?
 */
static bool
all_absorbed(int queue)
{
	TimestampTz now = durable_steady();
	bool		result = true;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS && result; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == SLOT_WORKER && slot->queue == queue)
			result = slot->proc && !slot->idle && slot->batch_at != 0 &&
				TimestampDifferenceExceeds(slot->batch_at, now, ABSORBED_MS);
	}
	LWLockRelease(shared->directory);
	return result;
}

static void
set_more(Queue *queue, bool more)
{
	SpinLockAcquire(&queue->mutex);
	queue->more = more;
	SpinLockRelease(&queue->mutex);
}

/*
 * Look after the queues whose workers were all busy when mail came.  Returns
 * whether to look again soon.
 */
static bool
watch_queues(void)
{
	bool		again = false;

	for (int i = 0; i < MAX_QUEUES; i++)
	{
		Queue	   *queue = &shared->queues[i];

		/* mail that comes after this asks again; where no worker is, one comes anyway */
		if (!OidIsValid(queue->dbid) || !queue->watched || !queue_set_watched(queue, false) ||
			!queue_has_mail(queue) || queue->workers == 0)
			continue;
		if (all_absorbed(i))
			set_more(queue, true);
		else
		{
			(void) queue_set_watched(queue, true);
			again = true;
		}
	}
	return again;
}

/*
 * Does the queue have too few workers, or none (`extra' is false)?
 */
static bool
lacks_workers(Queue *queue, bool extra)
{
	if (!OidIsValid(queue->dbid) || queue->ownerless)
		return false;
	/* a worker that waited to look at skipped mail again may have had to leave */
	if (extra ? !(queue->more && queue->workers > 0) :
		!(queue->workers == 0 && (queue_has_mail(queue) || queue_any_skipped(queue))))
		return false;
	return may_run(queue->dbid);
}

/*
 * Others need their places: idle workers leave when they see that (worker.c)
 */
static void
wake_idle_workers(SlotKind kind, int count)
{
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS && count > 0; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == kind && slot->proc && slot->idle)
		{
			SetLatch(&slot->proc->procLatch);
			count--;
		}
	}
	LWLockRelease(shared->directory);
}

/*
 * Start the workers that are missing
 */
static void
start_workers(Round *round)
{
	static int	first = 0;		/* so that no queue is always the last */
	int			room = durable_max_workers - slot_count(SLOT_WORKER);
	TimestampTz now = durable_steady();

	/* those without any worker come first */
	for (int extra = 0; extra <= 1; extra++)
		for (int n = 0; n < MAX_QUEUES; n++)
		{
			int			i = (first + n) % MAX_QUEUES;
			Queue	   *queue = &shared->queues[i];
			long		delay;

			if (!lacks_workers(queue, extra))
				continue;
			delay = extra ? 0 : restart_delay(queue->dbid, queue->failures, queue->launched_at, now);
			if (delay > 0)
			{
				round->wait = sooner(round->wait, delay);
				continue;
			}
			if (!extra && in_vain(queue->dbid, queue->owner, &queue->failures, &queue->launched_at, &queue->ownerless))
			{
				round->wait = sooner(round->wait, RESTART_DELAY_MS);
				continue;
			}
			if (extra)
				set_more(queue, false);
			if (room <= 0 || !start_process(round, SLOT_WORKER, queue->dbid, queue->owner, i))
			{
				if (extra)
					set_more(queue, true);
				else
					round->queues++;
				continue;
			}
			room--;
			STOP_EVENT(launcher_worker);
			first = (i + 1) % MAX_QUEUES;
		}
}

/*
 * Has a queue's role an activity worker that is idle, or about to come?  Counts
 * those it has in *workers.
 */
static bool
has_free_activity_worker(TaskQueue *queue, int *workers)
{
	bool		result = false;

	*workers = 0;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == SLOT_ACTIVITY_WORKER && slot->dbid == queue->dbid &&
			slot->owner == queue->owner)
		{
			(*workers)++;
			result |= slot->idle || !slot->proc;
		}
	}
	LWLockRelease(shared->directory);
	return result;
}

/*
 * Start an activity worker for a queue that wants one, if there is a place for it
 */
static void
start_activity_worker(Round *round, int index, bool extra, int room)
{
	TaskQueue  *queue = &shared->task_queues[index];
	long		delay = extra ? 0 : restart_delay(queue->dbid, queue->failures, queue->launched_at, durable_steady());

	if (delay > 0)
	{
		(void) task_queue_want(queue);
		round->wait = sooner(round->wait, delay);
		return;
	}
	if (!extra && in_vain(queue->dbid, queue->owner, &queue->failures, &queue->launched_at, &queue->ownerless))
	{
		(void) task_queue_want(queue);
		round->wait = sooner(round->wait, RESTART_DELAY_MS);
		return;
	}
	if (room > 0 && start_process(round, SLOT_ACTIVITY_WORKER, queue->dbid, queue->owner, index))
	{
		STOP_EVENT(launcher_activity_worker);
		return;
	}
	(void) task_queue_want(queue);
	round->task_queues += !extra;
	round->crowded++;
}

/*
 * Start the activity workers that are missing
 */
static void
start_activity_workers(Round *round)
{
	/* those of roles without any come first: a role that made room is not the next to take it */
	for (int extra = 0; extra <= 1; extra++)
		for (int i = 0; i < shared->task_queue_end; i++)
		{
			TaskQueue  *queue = &shared->task_queues[i];
			int			workers;

			if (!OidIsValid(queue->dbid) || queue->external || !queue->wanted || queue->ownerless)
				continue;
			(void) has_free_activity_worker(queue, &workers);
			if ((workers > 0) != extra || !task_queue_take_wanted(queue) || !task_queue_ready(queue) ||
				!may_run(queue->dbid) || has_free_activity_worker(queue, &workers))
				continue;
			start_activity_worker(round, i, extra,
										 durable_max_activity_workers - slot_count(SLOT_ACTIVITY_WORKER));
		}
}

static TimestampTz
since_when(TimestampTz before, int count)
{
	return count == 0 ? 0 : before != 0 ? before : durable_steady();
}

/*
 * Have workers leave for what could not be started: those of its kind, or of
 * both where the server is full
 */
static void
make_room(Round *round)
{
	int			starving = round->databases + round->queues + round->task_queues;

	shared->out_of_workers = round->full;
	shared->starving = round->full ? starving : round->queues;
	shared->starving_tasks = round->full ? starving : round->task_queues;
	shared->starving_since = since_when(shared->starving_since, shared->starving);
	shared->starving_tasks_since = since_when(shared->starving_tasks_since, shared->starving_tasks);
	shared->crowded_tasks = Max(round->crowded, shared->starving_tasks);
	wake_idle_workers(SLOT_WORKER, shared->starving);
	wake_idle_workers(SLOT_ACTIVITY_WORKER, shared->crowded_tasks);
	if (round->full)
		wake_idle_workers(SLOT_SCHEDULER, starving);
	/* where the server is full there are fewer places than the settings say */
	shares_ask(SLOT_WORKER, shared->starving,
			   round->full ? slot_count(SLOT_WORKER) : durable_max_workers);
	shares_ask(SLOT_ACTIVITY_WORKER, shared->starving_tasks,
			   round->full ? slot_count(SLOT_ACTIVITY_WORKER) : durable_max_activity_workers);
}

/*
 * The process, until the server ends
 */
void
durable_launcher_main(Datum arg)
{
	uint32		event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(leave, (Datum) 0);
	shared->launcher = MyProc;
	slots_reclaim(true);
	event = wait_event("DurableLauncherMain");
	databases_find();
	pgstat_report_activity(STATE_IDLE, NULL);

	for (;;)
	{
		Round		round = {.wait = -1};

		CHECK_FOR_INTERRUPTS();
		process_reload_config();
		shared->starts_workers = durable_enabled && durable_max_workers > 0;
		pg_memory_barrier();
		STOP_EVENT(launcher_round);
		slots_reclaim(false);
		databases_want();
		if (durable_enabled && watch_queues())
			round.wait = ABSORBED_MS;
		if (durable_enabled)
		{
			start_schedulers(&round);
			start_workers(&round);
			start_activity_workers(&round);
		}
		make_room(&round);
		if (round.full)
			round.wait = sooner(round.wait, RESTART_DELAY_MS);
		STOP_EVENT(launcher_sleeping);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (round.wait >= 0 ? WL_TIMEOUT : 0),
						 round.wait, event);
		ResetLatch(MyLatch);
	}
}

/*
 * Have the server start the launcher
 */
void
durable_launcher_init(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "durable", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "durable_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "durable launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "durable launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
