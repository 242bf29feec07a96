/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  One process per database: sees to what falls due.
 *
 *	  1. It sleeps until the nearest deadline.  A commit that adds an earlier one
 *	  wakes it; as long as nothing is due it issues no query.
 *
 *	  2. Timers are looked at from a cursor on, so that the dead entries of those
 *	  that fired are not walked over again under a held snapshot.  A commit with
 *	  a timer before the cursor shows in timer_low (shmem.h), for the next look;
 *	  only one that is due before the next look brings that forward.
 *
 *	  3. It also wakes those who wait for tasks, where no transaction could: when
 *	  a rate limit allows the next one, or when a session found its queue empty
 *	  while the task that came was not committed yet.
 *
 *	  4. It commits for sessions what they cannot commit themselves (errand.c).
 *
 *	  5. At its start, and when asked to, it looks at everything: which owners
 *	  have mail, which queues have tasks, and all timers.  So nothing depends on what shared memory knew
 *	  before a crash.
 *
 *	  6. Where the server has no free background worker for others, one that has
 *	  nothing to do leaves: the launcher starts it for its deadline (launcher.c).
 *
 *	  7. An error that may pass (a full disk, a lock) does not end it: it looks at
 *	  everything again after a while (trouble.c).
 *
 *	  8. It looks after the clock, too (setback.c).
 *
 *	  9. Now and then it looks whether anything stands still (patrol.c).
 *
 *	  10. Where the extension is not installed it leaves, and the database is
 *	  forgotten.  Where the tables belong to another database (identity.c) it
 *	  says so and waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "call/unwind.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "process/patrol.h"
#include "process/process.h"
#include "process/setback.h"
#include "run/due.h"
#include "shared/durability.h"
#include "shared/listener.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "shared/taskqueue_id.h"
#include "shared/trouble.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "store/activity.h"
#include "store/identity.h"
#include "store/store.h"
#include "task/check.h"
#include "task/task.h"
#include "tcop/tcopprot.h"
#include "update/errand.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

/* Timers that somebody has locked are looked at again after this */
#define LOCKED_RETRY_USECS	USECS_PER_SEC

pg_noreturn PGDLLEXPORT extern void durable_scheduler_main(Datum arg);

static Database *database;
static TimestampTz cursor = DT_NOBEGIN;

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * What a crash undoes is done again, and what others build on it is flushed; so
 * the commit does not wait for the disk
 */
static void
end(void)
{
	PopActiveSnapshot();
	txn_end_relaxed(TXN_FORGETTABLE);
	CommitTransactionCommand();
}

/*
 * Say whether a scheduler is wanted here when this one is gone
 */
static void
want_on(bool wanted)
{
	shared_lock(shared->directory, LW_EXCLUSIVE);
	database->wanted = wanted;
	LWLockRelease(shared->directory);
}

/*
 * The work was done, so the next start need not be delayed
 */
static void
forget_failures(void)
{
	if (database->failures == 0)
		return;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	database->failures = 0;
	LWLockRelease(shared->directory);
}

/*
 * Leave for good: nothing of ours is in this database
 */
static void
leave(void)
{
	Oid			dbid = MyDatabaseId;

	end();
	slots_forget_database(dbid, false);
	proc_exit(0);
}

/*
 * See whether we have business here.  A version that does not fit is an
 * error: no scheduler is wanted then until the extension changes.
 */
static void
check_business(void)
{
	want_on(false);
	if (!durable_lock_installed())
		leave();
	durable_check_version();
	want_on(true);

	process_note_database();
	if (!durable_identity_matches())
	{
		if (!database->paused)
			ereport(LOG,
					(errmsg("durable is paused in database \"%s\": its workflows were started in another database",
							get_database_name(MyDatabaseId)),
					 errhint("Run SELECT wf_adopt() there if the original is gone.")));
		database->paused = true;
	}
	else
		database->paused = false;
	database->checked = true;
}

/*
 * Tell the queues of all owners where their mail begins
 */
static void
find_mail(void)
{
	static Statement statement = {
		"SELECT m.owner, m.seq FROM durable.message m WHERE m.owner > $1 ORDER BY m.owner, m.seq LIMIT 1",
		1, {OIDOID}
	};
	Oid			owner = InvalidOid;

	for (;;)
	{
		StoreScope	scope;
		Datum		value = ObjectIdGetDatum(owner);
		Queue	   *queue;
		int64		seq;
		bool		any;

		store_begin(&scope);
		any = store_execute(&statement, &value, NULL) > 0;
		owner = any ? DatumGetObjectId(store_value(0, 1)) : InvalidOid;
		seq = any ? DatumGetInt64(store_value(0, 2)) : 0;
		store_end(&scope);
		if (!any)
			return;
		queue = durable_queue(owner);
		if (queue)
		{
			queue_lower(queue, seq);
			queue_wake(queue);
		}
	}
}

