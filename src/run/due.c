/*-------------------------------------------------------------------------
 *
 * due.c
 *	  Dealing with what is due: timers, activities, sweeps.
 *
 *	  1. It is done in portions, each in a transaction, in the order in which
 *	  things fell due.  Each goes on where the last one ended: what that has done
 *	  leaves dead entries in the indexes, and walking over all of them again for
 *	  each portion takes a time that grows with the square of their number.
 *
 *	  2. One role may have a million timers for one moment, before those of others.
 *	  So after a slice of time those of all others are dealt with, however
 *	  late they come in that order: whoever had a whole portion in this slice is
 *	  left out.  Looking for them walks over all that is due, so it is not done
 *	  more often.
 *
 *	  3. What somebody has locked is passed over.  Due.next tells of it.
 *
 *	  All functions run between store_begin() and store_end() of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/vec.h"
#include "catalog/pg_type.h"
#include "run/child.h"
#include "run/close.h"
#include "run/due.h"
#include "shared/stopevent.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/store.h"
#include "store/timer.h"
#include "task/attempt.h"
#include "task/check.h"
#include "task/sweep.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define PORTION			1000
#define SWEEP_PORTION	100
#define SLICE_USECS		USECS_PER_SEC

/* What a role has had of the slice */
typedef struct Share
{
	Oid			owner;
	int			count;
} Share;

static Share *shares = NULL;
static int	nshares = 0;
static int	shares_room = 0;

static void
count(const Oid *owners, int n)
{
	int			share = 0;

	for (int i = 0; i < n; i++)
	{
		if (share >= nshares || shares[share].owner != owners[i])
			for (share = 0; share < nshares && shares[share].owner != owners[i]; share++)
				;
		shares = vec_room(shares, share, &shares_room, sizeof(Share), TopMemoryContext);
		if (share == nshares)
			shares[nshares++] = (Share) {owners[i], 0};
		shares[share].count++;
	}
}

/*
 * Those who had a whole portion, for SQL
 */
static ArrayType *
satisfied(void)
{
	Datum	   *owners = palloc(Max(nshares, 1) * sizeof(Datum));
	int			n = 0;

	for (int i = 0; i < nshares; i++)
		if (shares[i].count >= PORTION)
			owners[n++] = ObjectIdGetDatum(shares[i].owner);
	return construct_array(owners, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
}

/*
 * A portion of what is due from there on, but for what belongs to `except'
 */
static int
deal_portion(TimerPlace *timers, TimestampTz *checks, TimestampTz now, ArrayType *except)
{
	Oid			owners[PORTION];
	int			fired = timer_fire(timers, now, PORTION, except, owners);
	int			checked;

	count(owners, fired);
	checked = activities_check(checks, now, PORTION, except, owners);
	count(owners, checked);
	return fired + checked;
}

/*
 * The same of all who had none in this slice
 */
static void
deal_with_others(Due *due)
{
	for (;;)
	{
		TimerPlace	timers = {due->from};
		TimestampTz checks = due->from;

		/* where it is a whole one, somebody's, the next are without him */
		if (deal_portion(&timers, &checks, due->now, satisfied()) < PORTION)
			break;
		STOP_EVENT(due_others);
	}
}

static TimestampTz
next_from(TimestampTz timers, TimestampTz checks)
{
	return Min(timer_next(timers), activity_next_check(checks));
}

/*
 * To be dealt with is what is due from a time on
 */
void
due_begin(Due *due, TimestampTz from)
{
	*due = (Due) {.from = from, .until = durable_monotonic() + SLICE_USECS, .timers = {from}, .checks = from};
	nshares = 0;
}

/*
 * Deal with a portion, in the current transaction; false where that was all
 */
bool
due_deal(Due *due)
{
	TimestampTz timers = due->timers.at;
	TimestampTz checks = due->checks;
	StoreScope	scope;
	int			n;
	bool		more;

	store_begin(&scope);
	due->now = durable_now();
	n = deal_portion(&due->timers, &due->checks, due->now, construct_empty_array(OIDOID));
	n += sweep_due(due->from, due->now, SWEEP_PORTION);
	due->next = next_from(timers, checks);
	more = n > 0 && due->next <= due->now;
	due->over = durable_monotonic() >= due->until;
	if (more && due->over)
		deal_with_others(due);
	if ((!more || due->over) && (timers != due->from || checks != due->from))
		due->next = next_from(due->from, due->from);
	store_end(&scope);
	return more;
}

/*
 * Do the sweeps that are due, at most `limit' of them.  Returns how many.
 */
int
sweep_due(TimestampTz from, TimestampTz now, int limit)
{
	pg_uuid_t	run_id;
	int32		command;
	Oid			owner;
	int			n = 0;

	while (n < limit && timer_take_sweep(from, now, &run_id, &command, &owner))
	{
		AttemptEnds ends;

		n++;
		if (!execution_is_open(&run_id))
		{
			sweep_activities(&run_id, 1, owner);
			children_sweep(&run_id, command, owner);
		}
		else if (command > 0)
		{
			attempt_ends_init(&ends, CurrentMemoryContext);
			request_activity_cancel(&ends, &(ActivityKey) {run_id, command, 0}, owner);
			attempt_ends_write(&ends);
			children_cancel(&run_id, &command, 1, owner);
		}
	}
	return n;
}
