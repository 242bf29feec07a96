/*-------------------------------------------------------------------------
 *
 * sqltask.c
 *	  Queued activities that run in the server: in batches.
 *
 *	  1. A batch of quick functions is one transaction: each runs in a
 *	  subtransaction, and its effect, its completion and its message to the run
 *	  are committed together.  The rows are locked meanwhile and never show as
 *	  running.
 *
 *	  2. A procedure, a function not known to be quick, one with a heartbeat, and
 *	  any second attempt runs alone (alone.c): its start is committed first, so
 *	  that an attempt counts even if it takes the server down.
 *
 *	  3. What turns out to be slow in a batch, or meets locks there, is undone and
 *	  runs alone next: the first of them, whose start the batch commits.  The
 *	  others are given back, since an attempt that has begun must not wait.  If
 *	  the commit of a batch fails, all of it runs alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/settings.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/guarded.h"
#include "call/held_locks.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "call/unwind.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "shared/durability.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/trouble.h"
#include "shared/watchdog.h"
#include "storage/proc.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/identity.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/alone.h"
#include "task/attempt.h"
#include "task/claim.h"
#include "task/sqltask.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_BATCH			50	/* subtransactions, see batch.c */

/* After a batch failed as a whole, so many tasks are taken alone */
static int	alone_left = 0;

/* A batch in the making */
typedef struct TaskBatch
{
	Claim		claim;
	AttemptEnds ends;
	TimestampTz started;
	Activity	alone;			/* to run alone after the commit, */
	bool		any_alone;		/* if there is one */
	int			done;
} TaskBatch;

/*
 * Use the settings of an activity's run; false where that is closed
 */
static bool
use_settings(const Activity *a)
{
	StoreScope	scope;
	ArrayType  *settings;
	bool		open;
	MemoryContext context = CurrentMemoryContext;

	store_begin(&scope);
	settings = execution_settings(&a->run_id, context, &open);
	store_end(&scope);
	if (open)
		settings_apply(settings);
	return open;
}

/*
 * The function of an activity, NULL where there is none (any more)
 */
static Callable *
function_of(const Activity *a)
{
	Oid			function = callable_resolve(text_to_cstring(a->name), true);

	return OidIsValid(function) ? callable_get(function) : NULL;
}

/*
 * Is it known to be quick, and nothing speaks against a batch?
 */
static bool
goes_into_batch(const Activity *a)
{
	Callable   *function = function_of(a);

	return alone_left == 0 && a->attempt == 0 && a->heartbeat == 0 && function && !function->procedure &&
		function->usecs >= 0 && function->usecs < SLOW_STEP_USECS;
}

static Jsonb *
work(void *arg)
{
	Activity   *a = arg;
	Callable   *function = function_of(a);
	RunningAttempt running = {.activity = a, .context = CurrentMemoryContext};
	TimestampTz started = durable_steady();
	int			nestlevel = NewGUCNestLevel();
	double		usecs;
	Jsonb	   *result;

	LockTimeout = SHARED_LOCK_TIMEOUT;
	watchdog_guard(SHARED_STEP_USECS, WATCHDOG_BATCH);
	running_attempt = &running;
	leftovers_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	result = callable_call(function, task_input(a));
	leftovers_end(LEFT_SHARED);
	PopActiveSnapshot();
	running_attempt = NULL;
	payload_check(result, "result");
	AtEOXact_GUC(false, nestlevel);
	usecs = durable_steady() - started;
	function->usecs = 0.8 * function->usecs + 0.2 * usecs;
	return result;
}

static void
run_later_alone(TaskBatch *batch, const Activity *a)
{
	if (batch->any_alone)
		claim_give_back_task(&batch->claim, a);
	else
		batch->alone = *a;
	batch->any_alone = true;
}

/*
 * Run one in the batch
 */
static void
run_in_batch(TaskBatch *batch, Activity *a)
{
	Activity	waiting = *a;
	AttemptFailure failure = {.outcome = EVENT_ACTIVITY_FAILED};
	GuardedEnd	end;
	StoreScope	scope;

	attempt_start(a, cstring_to_text(alone_worker_name()), durable_now());
	STOP_EVENT(task_in_batch);
	guarded_call(work, a, batch->claim.context, &end);
	STOP_EVENT(task_ran);
	if (end.error && (wants_to_be_alone(end.error->sqlerrcode, end.watchdog) || leftovers_want_alone()))
	{
		run_later_alone(batch, &waiting);
		return;
	}
	if (end.error && end.error->sqlerrcode == ERRCODE_QUERY_CANCELED && !in_background_worker())
		ReThrowError(end.error);
	store_begin(&scope);
	if (end.error)
	{
		failure.failure = failure_from_error(end.error, a->attempt);
		attempt_failed(&batch->ends, a, &failure);
	}
	else
	{
		attempt_completed(&batch->ends, a, end.result);
		attempt_remove(&batch->ends, a);
	}
	store_end(&scope);
	batch->done++;
}

/*
 * Its run is closed: there is nothing to do
 */
