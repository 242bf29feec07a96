/*-------------------------------------------------------------------------
 *
 * check.c
 *	  What falls due for activities: timeouts, and the next attempt.
 *
 *	  1. check_at of a row is the earliest time at which something may be due.
 *	  Heartbeats do not move it; if the row shows that the attempt lives, it is
 *	  set to the next such time here.
 *
 *	  2. An activity that runs in the server is ended by the watchdog of its own
 *	  process.  So it gets some grace here; but if its process is gone, its
 *	  attempt is over at once.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/testmode.h"
#include "base/text.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "shared/txn.h"
#include "storage/procarray.h"
#include "store/activity.h"
#include "store/history.h"
#include "store/testrun.h"
#include "task/attempt.h"
#include "task/check.h"
#include "task/task.h"
#include "utils/builtins.h"

#define GRACE	(5 * USECS_PER_SEC)

typedef enum Liveness
{
	LIVES,
	GONE,
	UNKNOWN						/* outside the server */
} Liveness;

/*
 * Does the process live that runs an activity?  *heartbeat is its last one.
 */
static Liveness
liveness(const Activity *a, TimestampTz *heartbeat)
{
	char	   *worker = a->worker ? text_to_cstring(a->worker) : NULL;
	Liveness	result = GONE;
	int			pid;

	*heartbeat = a->heartbeat_at != DT_NOEND ? a->heartbeat_at : a->started_at;
	if (a->external || test_mode)
		return UNKNOWN;
	for (int i = 0; shared && i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->kind != SLOT_ACTIVITY_WORKER || slot->lease != a->lease)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->lease == a->lease && slot->command == a->command &&
			uuid_equal(&slot->run_id, &a->run_id))
		{
			*heartbeat = Max(*heartbeat, slot->heartbeat_at);
			result = LIVES;
		}
		SpinLockRelease(&slot->mutex);
	}
	/* a session in wf_work(); one that began before the server did is another's pid by now */
	if (worker && sscanf(worker, "session %d", &pid) == 1 && BackendPidGetProc(pid) != NULL &&
		!(shared && a->started_at < shared->started_at))
		result = LIVES;
	return result;
}

static bool
is_over(TimestampTz since, int64 span, TimestampTz now)
{
	return span > 0 && since != DT_NOEND && since + span <= now;
}

/*
 * Which timeout is over, NULL for none; *final where no policy retries it
 */
static const char *
timeout_of(const Activity *a, TimestampTz now, bool *final)
{
	TimestampTz heartbeat;
	Liveness	life;

	*final = true;
	if (a->lease == 0)
	{
		if (is_over(a->scheduled_at, a->schedule_to_close, now))
			return "schedule_to_close";
		if (a->paused_at == DT_NOEND && a->next_attempt_at == DT_NOEND &&
			is_over(a->queued_at, a->schedule_to_start, now))
			return "schedule_to_start";
		return NULL;
	}
	life = liveness(a, &heartbeat);
	if (life == LIVES)
		now -= GRACE;
	if (is_over(a->scheduled_at, a->schedule_to_close, now))
		return "schedule_to_close";
	*final = false;
	if (is_over(a->started_at, a->start_to_close, now))
		return "start_to_close";
	if (is_over(heartbeat, a->heartbeat, life == LIVES ? now + GRACE : now))
		return "heartbeat";
	return life == GONE ? "worker_lost" : NULL;
}

/*
 * Is the process gone that ran this activity, by a lease that the table still has?
 */
bool
attempt_is_lost(const Activity *a)
{
	TimestampTz unused;

	return liveness(a, &unused) == GONE;
}

static void
end_by_timeout(AttemptEnds *ends, Activity *a, const char *which, bool final)
{
	AttemptFailure failure = {
		.outcome = EVENT_ACTIVITY_TIMED_OUT, .failure = timeout_failure(a, which), .final = final
	};

	/* code of a process that lives ends too */
	if (a->lease != 0 && !a->external)
		note_cancel(&a->run_id, a->command, a->lease);
	attempt_failed(ends, a, &failure);
}

/*
 * Nothing is over yet: when to look again
 */
static void
look_later(AttemptEnds *ends, Activity *a, TimestampTz now)
{
	TimestampTz heartbeat;

	if (liveness(a, &heartbeat) == LIVES)
		a->heartbeat_at = a->heartbeat > 0 ? heartbeat : a->heartbeat_at;
	a->check_at = Max(task_check_at(a), now + USECS_PER_SEC / 10);
	txn_deadline(a->check_at);
	activity_add_update(&ends->updates, a);
}

static void
check(AttemptEnds *ends, Activity *a, TimestampTz now)
{
	bool		final;
	const char *which = timeout_of(a, now, &final);

	if (which)
		end_by_timeout(ends, a, which, final);
	else if (a->lease == 0 && a->next_attempt_at <= now && a->paused_at == DT_NOEND)
	{
		task_enqueue(a, now);
		activity_add_update(&ends->updates, a);
	}
	else
		look_later(ends, a, now);
}

static int
check_all(Activity *rows, int n, TimestampTz now)
{
	AttemptEnds ends;

	if (n == 0)
		return 0;
	attempt_ends_init(&ends, CurrentMemoryContext);
	for (int i = 0; i < n; i++)
	{
		STOP_EVENT(check_due);
		task_hold(&rows[i]);
		check(&ends, &rows[i], now);
		task_leave(&rows[i]);
	}
	attempt_ends_write(&ends);
	return n;
}

/*
 * Deal with what is due between *from and `now', at most `limit' rows, but for
 * those of the owners in `except'.  Returns how many; *from becomes the time of
 * the last one.  *owners: whose they are.
 */
int
activities_check(TimestampTz *from, TimestampTz now, int limit, ArrayType *except, Oid *owners)
{
	Activity   *rows;
	int			n = activity_scan_due(*from, now, limit, except, CurrentMemoryContext, &rows);

	for (int i = 0; i < n; i++)
		owners[i] = rows[i].owner;
	if (n > 0)
		*from = rows[n - 1].check_at;
	return check_all(rows, n, now);
}

/*
 * The same for the runs of a test
 */
void
activities_check_runs(const pg_uuid_t *run_ids, int count, TimestampTz now)
{
	Activity   *rows;
	int			n = testrun_due_activities(run_ids, count, now, CurrentMemoryContext, &rows);

	(void) check_all(rows, n, now);
}

/*
 * A process that ran activities is gone: end those attempts that are nobody's
 */
void
activities_check_lost(void)
{
	AttemptEnds ends;
	Activity   *rows;
	int			n = activity_scan_in_server(CurrentMemoryContext, &rows);

	attempt_ends_init(&ends, CurrentMemoryContext);
	for (int i = 0; i < n; i++)
		if (attempt_is_lost(&rows[i]))
		{
			STOP_EVENT(check_lost);
			end_by_timeout(&ends, &rows[i], "worker_lost", false);
		}
	attempt_ends_write(&ends);
}
