/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Activities and children of runs that close, and cancellations of both.
 *
 *	  They are done by a turn, which must not wait for a worker that has an
 *	  activity's row locked, say by a poll in a transaction it has left open.
 *	  What is locked is left, and a timer sees to it that the scheduler comes
 *	  back to it (a sweep).
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "store/activity.h"
#include "store/history.h"
#include "store/message.h"
#include "store/timer.h"
#include "task/attempt.h"
#include "task/sweep.h"
#include "task/task.h"

#define SWEEP_DELAY		(USECS_PER_SEC / 5)

/*
 * Have a run looked at again: what, a command or child.h tell
 */
void
sweep_later(const pg_uuid_t *run_id, int32 command, Oid owner)
{
	timer_set(run_id, TIMER_SWEEP, command, owner, (DueTime) {durable_now() + SWEEP_DELAY, DT_NOEND});
}

/*
 * An attempt that runs in the server is to end, whoever has its row
 */
static void
tell_process(const Activity *a)
{
	if (a->lease != 0 && !a->external)
		note_cancel(&a->run_id, a->command, a->lease);
}

/*
 * Runs close: their timers and activities go
 */
void
sweep_runs(const pg_uuid_t *run_ids, int count, Oid owner)
{
	timer_clear(run_ids, count);
	sweep_activities(run_ids, count, owner);
	STOP_EVENT(sweep_runs);
}

/*
 * An activity is to cancel itself: one that does not run is cancelled at once,
 * one that runs is told
 */
void
request_activity_cancel(AttemptEnds *ends, const ActivityKey *key, Oid owner)
{
	Activity	a;
	AttemptFailure cancelled = {.outcome = EVENT_ACTIVITY_CANCELED};

	if (!activity_lock(key, false, ends->context, &a))
	{
		if (activity_read(key, ends->context, &a))
		{
			tell_process(&a);
			sweep_later(&key->run_id, key->command, owner);
		}
		return;
	}
	task_hold(&a);
	STOP_EVENT(activity_cancel);
	if (a.lease == 0)
	{
		attempt_failed(ends, &a, &cancelled);
		return;
	}
	a.cancel_requested = true;
	activity_add_update(&ends->updates, &a);
	tell_process(&a);
}

/*
 * Delete what is left of activities; those that run in the server are told
 */
void
sweep_activities(const pg_uuid_t *run_ids, int count, Oid owner)
{
	Activity   *rows;
	int			n = activity_clear(run_ids, count, CurrentMemoryContext, &rows);

	for (int i = 0; i < n; i++)
	{
		task_hold(&rows[i]);
		task_uncount(&rows[i]);
		tell_process(&rows[i]);
	}
	for (int i = 0; i < count; i++)
	{
		n = activity_read_run(&run_ids[i], CurrentMemoryContext, &rows);
		for (int j = 0; j < n; j++)
			tell_process(&rows[j]);
		if (n > 0)
			sweep_later(&run_ids[i], 0, owner);
	}
}
