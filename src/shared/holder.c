/*-------------------------------------------------------------------------
 *
 * holder.c
 *	  Which process has which runs in hand, and who wants them out of it.
 *
 *	  1. A batch locks its runs until its commit, and a step in it may take its
 *	  time.  Whoever drives the engine, a worker or a session, notes the runs of
 *	  its batch in its entry here, after it has locked them.
 *
 *	  2. Who is to terminate, pause or reset a run does not wait for that: he
 *	  says which run he wants (holders_want), which flags the entry that has it, and
 *	  then waits for the row.  The watchdog of that process sees the flag within a
 *	  tick and ends the step; the batch is undone, and its other runs are taken
 *	  again.  While a run is wanted no batch takes it.  A batch looks whether
 *	  a run of its is wanted after it has noted them, and who wants it looks at
 *	  the entries after he has said so: one of the two sees the other.
 *
 *	  3. The scheduler does not wait.  Of a run that it is to terminate, the child
 *	  of one that is closed, it says that it is doomed (holders_doom), which is the
 *	  same for a while, and comes back.  A run whose time is over is only taken out
 *	  of its step (holders_interrupt): its next turn has the mail that says so.
 *
 *	  4. The launcher asks a worker of a role that has more than its share to
 *	  leave when others want workers (launcher.c).  It does so after its batch,
 *	  or after YIELD_MS in the middle of one, which is undone then.
 *
 *	  The lock of an entry guards which runs are in it; flags are set by others and
 *	  read at will.  Shared.wanting guards those that are wanted.  Nobody takes
 *	  another lock holding one of them.  They are no spinlocks, since runs are looked
 *	  for in all of what they guard.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/text.h"
#include "miscadmin.h"
#include "shared/holder.h"
#include "shared/shmem.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"

/* The scheduler comes back long before (sweep.c) */
#define DOOMED_USECS	(2 * USECS_PER_SEC)
/* Of a batch that is larger the first ones are known */
#define HOLDER_RUNS		64

typedef struct Holder
{
	LWLock		lock;			/* guards the following four */
	Oid			dbid;
	int			count;
	pg_uuid_t	runs[HOLDER_RUNS];
	PGPROC	   *proc;
	TimestampTz since;			/* when the batch began; the process's own */
	bool		alone;			/* it is in an activity that runs alone: likewise */
	Oid			want_dbid;		/* wants this run; InvalidOid: none.  Shared.wanting */
	pg_uuid_t	want_run;
	volatile bool wanted;		/* somebody wants one of the runs */
	volatile bool leave;		/* others need its place */
} Holder;

static Holder *holders = NULL;
static Holder *mine = NULL;

static Size
holders_size(void)
{
	return mul_size(sizeof(Holder), MaxBackends);
}

/*
 * While the server makes room
 */
void
holders_shmem_request(void)
{
	RequestAddinShmemSpace(holders_size());
}

/*
 * At the server's start; the caller holds AddinShmemInitLock
 */
void
holders_shmem_startup(void)
{
	bool		found;

	holders = ShmemInitStruct("durable holders", holders_size(), &found);
	if (found)
		return;
	memset(holders, 0, holders_size());
	for (int i = 0; i < MaxBackends; i++)
		LWLockInitialize(&holders[i].lock, shared->wanting->tranche);
}

static void
leave_at_exit(int code, Datum arg)
{
	holder_release();
	holders_want_no_more();
	LWLockAcquire(&mine->lock, LW_EXCLUSIVE);
	mine->proc = NULL;
	LWLockRelease(&mine->lock);
}

/*
 * Our entry; NULL without shared memory
 */
static Holder *
my_holder(void)
{
	if (mine || !holders)
		return mine;
	mine = &holders[my_proc_number()];
	LWLockAcquire(&mine->lock, LW_EXCLUSIVE);
	mine->count = 0;
	mine->proc = MyProc;
	LWLockRelease(&mine->lock);
	mine->alone = mine->wanted = mine->leave = false;
	before_shmem_exit(leave_at_exit, (Datum) 0);
	return mine;
}

static bool
any_wanted(void)
{
	return shared->nwanted > 0 || (shared->doomed_until != 0 && shared->doomed_until > durable_steady());
}

static bool
is_doomed(const Doomed *doomed, const pg_uuid_t *run_id)
{
	return doomed->dbid == MyDatabaseId && uuid_equal(&doomed->run_id, run_id);
}

static bool
is_wanted(const pg_uuid_t *run_id)
{
	TimestampTz now = durable_steady();
	bool		result = false;

	for (int i = 0; i < MAX_DOOMED && !result; i++)
		result = shared->doomed[i].until > now && is_doomed(&shared->doomed[i], run_id);
	for (int i = 0; i < MaxBackends && !result && shared->nwanted > 0; i++)
		result = holders[i].want_dbid == MyDatabaseId &&
			uuid_equal(&holders[i].want_run, run_id);
	return result;
}

/*
 * We have locked these runs
 */
