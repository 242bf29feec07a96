/*-------------------------------------------------------------------------
 *
 * drive.c
 *	  The loop that all drivers share.
 *
 *	  1. Workers, CALL wf_work() and CALL wf_execute() have the same frame: a
 *	  connection to SPI that may commit.  A batch is one transaction.
 *
 *	  2. When a batch fails as a whole (a deferred constraint at commit, a run
 *	  that somebody holds open, an error in our own statements), all of it is
 *	  undone and each of its runs is taken alone next.  What fails alone is that
 *	  run's own failure: it is recorded, and the turn is tried again later.
 *
 *	  3. A run that cannot close because a signal to it is not committed yet is
 *	  held: its mail is put aside until that transaction has ended.
 *
 *	  4. Locks of others that our own statements meet (an id that somebody has
 *	  taken and not committed, most of all) are waited for ENGINE_LOCK_TIMEOUT.
 *	  Then it is as with any other failure: the run is taken alone, and if that
 *	  fails too, tried again later, with others served in between.
 *
 *	  5. Where not even a run's failure can be recorded, for an error that has
 *	  nothing to do with it (trouble.c), that is the database's; the caller waits.
 *
 *	  6. A batch may have to give way (holder.c): it is undone, and that is nobody's
 *	  failure.  What it had is looked at again, but for the run that is wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "base/settings.h"
#include "base/vec.h"
#include "batch/batch.h"
#include "batch/drive.h"
#include "batch/flush.h"
#include "batch/loss.h"
#include "batch/outbox.h"
#include "batch/write.h"
#include "call/held_locks.h"
#include "call/unwind.h"
#include "miscadmin.h"
#include "shared/durability.h"
#include "shared/holder.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/trouble.h"
#include "shared/txn.h"
#include "shared/watchdog.h"
#include "storage/proc.h"
#include "store/identity.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Milliseconds that our own statements wait for a lock of somebody else */
#define ENGINE_LOCK_TIMEOUT	100

/*
 * Runs to be taken one by one next: those of a batch that failed, and one that
 * is in the middle of its turn.  All of them have mail, so should this process
 * not come to it, another does.
 */
typedef struct NextRun
{
	pg_uuid_t	run_id;
	bool		alone;
} NextRun;

struct Driver
{
	Oid			owner;
	MemoryContext context;
	NextRun    *next_runs;
	int			nnext_runs;
	bool		keeps_mail;		/* mail of a run to itself is not for others (durable_drive_run) */
	bool		carrying;		/* a run in the middle of its turn goes on with the next batch: */
	pg_uuid_t	carried_run;
};

/*
 * A driver of the runs of a role; it lives until the statement ends that made it, or
 * the process
 */
Driver *
driver_make(Oid owner)
{
	MemoryContext context = drive_context("durable driver");
	Driver	   *driver = MemoryContextAllocZero(context, sizeof(Driver));

	driver->owner = owner;
	driver->context = context;
	return driver;
}

typedef enum BatchEnd
{
	BATCH_EMPTY,
	BATCH_COMMITTED,
	BATCH_HELD,					/* undone: a run cannot close yet */
	BATCH_ERROR,				/* undone: *edata */
	BATCH_GAVE_WAY,				/* undone for others' sake */
	BATCH_GONE
} BatchEnd;

/* What is left to know of a batch whose transaction is over */
typedef struct BatchReport
{
	pg_uuid_t  *runs;
	int			nruns;
	int			turns;
	bool		more;
	int64		first_seq;
	bool		cut;
	NextRun		cut_run;
	int64		cut_seq;
	ErrorData  *edata;
} BatchReport;

static void
note_runs(BatchReport *report, const Batch *batch, MemoryContext context)
{
	report->nruns = batch->nruns;
	report->runs = MemoryContextAlloc(context, Max(batch->nruns, 1) * sizeof(pg_uuid_t));
	report->first_seq = QUEUE_NONE;
	for (int i = 0; i < batch->nruns; i++)
	{
		report->runs[i] = batch->runs[i].execution->run_id;
		if (batch->runs[i].nmail > 0)
			report->first_seq = Min(report->first_seq, batch->runs[i].mail[0]->seq);
	}
}

