/*-------------------------------------------------------------------------
 *
 * setback.c
 *	  What to do when the clock is set back.
 *
 *	  1. What falls due is written down as a time of the clock, and looked for by
 *	  that: a commit may be replayed on another machine, and an operator wants to
 *	  read it.  Most of it is meant as a span from a beginning, though: sleeps,
 *	  timeouts, backoffs, leases.  Set the clock back an hour, and all of them are
 *	  an hour late.  So the scheduler compares the clock with one that nobody
 *	  sets, each time it wakes.  Where the clock has lost time, it moves to the new
 *	  time all that was begun by the old one and is meant as a span.  It is awake
 *	  when the first of it is due: it sleeps a span, too.
 *
 *	  2. A timer knows when it was begun (`since'); for one of wf_sleep_until() that is
 *	  null, and it stays where it is.  All times of an activity are moved.
 *	  Histories are not: they say what the clock showed.
 *
 *	  3. What was begun between the last look at the clock and now may be of the
 *	  old time or of the new one.  It counts as new unless it was begun in the
 *	  future; that is looked for again after a while, for the sake of transactions
 *	  that began before the clock was set.
 *
 *	  4. When the clock is set forward nothing is moved: what has come due is due.
 *	  Only if it is set back from there, what was begun before the first change is
 *	  not moved by more than both changes came to.
 *
 *	  5. Shared memory knows both clocks, so this does not work for a clock that is
 *	  set while the server is down.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "process/setback.h"
#include "shared/fairness.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "store/store.h"
#include "utils/timestamp.h"

/* Less than that is a clock that is being slewed */
#define JUMP_USECS		USECS_PER_SEC
/* The looks for what was begun in the future, after that */
static const int64 again_after[] = {2 * USECS_PER_SEC, 10 * USECS_PER_SEC, 60 * USECS_PER_SEC};

/* A setback whose last looks are still to come; of this process */
static int64 last_by;
static int	looks_left = 0;
static TimestampTz moved_at;	/* by durable_steady() */

/* What is moved, and by how much: begun from `from' to `to', but not from `lo' to `hi' */
typedef struct Move
{
	int64		by;
	TimestampTz from;
	TimestampTz to;
	TimestampTz lo;
	TimestampTz hi;
} Move;

/*
 * What the clock showed when the other one showed nothing
 */
static int64
clock_zero(void)
{
	return GetCurrentTimestamp() - durable_monotonic();
}

static int64
lost_since(int64 zero)
{
	int64		lost = zero == 0 ? 0 : zero - clock_zero();

	return lost > JUMP_USECS ? lost : 0;
}

/*
 * Was the clock set back since the last note, and is there work to do for it?
 */
bool
setback_happened(const Database *database)
{
	return lost_since(database->clock_zero) > 0;
}

/*
 * Note how the clocks go together, where nothing is to be done about it
 */
void
setback_note(Database *database)
{
	int64		zero = clock_zero();

	if (setback_happened(database))
		return;
	if (database->clock_zero != 0 && zero - database->clock_zero > JUMP_USECS)
	{
		if (database->clock_before == 0)
			database->clock_before = database->clock_zero;
		database->clock_forward_at = GetCurrentTimestamp();
	}
	if (zero > database->clock_zero)
		database->clock_zero = zero;
	database->clock_noted = durable_steady();
}

/*
 * May there be something to move?
 */
bool
setback_is_due(const Database *database)
{
	return setback_happened(database) ||
		(looks_left > 0 && durable_steady() - moved_at >= again_after[lengthof(again_after) - looks_left]);
}

/*
 * Rows that somebody has locked are left alone, since he may take his time
 */
