/*-------------------------------------------------------------------------
 *
 * activity_options.c
 *	  What operators change of activities that are not done.
 *
 *	  An attempt that runs is not touched: its worker hears of a pause by its
 *	  next heartbeat, and what changes counts from the next attempt on, except
 *	  for timeouts.  (Semantics: Temporal's activity operations.)
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/retry.h"
#include "common/pg_prng.h"
#include "shared/txn.h"
#include "store/activity.h"
#include "store/activity_option.h"
#include "store/attempt_log.h"
#include "store/store.h"
#include "task/activity_options.h"
#include "task/task.h"
#include "utils/builtins.h"

static bool
is_meant(const Activity *a, const ActivityChange *change)
{
	if (a->inline_step)
		return false;
	if (change->activity_id && strcmp(change->activity_id, activity_id_of(a)) != 0)
		return false;
	return !change->type || strcmp(change->type, text_to_cstring(a->name)) == 0;
}

/*
 * Out of the queue
 */
static void
withdraw(Activity *a)
{
	task_uncount(a);
	a->place = 0;
	a->is_parked = false;
}

/*
 * One that does not run gets its next attempt now, or within the jitter
 */
static void
try_soon(Activity *a, const Interval *jitter)
{
	TimestampTz now = durable_now();
	int64		delay = jitter ? (int64) (durable_interval_usecs(jitter) * pg_prng_double(&pg_global_prng_state)) : 0;

	if (a->lease != 0)
		return;
	withdraw(a);
	if (delay == 0)
		task_enqueue(a, now);
	else
		a->next_attempt_at = now + delay;
}

static bool
set_paused(Activity *a, const ActivityChange *change)
{
	if (a->paused_at != DT_NOEND)
		return false;
	a->paused_at = change->paused_at ? change->paused_at : durable_now();
	a->pause_reason = change->reason;
	if (a->lease == 0)
		withdraw(a);
	return true;
}

static void
reset(Activity *a, const ActivityChange *change)
{
	if (change->reset_attempts)
		a->attempt = a->lease != 0 ? 1 : 0;
	if (change->reset_heartbeat)
		a->details = NULL;
}

static bool
unpause(Activity *a, const ActivityChange *change)
{
	if (a->paused_at == DT_NOEND || (change->paused_at && a->paused_at != change->paused_at))
		return false;
	a->paused_at = DT_NOEND;
	a->pause_reason = NULL;
	reset(a, change);
	try_soon(a, change->jitter);
	return true;
}

/*
 * One that is between two attempts has another policy by now: that says when the
 * next one is, unless the failure did.  Where the attempts made are all there
 * should be, the one to come stays as it is.
 */
static void
plan_next_attempt(Activity *a)
{
	TimestampTz ended = a->attempt > 0 ? attempt_log_last(a) : DT_NOEND;
	TimestampTz now = durable_now();
	int64		delay;

	if (ended == DT_NOEND || (a->last_failure && failure_retry_delay(a->last_failure) >= 0))
		return;
	delay = retry_delay(a->retry, a->attempt);
	if (delay < 0)
		return;
	a->next_attempt_at = ended + delay;
	if (a->next_attempt_at <= now && a->paused_at == DT_NOEND)
		task_enqueue(a, now);
}

static void
set_options(Activity *a, const ActivityChange *change)
{
	int			priority = a->priority;

	for (const ActivityOption *o = activity_options; o->name; o++)
		if (change->given & OPTION_BIT(o))
			option_copy(o, a, &change->values);
	if (a->priority != priority && a->place != 0)
		try_soon(a, NULL);
	if (change->values.retry && a->lease == 0 && a->next_attempt_at != DT_NOEND)
		plan_next_attempt(a);
}

/*
 * Change an activity; false where there is nothing to change
 */
static bool
apply(Activity *a, const ActivityChange *change)
{
	switch (change->kind)
	{
		case CHANGE_PAUSE:
			return set_paused(a, change);
		case CHANGE_UNPAUSE:
			return unpause(a, change);
		case CHANGE_RESET:
			reset(a, change);
			if (a->paused_at != DT_NOEND && !change->keep_paused)
				return unpause(a, change);
			if (a->paused_at == DT_NOEND && a->next_attempt_at != DT_NOEND)
				try_soon(a, change->jitter);
			return true;
		case CHANGE_OPTIONS:
			set_options(a, change);
			return true;
	}
	return false;
}

/*
 * Change activities of a run; returns how many
 */
int
change_activities(const pg_uuid_t *run_id, const ActivityChange *change)
{
	MemoryContext context = CurrentMemoryContext;
	Activity   *rows;
	int			n = activity_read_run(run_id, context, &rows);
	int			count = 0;
	RowBatch	updates;

	rows_init(&updates, TABLE_ACTIVITY, context);
	for (int i = 0; i < n; i++)
	{
		ActivityKey key = {*run_id, rows[i].command, 0};
		Activity	a;
		bool		changed;

		if (!is_meant(&rows[i], change) || !activity_lock(&key, true, context, &a))
			continue;
		task_hold(&a);
		changed = apply(&a, change);
		task_leave(&a);
		if (!changed)
			continue;
		a.check_at = task_check_at(&a);
		if (a.check_at != DT_NOEND)
			txn_deadline(a.check_at);
		activity_add_update(&updates, &a);
		count++;
	}
	activity_write_updates(&updates);
	return count;
}