/*
 * Mail of runs that the batch had no time for is looked at again, by anybody
 * unless we go on with it ourselves
 */
static void
give_back_rest(Batch *batch)
{
	for (int i = 0; i < batch->nruns; i++)
	{
		if (batch->runs[i].done || batch->runs[i].nmail == 0)
			continue;
		if (batch->keeps_mail)
			txn_keep_mail(batch->owner, batch->runs[i].mail[0]->seq);
		else
			txn_mail(batch->owner, batch->runs[i].mail[0]->seq);
	}
}

/*
 * One batch in the current transaction, up to but not including its commit
 */
static BatchEnd
do_batch(Driver *driver, const NextRun *only, BatchReport *report, MemoryContext context)
{
	Batch		batch;

	settings_forget_applied();
	txn_begin_relaxed();
	txn_turns();
	if (!durable_lock_installed() || !durable_identity_holds())
		return BATCH_GONE;
	batch_init(&batch, driver->owner);
	/* code and steps wait as the session would (batch_init); what we wait for is tried again later */
	LockTimeout = ENGINE_LOCK_TIMEOUT;
	if (!batch.queue)
		return BATCH_EMPTY;
	if (only)
		batch_claim_run(&batch, &only->run_id, only->alone);
	else
	{
		bool		any = batch_claim(&batch, driver->carrying ? &driver->carried_run : NULL);

		driver->carrying = false;
		if (!any)
			return BATCH_EMPTY;
	}
	durable_check_identity();
	note_runs(report, &batch, context);
	if (batch.nruns > 0)
		holder_take(report->runs, batch.nruns);
	/* others need not wait for a slow step of ours */
	if (batch.full_scan && in_background_worker())
		queue_want_more(batch.queue);
	STOP_EVENT(batch_claimed);
	batch.keeps_mail = driver->keeps_mail;
	batch_run(&batch);
	STOP_EVENT(batch_ran);
	report->turns = batch.turns;
	report->more = batch.full_scan || batch.turns + batch.again < batch.nruns;
	report->cut = batch.cut;
	report->cut_run = (NextRun) {batch.cut_run, batch.cut_alone};
	hand_take(driver->owner, batch.nruns == 1 ? &batch.runs[0].execution->run_id : NULL);
	if (!batch_write(&batch))
		return BATCH_HELD;
	losses_hold(&batch);
	STOP_EVENT(batch_written);
	report->cut_seq = batch.cut_seq;
	give_back_rest(&batch);
	watchdog_stop_at_commit((int64) durable_step_timeout * 1000);
	/* turns that only asked for something are taken again if a crash loses them */
	txn_end_relaxed(batch.acted ? TXN_LASTING : batch.ended ? TXN_PROMPT : TXN_REPEATED);
	return BATCH_COMMITTED;
}

/*
 * One batch with its commit or rollback; errors are caught, not raised, but
 * for a cancel by the user
 */
static BatchEnd
try_batch(Driver *driver, const NextRun *only, BatchReport *report, MemoryContext context)
{
	Frame	   *frame = frame_begin(context);
	int			lock_timeout = LockTimeout;
	volatile BatchEnd end = BATCH_ERROR;
	HeldLocks	held;

	memset(report, 0, sizeof(BatchReport));
	held_locks_note(&held);
	(void) watchdog_gave_way();
	PG_TRY();
	{
		end = do_batch(driver, only, report, context);
		if (end == BATCH_HELD)
		{
			STOP_EVENT(batch_held);
			SPI_rollback();
		}
		else
		{
			STOP_EVENT(batch_commit);
			SPI_commit();
		}
		frame_end(frame);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		report->edata = CopyErrorData();
		FlushErrorState();
		frame_unwind(frame);
		end = watchdog_gave_way() ? BATCH_GAVE_WAY : BATCH_ERROR;
	}
	PG_END_TRY();
	hand_empty();
	LockTimeout = lock_timeout;
	watchdog_stop();
	MemoryContextSwitchTo(context);
	held_locks_release(&held);
	STOP_EVENT(batch_over);
	if (end == BATCH_ERROR && report->edata->sqlerrcode == ERRCODE_QUERY_CANCELED && !in_background_worker())
		ReThrowError(report->edata);
	return end;
}

