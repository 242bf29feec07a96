/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A process that runs the workflows of one role in one database.
 *
 *	  1. It connects as that role, so user code finds nothing to escape to; only
 *	  the engine's own statements run as the extension's owner (store.c).
 *
 *	  2. After each commit it looks for mail again before it sleeps, so mail that
 *	  came meanwhile is not missed.  While asleep it is `idle' in its slot, and
 *	  whoever commits mail sets its latch.
 *
 *	  3. It leaves when it has idled for durable.worker_idle_timeout, when there
 *	  are to be no workers, and after a slice of time when another queue has none
 *	  and no room for one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "batch/drive.h"
#include "call/unwind.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/process.h"
#include "shared/durability.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"

/* Time a busy worker has before it makes room for a starving queue */
#define SLICE_MS		200
/* Busy workers tell the statistics collector that often */
#define REPORT_MS		1000
/* Mail of runs that someone unknown has locked is looked at again after this */
#define SKIPPED_DELAY_MS	1000

pg_noreturn PGDLLEXPORT extern void durable_worker_main(Datum arg);

static Slot *slot;
static Driver *driver;
static Queue *queue;
static TimestampTz started_at;

static bool
should_leave(void)
{
	if (!durable_enabled || durable_max_workers == 0 || slot->asked)
		return true;
	return shared->starving > 0 &&
		TimestampDifferenceExceeds(started_at, durable_steady(), SLICE_MS);
}

/*
 * Take batches until there is no mail, or for as long as it takes to be due
 * for a report
 */
static DriveResult
work(void)
{
	TimestampTz since = durable_steady();
	DriveResult result;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "durable: workflows");
	StartTransactionCommand();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	do
	{
		int			turns = 0;

		STOP_EVENT(worker_drives);
		slot->batch_at = durable_steady();
		result = durable_drive(driver, &turns);
		if (result == DRIVE_IDLE)
			slot->batch_at = 0;	/* there is nothing left (slots.c) */
		if (turns == 1)
			txn_settle();
		if (turns > 0)
		{
			slot->turns += turns;
			slot->last_turn_at = GetCurrentTimestamp();
		}
		if (result == DRIVE_MORE)
			queue_want_more(queue);
		STOP_EVENT(worker_driven);
		queue->failures = 0;
		CHECK_FOR_INTERRUPTS();
		process_reload_config();
	} while ((result == DRIVE_BUSY || result == DRIVE_MORE) && !should_leave() &&
			 !TimestampDifferenceExceeds(since, durable_steady(), REPORT_MS));
	SPI_finish();
	CommitTransactionCommand();
	txn_settle();
	pgstat_report_stat(result == DRIVE_IDLE);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

static void
nap(void)
{
	static uint32 event = 0;
	bool		skipped = queue_any_skipped(queue);
	long		timeout = skipped ? SKIPPED_DELAY_MS : durable_worker_idle_timeout;
	int			rc;

	slot->idle = true;
	pg_memory_barrier();
	if (shared->starving > 0)
		slot_leave_if_idle(slot);
	if (queue_has_mail(queue))
	{
		slot->idle = false;
		return;
	}
	if (event == 0)
		event = wait_event("DurableWorkerMain");
	STOP_EVENT(worker_idle);
	rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout, event);
	ResetLatch(MyLatch);
	slot->idle = false;
	CHECK_FOR_INTERRUPTS();
	process_reload_config();
	if (skipped && (rc & WL_TIMEOUT))
		queue_release_all(queue);
	else if ((rc & WL_TIMEOUT) || shared->starving > 0)
		slot_leave_if_idle(slot);
}

/*
 * The process, until it leaves
 */
void
durable_worker_main(Datum arg)
{
	slot = process_begin(arg, "durable worker");
	queue = &shared->queues[slot->queue];
	driver = driver_make(slot->owner);
	STOP_EVENT(worker_begun);
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