void
holder_take(const pg_uuid_t *run_ids, int count)
{
	Holder	   *holder = my_holder();

	if (!holder)
		return;
	count = Min(count, HOLDER_RUNS);
	LWLockAcquire(&holder->lock, LW_EXCLUSIVE);
	holder->dbid = MyDatabaseId;
	holder->count = count;
	memcpy(holder->runs, run_ids, count * sizeof(pg_uuid_t));
	LWLockRelease(&holder->lock);
	holder->since = durable_steady();
	pg_memory_barrier();
	if (!any_wanted())
		return;
	shared_lock(shared->wanting, LW_SHARED);
	for (int i = 0; i < count && !holder->wanted; i++)
		holder->wanted = is_wanted(&run_ids[i]);
	LWLockRelease(shared->wanting);
}

/*
 * We begin an activity that may take its time (alone.c), or have ended it
 */
void
holder_alone(bool busy)
{
	if (!my_holder())
		return;
	mine->since = durable_steady();
	mine->alone = busy;
}

/*
 * Our transaction has ended, or is about to
 */
void
holder_release(void)
{
	if (!mine || mine->count == 0)
		return;
	LWLockAcquire(&mine->lock, LW_EXCLUSIVE);
	mine->count = 0;
	LWLockRelease(&mine->lock);
	mine->wanted = false;
}

/*
 * Are we to undo what we are at?  Called by a signal handler.
 */
bool
holder_must_give_way(TimestampTz now)
{
	if (!mine || (mine->count == 0 && !mine->alone))
		return false;
	return mine->wanted || (mine->leave && now - mine->since > YIELD_MS * INT64CONST(1000));
}

/*
 * Ask a worker to make room, or take that back
 */
void
holder_ask_to_leave(PGPROC *proc, bool leave)
{
	for (int i = 0; i < MaxBackends; i++)
		if (holders[i].proc == proc && holders[i].leave != leave)
		{
			holders[i].leave = leave;
			SetLatch(&proc->procLatch);
		}
}

/*
 * We are a worker, which may have been asked already
 */
void
holder_init(bool leave)
{
	if (my_holder())
		mine->leave = leave;
}

/*
 * Whoever has one of these runs in hand is to undo what he is at
 */
void
holders_interrupt(const pg_uuid_t *run_ids, int count)
{
	pg_memory_barrier();
	for (int i = 0; holders && i < MaxBackends; i++)
	{
		Holder	   *holder = &holders[i];

		if (holder->count == 0 || holder == mine)
			continue;
		LWLockAcquire(&holder->lock, LW_SHARED);
		for (int j = 0; holder->dbid == MyDatabaseId && j < holder->count && !holder->wanted; j++)
			for (int k = 0; k < count && !holder->wanted; k++)
				holder->wanted = uuid_equal(&holder->runs[j], &run_ids[k]);
		LWLockRelease(&holder->lock);
	}
}

/*
 * The same, and no batch takes these runs for a while.  Of more than there is
 * room for the last ones.
 */
void
holders_doom(const pg_uuid_t *run_ids, int count)
{
	TimestampTz now = durable_steady();

	if (!shared)
		return;
	shared_lock(shared->wanting, LW_EXCLUSIVE);
	for (int i = 0; i < count; i++)
	{
		Doomed	   *place = &shared->doomed[0];

		for (int j = 0; j < MAX_DOOMED && !is_doomed(place, &run_ids[i]); j++)
			if (is_doomed(&shared->doomed[j], &run_ids[i]) || shared->doomed[j].until < place->until)
				place = &shared->doomed[j];
		*place = (Doomed) {MyDatabaseId, run_ids[i], now + DOOMED_USECS};
	}
	shared->doomed_until = now + DOOMED_USECS;
	LWLockRelease(shared->wanting);
	holders_interrupt(run_ids, count);
}

/*
 * We are going to wait for a run that somebody has locked: if it is a batch, it
 * is to give the run away
 */
void
holders_want(const pg_uuid_t *run_id)
{
	if (!my_holder())
		return;
	shared_lock(shared->wanting, LW_EXCLUSIVE);
	shared->nwanted += !OidIsValid(mine->want_dbid);
	mine->want_dbid = MyDatabaseId;
	mine->want_run = *run_id;
	LWLockRelease(shared->wanting);
	holders_interrupt(run_id, 1);
}

/*
 * We have it, or want it no longer
 */
void
holders_want_no_more(void)
{
	if (!mine || !OidIsValid(mine->want_dbid))
		return;
	shared_lock(shared->wanting, LW_EXCLUSIVE);
	mine->want_dbid = InvalidOid;
	shared->nwanted--;
	LWLockRelease(shared->wanting);
}

/*
 * Is a batch to leave this run alone?
 */
bool
holders_keep_off(const pg_uuid_t *run_id)
{
	bool		result;

	if (!shared || !any_wanted())
		return false;
	shared_lock(shared->wanting, LW_SHARED);
	result = is_wanted(run_id);
	LWLockRelease(shared->wanting);
	return result;
}