/*
 * What failed was no run's doing: wait, and do not go through all of them
 */
static DriveResult
meet_trouble(const ErrorData *edata)
{
	if (trouble_may_be(edata->sqlerrcode))
		trouble_note(edata);
	return DRIVE_FAILED;
}

/*
 * The turn of a run failed as a whole: record it, in a new transaction
 */
static void
record_problem(Oid owner, const pg_uuid_t *run_id, ErrorData *edata)
{
	Batch		batch;
	Turn		turn;

	if (!durable_lock_installed())
		return;
	batch_init(&batch, owner);
	LockTimeout = ENGINE_LOCK_TIMEOUT;
	batch_claim_run(&batch, run_id, true);
	if (batch.nruns == 0)
		return;
	turn_init(&turn, batch.runs[0].execution, batch.context);
	turn.problem = edata;
	leave_timeouts(&batch.runs[0]);
	batch_add_turn(&batch, &batch.runs[0], &turn, TURN_STUCK);
	(void) batch_write(&batch);
}

static DriveResult
try_record_problem(Oid owner, const pg_uuid_t *run_id, ErrorData *edata, MemoryContext context)
{
	Frame	   *frame = frame_begin(context);
	int			lock_timeout = LockTimeout;
	ErrorData  *volatile failed = NULL;

	PG_TRY();
	{
		record_problem(owner, run_id, edata);
		STOP_EVENT(problem_recording);
		SPI_commit();
		frame_end(frame);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		failed = CopyErrorData();
		if (!trouble_may_be(failed->sqlerrcode))
			EmitErrorReport();
		FlushErrorState();
		frame_unwind(frame);
	}
	PG_END_TRY();
	LockTimeout = lock_timeout;
	MemoryContextSwitchTo(context);
	if (failed)
		return meet_trouble(failed);
	trouble_over(true);
	return DRIVE_BUSY;
}

/*
 * A lock that a turn cannot do without: say so, where it is the server's error
 * and not our own, which says what for
 */
static void
explain_lock(ErrorData *edata)
{
	if (edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || !edata->funcname ||
		strcmp(edata->funcname, "ProcessInterrupts") != 0)
		return;
	edata->message = psprintf("a transaction that is open holds a lock that the turn needs: %s", edata->message);
	edata->hint = pstrdup("It may have taken a workflow id of a child, or a request id, and not committed. The turn is tried again.");
}

/*
 * Is a run held open by someone whose signal is not committed yet?  Then its
 * mail waits aside until that transaction has ended.
 */
static void
put_held_aside(Oid owner, const BatchReport *report)
{
	Queue	   *queue = durable_queue(owner);

	if (queue && report->first_seq != QUEUE_NONE)
		queue_skip(queue, &report->runs[0], report->first_seq);
	batch_hold(&report->runs[0]);
}

static void
add_next_run(Driver *driver, const NextRun *run)
{
	driver->next_runs = vec_room_counted(driver->next_runs, driver->nnext_runs, sizeof(NextRun), driver->context);
	driver->next_runs[driver->nnext_runs++] = *run;
}

/*
 * The batch was undone so that others get on: what it had is looked at again,
 * by whoever may
 */
static void
give_way(Oid owner, const BatchReport *report)
{
	Queue	   *queue = durable_queue(owner);

	if (!queue || report->first_seq == QUEUE_NONE)
		return;
	queue_lower(queue, report->first_seq);
	if (report->nruns == 1)
		queue_wake(queue);
}

