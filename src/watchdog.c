/*-------------------------------------------------------------------------
 *
 * watchdog.c
 *	  Ends code and activities that take too long, or are to cancel themselves.
 *
 *	  One periodic timeout per batch, so that a guard costs two assignments and
 *	  no system call.  When a guard's time is over, the handler cancels the
 *	  statement as a user would; watchdog_release() tells whose doing it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "watchdog.h"

#define TICK_MS		20

static TimeoutId timeout_id = MAX_TIMEOUTS;
static volatile TimestampTz guard_until = 0;	/* 0: no guard */
static volatile sig_atomic_t guard_reason = WATCHDOG_NONE;
static volatile sig_atomic_t bitten = WATCHDOG_NONE;
static volatile bool *volatile watched = NULL;	/* in shared memory */

static void
tick(void)
{
	bool		cancel = watched && *watched;

	if (bitten != WATCHDOG_NONE)
		return;
	if (!cancel && (guard_until == 0 || GetCurrentTimestamp() < guard_until))
		return;
	bitten = cancel ? WATCHDOG_CANCEL : guard_reason;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

void
watchdog_start(void)
{
	if (timeout_id == MAX_TIMEOUTS)
		timeout_id = RegisterTimeout(USER_TIMEOUT, tick);
	guard_until = 0;
	watched = NULL;
	bitten = WATCHDOG_NONE;
	enable_timeout_every(timeout_id, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TICK_MS), TICK_MS);
}

void
watchdog_stop(void)
{
	guard_until = 0;
	watched = NULL;
	if (timeout_id != MAX_TIMEOUTS)
		disable_timeout(timeout_id, false);
}

/*
 * From now on the watchdog bites after so many microseconds (0: never)
 */
void
watchdog_guard(int64 usecs, WatchdogReason reason)
{
	bitten = WATCHDOG_NONE;
	guard_reason = reason;
	guard_until = usecs > 0 ? GetCurrentTimestamp() + usecs : 0;
}

/*
 * Until the guard's release it bites as soon as *cancel is set, too (NULL: not
 * any more).  The tick may come while an error leaves the guarded work: no
 * memory of that must be looked at, so *cancel is in shared memory.
 */
void
watchdog_watch(volatile bool *cancel)
{
	watched = cancel;
}

/*
 * The guarded work is over.  Returns the reason if the watchdog ended it, and
 * takes back a cancel that came too late to be noticed.
 */
WatchdogReason
watchdog_release(void)
{
	WatchdogReason reason;

	guard_until = 0;
	watched = NULL;
	reason = bitten;
	bitten = WATCHDOG_NONE;
	if (reason != WATCHDOG_NONE)
		QueryCancelPending = false;
	return reason;
}

/*
 * Bite now: a test's time is over
 */
void
watchdog_bite(WatchdogReason reason)
{
	bitten = reason;
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg_internal("time is over")));
	pg_unreachable();
}