static void
move_rows(const Move *move)
{
#define BEGUN(since) since " >= $2 AND " since " < $3 AND " since " NOT BETWEEN $4 AND $5"
#define MOVED(at) at " = CASE WHEN r." at " NOT BETWEEN $4 AND $5 THEN r." at " - $1 ELSE r." at " END"
	static Statement timers = {
		"UPDATE durable.timer r SET fire_at = r.fire_at - $1, since = r.since - $1 WHERE r.ctid = ANY (ARRAY("
		" SELECT t.ctid FROM durable.timer t WHERE t.since IS NOT NULL AND " BEGUN("t.since") " FOR UPDATE SKIP LOCKED))",
		5, {INTERVALOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static Statement activities = {
		"UPDATE durable.activity r SET " MOVED("scheduled_at") ", " MOVED("queued_at") ", " MOVED("started_at") ", "
		MOVED("heartbeat_at") ", next_attempt_at = r.next_attempt_at - $1, check_at = r.check_at - $1 WHERE r.ctid = ANY (ARRAY("
		" SELECT a.ctid FROM durable.activity a WHERE " BEGUN("a.scheduled_at") " FOR UPDATE SKIP LOCKED))",
		5, {INTERVALOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static Statement executions = {
		"UPDATE durable.execution r SET execution_deadline = r.execution_deadline - $1, turn_retry_at = r.turn_retry_at - $1"
		" WHERE r.ctid = ANY (ARRAY(SELECT e.ctid FROM durable.execution e"
		"  WHERE (e.execution_deadline IS NOT NULL OR e.turn_retry_at IS NOT NULL) AND " BEGUN("e.started_at") " FOR UPDATE SKIP LOCKED))",
		5, {INTERVALOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Interval	by = {.time = move->by};
	Datum		values[5] = {
		IntervalPGetDatum(&by), TimestampTzGetDatum(move->from), TimestampTzGetDatum(move->to),
		TimestampTzGetDatum(move->lo), TimestampTzGetDatum(move->hi)
	};

	store_execute(&timers, values, NULL);
	STOP_EVENT(setback_timers);
	store_execute(&activities, values, NULL);
	STOP_EVENT(setback_activities);
	store_execute(&executions, values, NULL);
}

/*
 * Of activities that run in this database
 */
static void
set_back_heartbeats(TimestampTz now)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->kind == SLOT_ACTIVITY_WORKER && slot->dbid == MyDatabaseId && slot->heartbeat_at > now)
			slot->heartbeat_at = now;
	}
}

/*
 * The clock has lost time
 */
static void
move_all(Database *database, int64 lost)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz forward_at = database->clock_before == 0 ? DT_NOBEGIN : database->clock_forward_at;
	/* between this and now it was set */
	TimestampTz lo = now - (durable_steady() - database->clock_noted);
	int64		lost_before = lost_since(database->clock_before);

	move_rows(&(Move) {lost, forward_at, DT_NOEND, lo, now});
	if (lost_before > 0)
		move_rows(&(Move) {lost_before, DT_NOBEGIN, forward_at, lo, now});
	/* what was begun before the server was is not of its processes */
	shared->started_at = now - (durable_steady() - shared->started_steady);
	task_queues_set_back(MyDatabaseId, lost);
	set_back_heartbeats(now);
	ereport(LOG,
			(errmsg("the clock was set back by " INT64_FORMAT " ms: what durable has begun before falls due that much earlier by the clock",
					lost / 1000),
			 errhint("Timers of wf_sleep_until() stay at their time.")));
	last_by = lost;
}

/*
 * Move what is to be moved, in the current transaction.  If that fails it is
 * still to be done.
 */
void
setback_work(Database *database)
{
	int64		lost = lost_since(database->clock_zero);
	StoreScope	scope;

	store_begin(&scope);
	if (lost > 0)
		move_all(database, lost);
	else
	{
		TimestampTz now = GetCurrentTimestamp();

		move_rows(&(Move) {last_by, now, DT_NOEND, now, now});
	}
	store_end(&scope);
}

/*
 * That has been committed
 */
void
setback_done(Database *database)
{
	if (setback_happened(database))
	{
		database->clock_zero = clock_zero();
		database->clock_before = 0;
		looks_left = lengthof(again_after);
		moved_at = durable_steady();
	}
	else
		looks_left--;
}