/*
 * Take one run in a transaction of its own
 */
static DriveResult
drive_one(Driver *driver, const NextRun *run, int *turns)
{
	MemoryContext context = drive_context("durable drive");
	MemoryContext old = MemoryContextSwitchTo(context);
	DriveResult result = DRIVE_BUSY;
	BatchReport report;
	BatchEnd	end = try_batch(driver, run, &report, context);

	if (end == BATCH_HELD)
	{
		put_held_aside(driver->owner, &report);
		end = try_batch(driver, run, &report, context);
	}
	if (end == BATCH_ERROR)
	{
		drive_log_error(report.edata);
		explain_lock(report.edata);
		/* not alone yet: then it may have been a step's deferred constraint */
		if (!run->alone)
			add_next_run(driver, &(NextRun) {run->run_id, true});
		else
			result = try_record_problem(driver->owner, &run->run_id, report.edata, context);
	}
	if (end == BATCH_GAVE_WAY)
		give_way(driver->owner, &report);
	if (end == BATCH_COMMITTED)
	{
		trouble_over(report.turns > 0);
		*turns += report.turns;
		if (report.cut)
			add_next_run(driver, &report.cut_run);
		/* should this process fail to go on, others have to know */
		if (report.cut && driver->keeps_mail)
			txn_keep_mail(driver->owner, report.cut_seq);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return end == BATCH_GONE ? DRIVE_GONE : result;
}

/*
 * Take turns of one run, which has mail, until it waits or ends, or someone
 * else has it
 */
void
durable_drive_run(Oid owner, const pg_uuid_t *run_id)
{
	Driver	   *driver = driver_make(owner);
	NextRun		run = {*run_id, false};
	int			turns;

	driver->keeps_mail = true;
	do
	{
		turns = 0;
		driver->nnext_runs = 0;
		if (drive_one(driver, &run, &turns) != DRIVE_BUSY)
			break;
		if (driver->nnext_runs > 0)
			run = driver->next_runs[0];
	} while (driver->nnext_runs > 0);
	MemoryContextDelete(driver->context);
}

static void
remember_runs(Driver *driver, const BatchReport *report)
{
	for (int i = 0; i < report->nruns; i++)
		add_next_run(driver, &(NextRun) {report->runs[i], true});
}

/*
 * Take the next batch of the owner's runs; adds the turns taken to *turns
 */
DriveResult
durable_drive(Driver *driver, int *turns)
{
	MemoryContext context;
	MemoryContext old;
	BatchReport report;
	DriveResult result = DRIVE_BUSY;

	if (driver->nnext_runs > 0)
	{
		NextRun		run = driver->next_runs[--driver->nnext_runs];

		return drive_one(driver, &run, turns);
	}
	context = drive_context("durable drive");
	old = MemoryContextSwitchTo(context);
	switch (try_batch(driver, NULL, &report, context))
	{
		case BATCH_EMPTY:
			trouble_over(false);
			result = DRIVE_IDLE;
			break;
		case BATCH_COMMITTED:
			trouble_over(report.turns > 0);
			*turns += report.turns;
			result = report.more ? DRIVE_MORE : DRIVE_BUSY;
			if (report.cut && (report.cut_run.alone || report.turns == 1))
				add_next_run(driver, &report.cut_run);
			else if (report.cut)
			{
				driver->carried_run = report.cut_run.run_id;
				driver->carrying = true;
			}
			break;
		case BATCH_GONE:
			result = DRIVE_GONE;
			break;
		case BATCH_ERROR:
			drive_log_error(report.edata);
			result = report.nruns > 0 ? DRIVE_BUSY : meet_trouble(report.edata);
			remember_runs(driver, &report);
			break;
		case BATCH_HELD:
			remember_runs(driver, &report);
			break;
		case BATCH_GAVE_WAY:
			give_way(driver->owner, &report);
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}
