/*-------------------------------------------------------------------------
 *
 * errand.c
 *	  What the scheduler commits for a session that cannot.
 *
 *	  1. A session in wf_update waits, in the middle of a statement, for the
 *	  answer to a request that nobody sees before it is committed.  So it puts
 *	  the request into a segment of dynamic shared memory, takes an entry in
 *	  Shared.errands that names it, and sets the latch of its database's
 *	  scheduler.  The scheduler sends all that are there in one transaction of
 *	  its own, notes how it ended, and sets the sessions' latches.
 *
 *	  2. That commit does not wait for the disk.  What the session waits for is
 *	  the commit of a turn that builds on it, which flushes it along; if the
 *	  server crashes before, the session has been promised nothing.
 *
 *	  3. An entry is the session's while it is free, asked or done, and the
 *	  scheduler's while it is taken.  A session that gives up, by an error or at
 *	  its exit, frees its entry, or leaves that to the scheduler that has it.
 *	  The next scheduler finds what the last one had taken, and does it again:
 *	  sending the same update twice sends it once.
 *
 *	  4. The scheduler waits for nobody: where the run is locked by someone who
 *	  is about to close it, or an open transaction sends the same update, it
 *	  tells the session to ask again later.
 *
 *	  5. What the caller may do was checked by himself.  Should the run be given
 *	  away meanwhile, the request goes to its new owner (owner.c, point 3).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "run/outside.h"
#include "shared/durability.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/trouble.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "store/find.h"
#include "store/identity.h"
#include "store/store.h"
#include "store/wait.h"
#include "update/errand.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A scheduler that is not there is started within that time, or is no more */
#define NO_SCHEDULER_MS	10000
/* How often to look whether there is a scheduler to wake */
#define WAKE_MS			500
/* The scheduler's patience with locks */
#define LOCK_MS			10

/* What is in the segment; three values of variable length follow */
typedef struct UpdateErrand
{
	pg_uuid_t	run_id;
	Oid			owner;
	Size		size[3];		/* of update id, name, arguments */
} UpdateErrand;

static Errand *mine = NULL;

static Size
value_at(const Size *size, int n)
{
	Size		at = MAXALIGN(sizeof(UpdateErrand));

	for (int i = 0; i < n; i++)
		at += MAXALIGN(size[i]);
	return at;
}

static dsm_segment *
pack(const Found *run, text *update_id, text *name, Jsonb *args)
{
	void	   *values[3] = {
		PG_DETOAST_DATUM_COPY(PointerGetDatum(update_id)), PG_DETOAST_DATUM_COPY(PointerGetDatum(name)), args
	};
	UpdateErrand header = {.run_id = run->run_id, .owner = run->owner};
	dsm_segment *segment;
	char	   *base;

	for (int i = 0; i < 3; i++)
		header.size[i] = VARSIZE_ANY(values[i]);
	segment = dsm_create(value_at(header.size, 3), 0);
	base = dsm_segment_address(segment);
	memcpy(base, &header, sizeof(header));
	for (int i = 0; i < 3; i++)
		memcpy(base + value_at(header.size, i), values[i], header.size[i]);
	return segment;
}

/*
 * Give up the errand, whatever its state
 */
static void
abandon(void)
{
	if (!mine)
		return;
	SpinLockAcquire(&mine->mutex);
	mine->proc = NULL;
	if (mine->state != ERRAND_TAKEN)
		mine->state = ERRAND_FREE;
	SpinLockRelease(&mine->mutex);
	mine = NULL;
}

static void
abandon_at_exit(int code, Datum arg)
{
	abandon();
}

/*
 * Has our role as many entries as it leaves free?
 */
static bool
has_its_share(void)
{
	int			free_entries = 0;
	int			own = 0;

	for (int i = 0; i < MAX_ERRANDS; i++)
		if (shared->errands[i].state == ERRAND_FREE)
			free_entries++;
		else
			own += shared->errands[i].role == GetUserId();
	return own >= free_entries;
}

/*
 * Take an entry; false where none is free
 */
