/*-------------------------------------------------------------------------
 *
 * alone.c
 *	  A queued activity that runs in transactions of its own.
 *
 *	  1. Its start is committed; others see it run.  A function is one
 *	  transaction, with its completion.  A procedure may be many, each of which
 *	  is kept; the last one holds the completion.
 *
 *	  2. The completion deletes the row by its lease.  If the attempt was given up
 *	  meanwhile, that finds nothing, and the transaction is undone.
 *
 *	  3. The watchdog ends what runs over its time, and what is asked to cancel
 *	  itself (running.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/settings.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/held_locks.h"
#include "call/leftovers.h"
#include "call/portal.h"
#include "call/running.h"
#include "call/unwind.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "shared/holder.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/trouble.h"
#include "shared/watchdog.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/alone.h"
#include "task/attempt.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * Who runs it, as wf_activities shows it (and check.c reads it)
 */
char *
alone_worker_name(void)
{
	return psprintf("%s %d", in_background_worker() ? "activity worker" : "session", MyProcPid);
}

/*
 * Before the attempt's start is committed: its process lives (check.c)
 */
void
alone_announce(Slot *slot, const Activity *a)
{
	if (!slot)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->run_id = a->run_id;
	slot->command = a->command;
	slot->heartbeat_at = a->started_at;
	slot->cancel = false;
	slot->lease = a->lease;
	SpinLockRelease(&slot->mutex);
}

/*
 * The process runs none, or none any more
 */
void
alone_withdraw(Slot *slot)
{
	if (!slot)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->lease = 0;
	slot->cancel = false;
	SpinLockRelease(&slot->mutex);
}

/*
 * Microseconds the attempt may still take, 0 for no limit
 */
static int64
time_left(const Activity *a)
{
	TimestampTz deadline = activity_deadline(a);

	return deadline == DT_NOEND ? 0 : Max(deadline - durable_now(), 1);
}

/*
 * Use the settings of its run for the whole session, since a procedure may
 * commit; false where that is closed
 */
static bool
use_settings(const Activity *a, MemoryContext context)
{
	StoreScope	scope;
	ArrayType  *settings;
	bool		open;

	store_begin(&scope);
	settings = execution_settings(&a->run_id, context, &open);
	store_end(&scope);
	if (open)
		settings_set_session(settings);
	return open;
}

static Jsonb *
call(Activity *a, Jsonb *input)
{
	Callable   *function = callable_get(callable_resolve(text_to_cstring(a->name), false));
	TimestampTz started = durable_steady();
	double		usecs;
	Jsonb	   *result;

	running_attempt->commits = function->procedure;
	if (function->procedure)
		result = callable_call_procedure(function, input);
	else
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		result = callable_call(function, input);
		PopActiveSnapshot();
		usecs = durable_steady() - started;
		function->usecs = function->usecs < 0 ? usecs : 0.8 * function->usecs + 0.2 * usecs;
	}
	payload_check(result, "result");
	return result;
}

/*
 * The activity is done, if its attempt is still ours
 */
static void
complete(const Activity *a, Jsonb *result, MemoryContext context)
{
	ActivityKey key = {a->run_id, a->command, a->lease};
	AttemptEnds ends;
	Activity   *taken;
	StoreScope	scope;

	store_begin(&scope);
	if (activity_take(&key, 1, context, &taken) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WF_TASK_LOST),
				 errmsg("attempt %d of activity \"%s\" is over", a->attempt, text_to_cstring(a->name))));
	attempt_ends_init(&ends, context);
	attempt_completed(&ends, &taken[0], result);
	attempt_ends_write(&ends);
	store_end(&scope);
}

/*
 * The failure of an attempt, as the error and the watchdog tell it
 */
static void
sort_out(const Activity *a, ErrorData *edata, WatchdogReason watchdog, AttemptFailure *f)
{
	*f = (AttemptFailure) {.outcome = EVENT_ACTIVITY_FAILED};
	if (watchdog_gave_way())
	{
		f->gave_way = true;
		f->kept_work = running_attempt && running_attempt->commits;
		return;
	}
	if (watchdog == WATCHDOG_STEP)
	{
		f->final = a->schedule_to_close > 0 && a->scheduled_at + a->schedule_to_close <= durable_now();
		f->outcome = EVENT_ACTIVITY_TIMED_OUT;
		f->timeout = f->final ? "schedule_to_close" : "start_to_close";
	}
	else if (watchdog == WATCHDOG_CANCEL ||
			 (edata->sqlerrcode == ERRCODE_WF_CANCELLED && running_attempt && running_cancelled(running_attempt)))
		f->outcome = EVENT_ACTIVITY_CANCELED;
	else
		f->failure = failure_from_error(edata, a->attempt);
}

/*
 * Record the failure, if the attempt is still ours
 */
static void
record_failure(const Activity *a, AttemptFailure *failure, MemoryContext context)
{
	ActivityKey key = {a->run_id, a->command, a->lease};
	AttemptEnds ends;
	Activity	row;
	StoreScope	scope;

	if (!durable_lock_installed())
		return;
	store_begin(&scope);
	if (activity_lock(&key, true, context, &row))
	{
		/* with the details that were committed */
		if (failure->timeout)
			failure->failure = timeout_failure(&row, failure->timeout);
		attempt_ends_init(&ends, context);
		attempt_failed(&ends, &row, failure);
		attempt_ends_write(&ends);
	}
	store_end(&scope);
}

