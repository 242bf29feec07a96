/*-------------------------------------------------------------------------
 *
 * write.c
 *	  What a batch of turns leaves behind is written.
 *
 *	  All of it is written at the batch's end, one statement per table.
 *
 *	  A run closes only if nobody holds it (execution.c) and no signal came
 *	  since its mail was read; otherwise the batch is undone, and the run's code
 *	  sees the signal before it ends.  A run that continues as new takes such
 *	  signals along (continue.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "batch/child_start.h"
#include "batch/continue.h"
#include "batch/outbox.h"
#include "batch/write.h"
#include "run/close.h"
#include "run/start.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/activity.h"
#include "store/attempt_log.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/state.h"
#include "store/store.h"
#include "store/timer.h"
#include "store/update.h"
#include "task/attempt.h"
#include "task/sweep.h"

static void
write_cancelled(Batch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->cancelled)
	{
		TimerKey   *key = lfirst(cell);

		timer_cancel(&key->run_id, key->activity ? MESSAGE_ACTIVITY_RETRY : MESSAGE_TIMER, key->command);
		if (key->activity)
			activity_remove(&(ActivityKey) {key->run_id, key->command, 0}, 1);
	}
}

static void
write_cancels(Batch *batch)
{
	AttemptEnds ends;
	ListCell   *cell;

	if (batch->cancels == NIL)
		return;
	attempt_ends_init(&ends, batch->context);
	foreach(cell, batch->cancels)
		request_activity_cancel(&ends, lfirst(cell), batch->owner);
	attempt_ends_write(&ends);
}

static void
write_new(Batch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->retries)
	{
		RetryRun   *retry = lfirst(cell);

		run_retry(retry->failed, retry->input, retry->at, &retry->run_id);
		STOP_EVENT(retry_started);
	}
	write_continuations(batch);
	foreach(cell, batch->wakes)
	{
		batch->cut_seq = mailbox_send(batch->owner, lfirst(cell));
		if (batch->keeps_mail)
			txn_keep_mail(batch->owner, batch->cut_seq);
		else
			txn_mail(batch->owner, batch->cut_seq);
	}
}

/*
 * Write the batch.  False where a run cannot close yet: then the transaction
 * is to be undone.
 */
bool
batch_write(Batch *batch)
{
	StoreScope	scope;

	store_begin(&scope);
	mailbox_consume(batch->consumed_tids, batch->nconsumed);
	STOP_EVENT(write_mail);
	if (batch->nclosing > 0)
	{
		if (!execution_remove(batch->closing, batch->nclosing) ||
			(batch->nending > 0 &&
			 mailbox_has_other_signals(batch->ending, batch->nending, batch->consumed, batch->nconsumed)))
		{
			store_end(&scope);
			return false;
		}
		STOP_EVENT(write_removed);
		if (batch->ntimed > 0)
			sweep_runs(batch->timed, batch->ntimed, batch->owner);
	}
	child_starts_write(batch);
	STOP_EVENT(write_children);
	history_write(&batch->history);
	STOP_EVENT(write_history);
	execution_write_updates(&batch->updates, false);
	execution_write_updates(&batch->upserts, true);
	STOP_EVENT(write_executions);
	closed_write(&batch->closed);
	STOP_EVENT(write_closed);
	write_cancelled(batch);
	timer_write(&batch->timers);
	STOP_EVENT(write_timers);
	activity_write(&batch->activities);
	STOP_EVENT(write_activities);
	attempt_log_write(&batch->attempts);
	STOP_EVENT(write_attempts);
	state_write(&batch->state);
	STOP_EVENT(write_state);
	update_write(&batch->answers);
	STOP_EVENT(write_updates);
	write_cancels(batch);
	STOP_EVENT(write_cancels);
	write_new(batch);
	STOP_EVENT(write_new);
	mailbox_write_to_open(&batch->reports);
	STOP_EVENT(write_reports);
	child_cancels_write(batch);
	STOP_EVENT(write_child_cancels);
	/* last, since it may close runs that had a turn in this batch */
	if (batch->nparents > 0)
	{
		children_close(batch->parents, batch->nparents, batch->owner);
		STOP_EVENT(write_parents);
	}
	store_end(&scope);
	return true;
}