static bool
ask(dsm_handle request)
{
	static bool exit_registered = false;

	if (!exit_registered)
		before_shmem_exit(abandon_at_exit, (Datum) 0);
	exit_registered = true;
	if (has_its_share())
		return false;
	for (int i = 0; i < MAX_ERRANDS && !mine; i++)
	{
		Errand	   *errand = &shared->errands[i];

		SpinLockAcquire(&errand->mutex);
		if (errand->state == ERRAND_FREE)
		{
			errand->state = ERRAND_ASKED;
			errand->dbid = MyDatabaseId;
			errand->role = GetUserId();
			errand->proc = MyProc;
			errand->request = request;
			mine = errand;
		}
		SpinLockRelease(&errand->mutex);
	}
	STOP_EVENT(errand_asked);
	return mine != NULL;
}

static ErrandState
state_of(Errand *errand)
{
	ErrandState state;

	SpinLockAcquire(&errand->mutex);
	state = errand->state;
	SpinLockRelease(&errand->mutex);
	return state;
}

static void
wake_scheduler(void)
{
	if (!durable_wake_slots(SLOT_SCHEDULER, MyDatabaseId))
		durable_want_scheduler(MyDatabaseId);
}

/*
 * Wait until our errand is done; false when the time is over
 */
static bool
wait_until_done(int64 until)
{
	static uint32 event = 0;
	Wait		wait = {.until = until};
	int64		asked_at = durable_monotonic();
	int64		woken_at = asked_at;

	if (event == 0)
		event = wait_event("DurableErrand");
	wait.event = event;
	wake_scheduler();
	while (state_of(mine) != ERRAND_DONE)
	{
		int64		now;

		if (!wait_sleep(&wait, WAKE_MS))
			return false;
		now = durable_monotonic();
		STOP_EVENT(errand_waits);
		if (now - woken_at < WAKE_MS * INT64CONST(1000))
			continue;
		woken_at = now;
		if (state_of(mine) == ERRAND_ASKED && now - asked_at > NO_SCHEDULER_MS * INT64CONST(1000))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("no scheduler of durable takes the update"),
					 errhint("See the server log, and max_worker_processes. CALL wf_await_update(), and wait_for => 'admitted', do without a scheduler.")));
		wake_scheduler();
	}
	return true;
}

static ErrandEnd
fetch_end(void)
{
	STOP_EVENT(errand_end);
	if (mine->sqlstate)
		ereport(ERROR,
				(errcode(mine->sqlstate),
				 errmsg_internal("%s", mine->message)));
	return (ErrandEnd) mine->end;
}

/*
 * See our errand through
 */
static ErrandEnd
await_end(int64 until)
{
	volatile ErrandEnd end = ERRAND_TOO_LATE;

	PG_TRY();
	{
		if (wait_until_done(until))
			end = fetch_end();
	}
	PG_CATCH();
	{
		abandon();
		PG_RE_THROW();
	}
	PG_END_TRY();
	abandon();
	return end;
}

/*
 * Have an update sent and committed
 */
ErrandEnd
errand_update(const Found *run, text *update_id, text *name, Jsonb *args, int64 until)
{
	dsm_segment *segment;
	ErrandEnd	end;

	durable_check_enabled();
	segment = pack(run, update_id, name, args);
	end = ask(dsm_segment_handle(segment)) ? await_end(until) : ERRAND_BUSY;

	dsm_detach(segment);
	return end;
}

/*
 * What an earlier scheduler of this database had in hand is to be done again
 */
void
errands_reclaim(void)
{
	for (int i = 0; i < MAX_ERRANDS; i++)
	{
		Errand	   *errand = &shared->errands[i];

		SpinLockAcquire(&errand->mutex);
		if (errand->state == ERRAND_TAKEN && errand->dbid == MyDatabaseId)
			errand->state = errand->proc ? ERRAND_ASKED : ERRAND_FREE;
		SpinLockRelease(&errand->mutex);
	}
}

/*
 * Are there errands of this database?
 */
bool
errands_wait(void)
{
	for (int i = 0; i < MAX_ERRANDS; i++)
		if (shared->errands[i].state == ERRAND_ASKED && shared->errands[i].dbid == MyDatabaseId)
			return true;
	return false;
}