/*
 * Make known the queues that have tasks, of external workers or not.  Where
 * there is no room for one, nor is there for the rest of its role's, which may be
 * any number.
 */
static void
find_queues(bool external)
{
	int64		after = PG_INT64_MIN;
	Datum		full[MAX_TASK_QUEUES];
	int			nfull = 0;
	ArrayType  *except = construct_empty_array(OIDOID);
	Activity	a;

	while (activity_next_queue(after, external, InvalidOid, except, &a))
	{
		after = a.queue;
		(void) task_queue_of(&a);
		if (task_queue_find(a.queue) || nfull == lengthof(full))
			continue;
		full[nfull++] = ObjectIdGetDatum(a.owner);
		except = construct_array(full, nfull, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
	}
}

/*
 * Make known all queues that have tasks, first those that depend on it, and end
 * what nobody runs any more
 */
static void
find_tasks(void)
{
	StoreScope	scope;

	store_begin(&scope);
	find_queues(false);
	find_queues(true);
	activities_check_lost();
	store_end(&scope);
	task_queues_look_again(MyDatabaseId);
}

/*
 * Wake those who wait for tasks: of queues whose limits allow some by now, or
 * where no transaction could do it.  Returns when to do it again.
 */
static TimestampTz
serve_queues(void)
{
	TimestampTz now = durable_now();
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < shared->task_queue_end; i++)
	{
		TaskQueue  *queue = &shared->task_queues[i];
		TimestampTz due = Min(queue->throttled_until, queue->freed_at);

		if (queue->dbid != MyDatabaseId)
			continue;
		if (due != DT_NOEND && due > now)
			next = Min(next, due);
		else if (due != DT_NOEND && task_queue_ready(queue))
		{
			task_queue_unthrottle(queue, now);
			task_queue_wake(queue, 0);
		}
	}
	return next;
}

/*
 * Tell those who LISTEN, where the transaction that brought tasks could not
 */
static void
notify_listeners(void)
{
	uint64		topic;
	int			i = -1;

	while ((i = listener_take_notify(i + 1, &topic)) >= 0)
		Async_Notify(task_queue_channel((int64) topic), NULL);
}

/*
 * Is there anything to look at?  Takes the request and where timers start.
 */
static bool
take_request(TimestampTz *from, bool *look)
{
	TimestampTz now = durable_now();
	bool		due = listener_any_notify();

	SpinLockAcquire(&database->mutex);
	*look = database->look || database->look_at <= now;
	*from = Min(cursor, database->timer_low);
	due |= *look || database->deadline <= now;
	if (due)
	{
		database->look = false;
		database->timer_low = DT_NOEND;
		if (*look)
			database->look_at = DT_NOEND;
	}
	SpinLockRelease(&database->mutex);
	if (*look)
		*from = DT_NOBEGIN;
	return due;
}

static void
set_deadline(TimestampTz at)
{
	SpinLockAcquire(&database->mutex);
	database->deadline = Min(Min(at, database->timer_low), database->look_at);
	SpinLockRelease(&database->mutex);
}

/*
 * Make mail of what is due, all of it, and find out what is next
 */