static void
drop(TaskBatch *batch, Activity *a)
{
	StoreScope	scope;

	attempt_start(a, NULL, durable_now());
	store_begin(&scope);
	task_uncount(a);
	store_end(&scope);
	attempt_remove(&batch->ends, a);
}

/*
 * Run what was claimed, up to the first that has to run alone.  The rest is
 * given back.
 */
static void
run_claimed(TaskBatch *batch)
{
	Claim	   *claim = &batch->claim;
	int			i;

	for (i = 0; i < claim->count; i++)
	{
		Activity   *a = &claim->rows[i];

		if (i > 0 && durable_steady() - batch->started > (int64) durable_batch_time * 1000)
			break;
		CHECK_FOR_INTERRUPTS();
		if (!use_settings(a))
		{
			drop(batch, a);
			continue;
		}
		if (goes_into_batch(a))
		{
			run_in_batch(batch, a);
			continue;
		}
		if (i == 0)
		{
			run_later_alone(batch, a);
			i++;
		}
		break;
	}
	claim_give_back(claim, i);
}

/*
 * One batch, in the current transaction, up to its commit
 */
static void
do_batch(TaskBatch *batch, TaskQueue *queue, Slot *slot, MemoryContext context)
{
	StoreScope	scope;
	RowBatch	starts;

	settings_forget_applied();
	batch->claim = (Claim) {.queue = queue, .max = alone_left > 0 ? 1 : MAX_BATCH, .context = context};
	batch->started = durable_steady();
	batch->any_alone = false;
	batch->done = 0;
	attempt_ends_init(&batch->ends, context);
	store_begin(&scope);
	claim_tasks(&batch->claim);
	durable_check_identity();
	store_end(&scope);
	if (batch->claim.count > 0)
	{
		txn_wait_for_disk(false);
		STOP_EVENT(tasks_claimed);
	}
	watchdog_start();
	run_claimed(batch);
	watchdog_stop();

	rows_init(&starts, TABLE_ACTIVITY, context);
	store_begin(&scope);
	if (batch->any_alone)
	{
		attempt_start(&batch->alone, cstring_to_text(alone_worker_name()), durable_now());
		activity_add_update(&starts, &batch->alone);
	}
	activity_write_updates(&starts);
	attempt_ends_write(&batch->ends);
	STOP_EVENT(tasks_written);
	store_end(&scope);
	if (batch->any_alone)
	{
		alone_announce(slot, &batch->alone);
		STOP_EVENT(tasks_announced);
	}
}

/*
 * Take the next tasks of a queue; adds how many to *tasks.  The caller is
 * connected to SPI so that it may commit.
 */
DriveResult
sqltask_drive(TaskQueue *queue, Slot *slot, int *tasks)
{
	MemoryContext context = drive_context("durable tasks");
	MemoryContext old = MemoryContextSwitchTo(context);
	TaskBatch	batch;
	HeldLocks	held;
	Frame	   *frame = frame_begin(context);
	volatile DriveResult result = DRIVE_BUSY;
	ErrorData  *volatile edata = NULL;

	held_locks_note(&held);
	PG_TRY();
	{
		if (!durable_lock_installed() || !durable_identity_holds())
			result = DRIVE_GONE;
		else
			do_batch(&batch, queue, slot, context);
		SPI_commit();
		frame_end(frame);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		frame_unwind(frame);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	held_locks_release(&held);
	STOP_EVENT(tasks_over);
	if (edata)
	{
		alone_withdraw(slot);
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED && !in_background_worker())
			ReThrowError(edata);
		if (alone_left > 0 && trouble_may_be(edata->sqlerrcode))
			trouble_note(edata);
		else
			drive_log_error(edata);
		result = alone_left > 0 ? DRIVE_FAILED : DRIVE_BUSY;
		alone_left = MAX_BATCH;
	}
	else if (result == DRIVE_BUSY)
	{
		trouble_over(batch.done + batch.any_alone > 0);
		if (batch.any_alone && !alone_run(&batch.alone, slot))
			result = DRIVE_FAILED;
		*tasks += batch.done + batch.any_alone;
		alone_left = Max(alone_left - batch.any_alone, 0);
		if (result == DRIVE_BUSY && batch.done + batch.any_alone == 0 && batch.claim.count == 0)
			result = DRIVE_IDLE;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

/*
 * Take tasks of all queues of an owner, as far as the table tells
 */
DriveResult
sqltask_drive_all(Oid owner, int *tasks)
{
	DriveResult result = DRIVE_IDLE;
	int64		after = PG_INT64_MIN;

	for (;;)
	{
		Activity	a;
		TaskQueue  *queue = NULL;
		StoreScope	scope;
		bool		any;

		if (!durable_lock_installed())
			return DRIVE_GONE;
		store_begin(&scope);
		any = activity_next_queue(after, false, owner, construct_empty_array(OIDOID), &a);
		if (any)
			queue = task_queue_of(&a);
		store_end(&scope);
		SPI_commit();
		if (!any)
			return result;
		after = a.queue;
		if (queue && sqltask_drive(queue, NULL, tasks) != DRIVE_IDLE)
			result = DRIVE_BUSY;
	}
}