static int
take_all(Errand **taken)
{
	int			n = 0;

	for (int i = 0; i < MAX_ERRANDS; i++)
	{
		Errand	   *errand = &shared->errands[i];

		if (errand->state != ERRAND_ASKED)
			continue;
		SpinLockAcquire(&errand->mutex);
		if (errand->state == ERRAND_ASKED && errand->dbid == MyDatabaseId)
		{
			errand->state = ERRAND_TAKEN;
			taken[n++] = errand;
		}
		SpinLockRelease(&errand->mutex);
	}
	return n;
}

/*
 * The errand is done, in a transaction that has committed
 */
static void
finish(Errand *errand)
{
	PGPROC	   *proc;

	SpinLockAcquire(&errand->mutex);
	proc = errand->proc;
	errand->state = proc ? ERRAND_DONE : ERRAND_FREE;
	SpinLockRelease(&errand->mutex);
	if (proc)
	{
		SetLatch(&proc->procLatch);
		STOP_EVENT(errand_finished);
	}
}

/*
 * Send what is in the segment
 */
static ErrandEnd
send_update(Errand *errand)
{
	dsm_segment *segment = dsm_attach(errand->request);
	char	   *base;
	UpdateErrand *header;
	Found		run = {0};
	StoreScope	scope;
	bool		sent;

	if (!segment)
		return ERRAND_TOO_LATE; /* the session is gone */
	base = dsm_segment_address(segment);
	header = (UpdateErrand *) base;
	run.run_id = header->run_id;
	run.owner = header->owner;
	store_begin(&scope);
	sent = run_update(&run, (text *) (base + value_at(header->size, 0)),
					  (text *) (base + value_at(header->size, 1)), (Jsonb *) (base + value_at(header->size, 2)));
	store_end(&scope);
	dsm_detach(segment);
	return sent ? ERRAND_SENT : ERRAND_RUN_CLOSED;
}

static void
run_errands(Errand **errands, int n)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!durable_lock_installed())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"durable\" is not installed in this database")));
	for (int i = 0; i < n; i++)
	{
		errands[i]->sqlstate = 0;
		errands[i]->end = send_update(errands[i]);
		STOP_EVENT(errand_sent);
	}
	PopActiveSnapshot();
	txn_end_relaxed(TXN_REPEATED);
	CommitTransactionCommand();
}

/*
 * Note why a single errand failed: a lock is not for long, the rest is told
 */
static void
note_error(Errand *errand, const ErrorData *error)
{
	errand->end = ERRAND_BUSY;
	errand->sqlstate = 0;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		return;
	errand->sqlstate = error->sqlerrcode;
	clip_text(errand->message, error->message ? error->message : "", sizeof(errand->message));
}

/*
 * Do errands in one transaction; false where it failed and one of many is to
 * blame
 */
static bool
try_errands(Errand **errands, int n)
{
	MemoryContext context = CurrentMemoryContext;
	int			depth = store_depth();
	volatile bool done = true;

	LockTimeout = LOCK_MS;
	PG_TRY();
	{
		run_errands(errands, n);
		trouble_over(true);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		store_forget(depth);
		if (trouble_may_be(error->sqlerrcode))
			trouble_note(error);
		if (n == 1)
			note_error(errands[0], error);
		else
			done = false;
		FreeErrorData(error);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	STOP_EVENT(errands_committed);
	LockTimeout = 0;
	MemoryContextSwitchTo(context);
	for (int i = 0; i < n && done; i++)
		finish(errands[i]);
	return done;
}

/*
 * Do what sessions of this database ask for
 */
void
errands_serve(void)
{
	Errand	   *taken[MAX_ERRANDS];
	int			n = take_all(taken);

	if (n == 0)
		return;
	STOP_EVENT(errands_taken);
	pgstat_report_activity(STATE_RUNNING, "durable: updates");
	if (!try_errands(taken, n))
		for (int i = 0; i < n; i++)
			(void) try_errands(&taken[i], 1);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}