/*
 * Run it and commit.  Returns the error that ended it, or NULL.
 */
static ErrorData *
try_run(Activity *a, RunningAttempt *running, const SessionSettings *kept, AttemptFailure *failure)
{
	ErrorData  *volatile edata = NULL;
	Frame	   *frame = frame_begin(running->context);

	watchdog_start();
	holder_alone(in_background_worker());
	(void) watchdog_gave_way();
	PG_TRY();
	{
		bool		open = use_settings(a, running->context);
		Jsonb	   *input = open ? task_input(a) : NULL;

		STOP_EVENT(alone_called);
		/* so that the call holds no lock of ours, for DROP EXTENSION */
		SPI_commit();
		if (open)
		{
			Jsonb	   *result;

			watchdog_guard(time_left(a), WATCHDOG_STEP);
			watchdog_watch(running->slot ? &running->slot->cancel : NULL);
			STOP_EVENT(alone_watched);
			running_attempt = running;
			leftovers_begin();
			result = call(a, input);
			leftovers_end(running->commits ? LEFT_COMMITTED : LEFT_ALONE);
			STOP_EVENT(alone_done);
			running_attempt = NULL;
			(void) watchdog_release();
			/* it may have left the transaction read-only */
			settings_restore(kept);
			complete(a, result, running->context);
			STOP_EVENT(alone_completed);
		}
		SPI_commit();
		frame_end(frame);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(running->context);
		edata = CopyErrorData();
		FlushErrorState();
		sort_out(a, edata, watchdog_release(), failure);
		frame_unwind(frame);
	}
	PG_END_TRY();
	watchdog_stop();
	holder_alone(false);
	return edata;
}

/*
 * The session's own settings again, committed: with what follows they would be
 * undone by its error
 */
static void
restore_session(const SessionSettings *kept)
{
	HOLD_INTERRUPTS();
	settings_restore(kept);
	SPI_commit();
	RESUME_INTERRUPTS();
	STOP_EVENT(alone_restored);
}

/* An attempt that failed, and how */
typedef struct FailedRun
{
	const Activity *a;
	AttemptFailure failure;
	MemoryContext context;
} FailedRun;

static void
drop_temp(FailedRun *run)
{
	leftovers_drop_temp();
}

static void
record(FailedRun *run)
{
	STOP_EVENT(alone_failed);
	record_failure(run->a, &run->failure, run->context);
	STOP_EVENT(alone_failure_written);
}

/*
 * Do something after a failure, and commit.  Returns the error that it met, or
 * NULL.
 */
static ErrorData *
try_after(void (*work) (FailedRun *), FailedRun *run)
{
	Frame	   *frame = frame_begin(run->context);
	ErrorData  *volatile edata = NULL;

	PG_TRY();
	{
		work(run);
		SPI_commit();
		frame_end(frame);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		frame_unwind(frame);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	return edata;
}

/*
 * Clean up and record the failure.  Where that fails, too, the attempt is one
 * whose process is gone, which the scheduler sees to: false.  *cancel is a cancel
 * by the user meanwhile.
 */
static bool
settle_failure(FailedRun *run, bool commits, ErrorData **cancel)
{
	ErrorData  *errors[2] = {commits ? try_after(drop_temp, run) : NULL};

	errors[1] = try_after(record, run);
	for (int i = 0; i < lengthof(errors); i++)
	{
		if (!errors[i])
			continue;
		if (errors[i]->sqlerrcode == ERRCODE_QUERY_CANCELED && !in_background_worker())
			*cancel = errors[i];
		else if (trouble_may_be(errors[i]->sqlerrcode))
			trouble_note(errors[i]);
		else
			drive_log_error(errors[i]);
	}
	return !errors[1];
}

/*
 * Run an activity whose attempt has begun and was announced.  The caller is
 * connected to SPI so that it may commit; its transaction has just begun.
 * False where its end could not be recorded.
 */
bool
alone_run(Activity *a, Slot *slot)
{
	MemoryContext context = drive_context("durable activity");
	MemoryContext old = MemoryContextSwitchTo(context);
	RunningAttempt running = {.activity = a, .context = context, .has_lease = true, .slot = slot};
	SessionSettings kept;
	HeldLocks	held;
	FailedRun	failed = {.a = a, .context = context};
	ErrorData  *edata;
	ErrorData  *cancel = NULL;
	Portal		portal;
	bool		recorded = true;

	STOP_EVENT(alone_begin);
	settings_keep(&kept);
	held_locks_note(&held);
	portal = portal_begin();
	edata = try_run(a, &running, &kept, &failed.failure);
	MemoryContextSwitchTo(context);
	portal_end(portal);
	if (edata)
	{
		restore_session(&kept);
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED && failed.failure.outcome == EVENT_ACTIVITY_FAILED &&
			!in_background_worker())
			cancel = edata;
		recorded = settle_failure(&failed, running.commits, &cancel);
	}
	held_locks_release(&held);
	STOP_EVENT(alone_over);
	alone_withdraw(slot);
	if (!recorded)
		durable_look_at_all(MyDatabaseId);
	if (cancel)
		ReThrowError(cancel);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return recorded;
}