static void
work(TimestampTz from, bool look)
{
	TimestampTz queues_next = DT_NOEND;
	bool		more;
	Due			due;

	STOP_EVENT(scheduler_taken);
	due_begin(&due, from);
	do
	{
		pgstat_report_activity(STATE_RUNNING, "durable: timers");
		begin();
		check_business();
		STOP_EVENT(scheduler_checked);
		if (database->paused)
		{
			end();
			forget_failures();
			set_deadline(DT_NOEND);
			pgstat_report_activity(STATE_IDLE, NULL);
			return;
		}
		if (look)
		{
			find_mail();
			STOP_EVENT(scheduler_mail);
			find_tasks();
			STOP_EVENT(scheduler_tasks);
		}
		more = due_deal(&due);
		STOP_EVENT(scheduler_fired);
		queues_next = serve_queues();
		STOP_EVENT(scheduler_served);
		notify_listeners();
		STOP_EVENT(scheduler_notified);
		end();
		STOP_EVENT(scheduler_committed);
		look = false;
		CHECK_FOR_INTERRUPTS();
		errands_serve();
	} while (more && !due.over);
	forget_failures();
	cursor = Min(due.next, due.now);
	set_deadline(more ? due.now : Min(due.next <= due.now ? due.now + LOCKED_RETRY_USECS : due.next, queues_next));
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Has something come since the last look?
 */
static bool
is_busy(void)
{
	bool		due;

	SpinLockAcquire(&database->mutex);
	due = database->look || Min(database->deadline, database->look_at) <= durable_now();
	SpinLockRelease(&database->mutex);
	return due || listener_any_notify() || errands_wait() || setback_is_due(database);
}

/*
 * See whether work stands still; what was due a moment ago has been dealt with
 */
static void
patrol(void)
{
	pgstat_report_activity(STATE_RUNNING, "durable: patrol");
	begin();
	check_business();
	patrol_look(database);
	end();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

static void
sleep_until_due(Slot *slot)
{
	static uint32 event = 0;
	TimestampTz deadline;
	long		wait;
	long		patrol_in = patrol_wait(database);

	SpinLockAcquire(&database->mutex);
	deadline = database->look ? 0 : database->deadline;
	SpinLockRelease(&database->mutex);
	if (deadline == 0 || listener_any_notify() || errands_wait())
		return;
	if (shared->out_of_workers && shared->starving > 0)
		slot_rest(slot, database, is_busy);
	wait = deadline == DT_NOEND ? -1 :
		Min(TimestampDifferenceMilliseconds(durable_now(), deadline), CLOCK_CHECK_MS);
	if (patrol_in >= 0)
		wait = wait < 0 ? patrol_in : Min(wait, patrol_in);
	if (event == 0)
		event = wait_event("DurableSchedulerMain");
	slot->idle = true;
	STOP_EVENT(scheduler_sleeping);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (wait >= 0 ? WL_TIMEOUT : 0), wait, event);
	ResetLatch(MyLatch);
	slot->idle = false;
}

/*
 * What this process knows of the database, where it was in the middle of it
 */
static void
know_nothing(void)
{
	cursor = DT_NOBEGIN;
	SpinLockAcquire(&database->mutex);
	database->look = true;
	SpinLockRelease(&database->mutex);
}

/*
 * The clock was set back: nothing falls due when it was said to
 */
static void
set_back(void)
{
	pgstat_report_activity(STATE_RUNNING, "durable: the clock was set back");
	begin();
	check_business();
	if (!database->paused)
		setback_work(database);
	end();
	setback_done(database);
	STOP_EVENT(setback_done);
	know_nothing();
	pgstat_report_activity(STATE_IDLE, NULL);
}

static bool
soon_passes(int sqlstate)
{
	return trouble_may_be(sqlstate) || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_QUERY_CANCELED ||
		ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK;
}

/*
 * Errors that pass are not worth a new process, whose start would be delayed
 * more and more: nothing is known then, and tried again soon
 */
static void
recover(ErrorData *edata, int depth)
{
	HOLD_INTERRUPTS();
	AbortCurrentTransaction();
	store_forget(depth);
	if (trouble_may_be(edata->sqlerrcode))
		trouble_note(edata);
	else
		drive_log_error(edata);
	know_nothing();
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}

/*
 * Do what there is to do; false where an error that may pass was in the way
 */
static bool
try_work(void)
{
	MemoryContext context = CurrentMemoryContext;
	int			depth = store_depth();
	volatile bool done = false;

	PG_TRY();
	{
		TimestampTz from;
		bool		look;

		if (setback_is_due(database))
			set_back();
		setback_note(database);
		errands_serve();
		if (take_request(&from, &look))
		{
			work(from, look);
			trouble_over(false);
		}
		if (patrol_is_due(database))
			patrol();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!soon_passes(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		recover(edata, depth);
		FreeErrorData(edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/*
 * The process, until it rests or leaves
 */
void
durable_scheduler_main(Datum arg)
{
	Slot	   *slot;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	slot = slot_attach(DatumGetInt32(arg));
	database = slot ? durable_database(slot->dbid, false) : NULL;
	if (!database)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(slot->dbid, InvalidOid, 0);
	slot_pin_settings("durable scheduler");
	STOP_EVENT(scheduler_attached);
	errands_reclaim();
	know_nothing();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		process_reload_config();
		if (!durable_enabled)
		{
			want_on(true);
			proc_exit(0);
		}
		if (try_work())
			sleep_until_due(slot);
		else
		{
			errands_reclaim();
			process_rest();
		}
	}
}
