/*-------------------------------------------------------------------------
 *
 * activity_worker.c
 *	  A process that runs queued activities of one role in one database.
 *
 *	  It connects as that role, like a worker (worker.c), and takes tasks from
 *	  all of the role's queues in turn.  While asleep it is `idle' in its slot, and
 *	  whoever commits a task sets its latch; where none is idle, the launcher
 *	  starts another one, up to durable.max_activity_workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "call/unwind.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/process.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "task/sqltask.h"

#define SLICE_MS		200
#define REPORT_MS		1000

pg_noreturn PGDLLEXPORT extern void durable_activity_worker_main(Datum arg);

static Slot *slot;
static TimestampTz started_at;

static bool
should_leave(void)
{
	if (!durable_enabled || durable_max_activity_workers == 0 || slot->asked)
		return true;
	return shared->starving_tasks > 0 &&
		TimestampDifferenceExceeds(started_at, durable_steady(), SLICE_MS);
}

/*
 * Take tasks until there are none, or for as long as it takes to be due for a
 * report
 */
static DriveResult
work(void)
{
	static TaskQueue *queue = NULL;
	TimestampTz since = durable_steady();
	DriveResult result = DRIVE_IDLE;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "durable: activities");
	StartTransactionCommand();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (;;)
	{
		int			tasks = 0;

		queue = task_queue_next(slot->dbid, slot->owner, queue);
		result = queue ? DRIVE_BUSY : DRIVE_IDLE;
		if (!queue)
			break;
		STOP_EVENT(activity_worker_drives);
		result = sqltask_drive(queue, slot, &tasks);
		STOP_EVENT(activity_worker_driven);
		queue->failures = 0;
		if (tasks > 0)
		{
			slot->turns += tasks;
			slot->last_turn_at = GetCurrentTimestamp();
		}
		CHECK_FOR_INTERRUPTS();
		process_reload_config();
		if (result == DRIVE_GONE || result == DRIVE_FAILED || should_leave() ||
			TimestampDifferenceExceeds(since, durable_steady(), REPORT_MS))
			break;
	}
	SPI_finish();
	CommitTransactionCommand();
	pgstat_report_stat(result == DRIVE_IDLE);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

/*
 * Could others run if this process, which has nothing to do, left?  What the
 * launcher saw may be over; and tasks of its own role are no reason.
 */
static bool
is_in_the_way(void)
{
	return shared->starving_tasks > 0 ||
		(shared->crowded_tasks > 0 && task_queue_others_wait(slot->dbid, slot->owner));
}

static void
nap(void)
{
	static uint32 event = 0;
	int			rc;

	slot->idle = true;
	pg_memory_barrier();
	if (is_in_the_way())
		slot_leave_if_idle(slot);
	if (task_queue_next(slot->dbid, slot->owner, NULL))
	{
		slot->idle = false;
		return;
	}
	if (event == 0)
		event = wait_event("DurableActivityWorkerMain");
	STOP_EVENT(activity_worker_idle);
	rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, durable_worker_idle_timeout, event);
	ResetLatch(MyLatch);
	slot->idle = false;
	CHECK_FOR_INTERRUPTS();
	process_reload_config();
	if ((rc & WL_TIMEOUT) || is_in_the_way())
		slot_leave_if_idle(slot);
}

/*
 * The process, until it leaves
 */
void
durable_activity_worker_main(Datum arg)
{
	slot = process_begin(arg, "durable activity worker");
	STOP_EVENT(activity_worker_begun);
	started_at = durable_steady();
	for (;;)
	{
		DriveResult result = work();

		if (result == DRIVE_GONE || should_leave())
			proc_exit(0);
		if (result == DRIVE_IDLE)
			nap();
		else if (result == DRIVE_FAILED)
			process_rest();
	}
}
