/*-------------------------------------------------------------------------
 *
 * watchdog.c
 *	  Ends code and activities that take too long, or are to cancel themselves.
 *
 *	  One periodic timeout per batch, so that a guard costs two assignments and
 *	  no system call.  When a guard's time is over, the handler cancels the
 *	  statement as a user would; watchdog_release() tells whose doing it was.
 *
 *	  The same ends a batch that has a run somebody else wants, or whose process
 *	  is to make room (holder.c), wherever it is.  Whoever catches that undoes the
 *	  batch, so that no failure of the run comes of it.
 *
 *	  Code can catch a cancel and go on.  So if it does not end within DEAF_MS after
 *	  it was told the process is ended, which code cannot catch; suspect.c and
 *	  check.c see to what it was at.  Code that is not told, since it computes in a
 *	  language that looks for no interrupts, could not be ended by that either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "miscadmin.h"
#include "shared/holder.h"
#include "shared/watchdog.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define TICK_MS		20
/* Code that was cancelled has so long to come to its end */
#define DEAF_MS		3000

static TimeoutId timeout_id = MAX_TIMEOUTS;
static volatile TimestampTz guard_until = 0;	/* 0: no guard */
static volatile sig_atomic_t guard_reason = WATCHDOG_NONE;
static volatile sig_atomic_t bitten = WATCHDOG_NONE;
static volatile TimestampTz bitten_at = 0;
static volatile sig_atomic_t gave_way = false;
static volatile sig_atomic_t deaf = false;
static bool ends_at_commit = false;
static volatile bool *volatile watched = NULL;	/* in shared memory */

/*
 * The cancel has not ended the code
 */
static void
end_process(void)
{
	deaf = true;
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

static void
tick(void)
{
	TimestampTz now = durable_steady();

	if (bitten != WATCHDOG_NONE)
	{
		/* not taken yet: it is in the middle of what cannot be interrupted, and not deaf */
		if (QueryCancelPending)
			bitten_at = now;
		else if (now - bitten_at > DEAF_MS * INT64CONST(1000))
			end_process();
		return;
	}
	if (watched && *watched)
		bitten = WATCHDOG_CANCEL;
	else if (holder_must_give_way(now))
	{
		bitten = WATCHDOG_GIVE_WAY;
		gave_way = true;
	}
	else if (guard_until != 0 && now >= guard_until)
		bitten = guard_reason;
	else
		return;
	bitten_at = now;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
log_end(int code, Datum arg)
{
	if (deaf)
		ereport(LOG,
				(errmsg("durable ends process %d: its code caught the cancel that was to end it", MyProcPid),
				 errhint("Code that catches query_canceled has to end.")));
}

/*
 * A batch begins: look at the time every now and then
 */
void
watchdog_start(void)
{
	if (timeout_id == MAX_TIMEOUTS)
	{
		timeout_id = RegisterTimeout(USER_TIMEOUT, tick);
		before_shmem_exit(log_end, (Datum) 0);
	}
	guard_until = 0;
	watched = NULL;
	bitten = WATCHDOG_NONE;
	ends_at_commit = false;
	enable_timeout_every(timeout_id, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TICK_MS), TICK_MS);
}

/*
 * It is over
 */
void
watchdog_stop(void)
{
	if (timeout_id != MAX_TIMEOUTS)
		disable_timeout(timeout_id, false);
	ends_at_commit = false;
	(void) watchdog_release();
}

static void
stop_before_commit(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT && ends_at_commit)
		watchdog_stop();
}

/*
 * All that is left is the commit, in which deferred triggers run.  Their time is
 * limited as well; once they are done there is nothing to end, and a cancel
 * would be taken for one of the wait for standbys.
 */
void
watchdog_stop_at_commit(int64 usecs)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(stop_before_commit, NULL);
	registered = true;
	watchdog_guard(usecs, WATCHDOG_BATCH);
	ends_at_commit = true;
}

/*
 * Since the last such call, did the watchdog end what we were at for others'
 * sake?
 */
bool
watchdog_gave_way(void)
{
	bool		result = gave_way;

	gave_way = false;
	return result;
}

/*
 * From now on the watchdog bites after so many microseconds (0: never)
 */
void
watchdog_guard(int64 usecs, WatchdogReason reason)
{
	bitten = WATCHDOG_NONE;
	guard_reason = reason;
	guard_until = usecs > 0 ? durable_steady() + usecs : 0;
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
