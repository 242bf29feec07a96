/*-------------------------------------------------------------------------
 *
 * durability.c
 *	  How far a commit waits for the disk, and who for it.
 *
 *	  Not every commit of ours waits for the disk before others see it.  What
 *	  would be done again after a crash, or is as if it never was, does not wait
 *	  at all: a claim, a heartbeat, a turn that only asked for something.  What is
 *	  told to our own processes first waits after that, while they go on: a start,
 *	  the completion of a task, the end of a run that ran no step.  Their commits
 *	  are later in the WAL.  All others are told only what is on disk: whoever
 *	  hands out a task or a result, or says that a workflow exists or is closed,
 *	  calls txn_wait_for_disk() before.  A transaction that writes anything else
 *	  commits as always; so does nearly all where synchronous standbys count.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "shared/durability.h"
#include "shared/shmem.h"

/* Of the current transaction */
typedef struct Commit
{
	TxnDurability durability;
	XLogRecPtr	end;			/* the transaction's WAL up to here is ours */
	bool		turns;			/* it holds turns */
	bool		relaxed;		/* it does not wait for the disk, */
	bool		tracked;		/* but others are to */
	int			synchronous_commit; /* as it was */
} Commit;

static Commit current = {TXN_FORGETTABLE};
static bool unsettled = false;	/* the last commit may not be on disk yet */

/*
 * What is written between these two calls needs no more than that durability.
 */
void
txn_begin_relaxed(void)
{
	if (XactLastRecEnd != current.end)
		current.durability = TXN_LASTING;
}

/*
 * What was written since txn_begin_relaxed() needs that
 */
void
txn_end_relaxed(TxnDurability needed)
{
	current.durability = Min(current.durability, needed);
	current.end = XactLastRecEnd;
}

/*
 * The transaction holds turns, on which others may act
 */
void
txn_turns(void)
{
	current.turns = true;
}

/*
 * Does a commit wait for standbys?
 */
static bool
standbys_count(void)
{
	return SyncRepRequested() && SyncRepStandbyNames && *SyncRepStandbyNames;
}

/*
 * Before the commit: no WAL but ours?  `closes': it ends runs.
 */
void
durability_pre_commit(bool closes)
{
	if (current.durability == TXN_LASTING || XactLastRecEnd != current.end || XactLastRecEnd == 0 ||
		synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		return;
	/* what is told later waits for the disk then, but could not for standbys */
	if ((current.durability < TXN_FORGETTABLE || closes) && standbys_count())
		return;
	current.synchronous_commit = synchronous_commit;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	current.relaxed = true;
	current.tracked = (current.turns || closes) && shared;
	if (current.tracked)
		pg_atomic_fetch_add_u32(&shared->turns_committing, 1);
}

/*
 * The transaction has ended: turns in it can be seen from now on, or never
 */
void
durability_seen(bool commit)
{
	uint64		before;

	if (!current.tracked)
		return;
	current.tracked = false;
	before = pg_atomic_read_u64(&shared->turns_end);
	while (commit && before < XactLastCommitEnd &&
		   !pg_atomic_compare_exchange_u64(&shared->turns_end, &before, XactLastCommitEnd))
		;
	pg_atomic_fetch_sub_u32(&shared->turns_committing, 1);
}

/*
 * All that was committed until now
 */
static XLogRecPtr
insert_position(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	/* at the begin of a page it is after a header that is not written yet */
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		return end - SizeOfXLogLongPHD;
	return end % XLOG_BLCKSZ == SizeOfXLogShortPHD ? end - SizeOfXLogShortPHD : end;
}

/*
 * Wait until all turns that we may have seen are on disk; with `starts' also
 * runs that were started, and all else.  Without shared memory nobody knows
 * how far that is.
 */
void
txn_wait_for_disk(bool starts)
{
	bool		committing;

	if (RecoveryInProgress())
		return;
	committing = !shared || pg_atomic_read_u32(&shared->turns_committing) > 0;
	pg_memory_barrier();
	XLogFlush(starts || committing ? insert_position() : pg_atomic_read_u64(&shared->turns_end));
}

/*
 * Before a process of ours sleeps: what it committed is to be on disk soon
 */
void
txn_settle(void)
{
	if (unsettled)
		XLogFlush(XactLastCommitEnd);
	unsettled = false;
}

/*
 * All others were told
 */
void
durability_told(bool commit)
{
	if (!current.relaxed)
		return;
	synchronous_commit = current.synchronous_commit;
	current.relaxed = false;
	if (!commit)
		return;
	unsettled = current.durability > TXN_PROMPT;
	if (current.durability == TXN_PROMPT)
		XLogFlush(XactLastCommitEnd);
}

/*
 * The next transaction begins
 */
void
durability_forget(void)
{
	current = (Commit) {TXN_FORGETTABLE};
}
