/*-------------------------------------------------------------------------
 *
 * txn.c
 *	  What is to happen when the current transaction has ended.
 *
 *	  1. Whoever writes something another process must know of says so here,
 *	  and one callback, registered once per process, tells after the COMMIT:
 *	  it runs when other snapshots already see the rows, and it cannot fail.
 *
 *	  2. A rolled back subtransaction leaves its notes behind.  They cost a
 *	  wake too many, never one too few.  (For what task queues count, see
 *	  tasknote.c.)
 *
 *	  3. At ABORT, claims are given back and locks on runs are told as gone.
 *
 *	  4. Not every commit of ours waits for the disk before others see it.  What
 *	  would be done again after a crash, or is as if it never was, does not wait
 *	  at all: a claim, a heartbeat, a turn that only asked for something.  What is
 *	  told to our own processes first waits after that, while they go on: a start,
 *	  the completion of a task, the end of a run that ran no step.  Their commits
 *	  are later in the WAL.  All others are told only what is on disk: whoever
 *	  hands out a task or a result, or says that a workflow exists or is closed,
 *	  calls txn_wait_for_disk() before.  A transaction that writes anything else
 *	  commits as always; so does nearly all where synchronous standbys count.
 *
 *	  5. PREPARE drops the notes: COMMIT PREPARED may come from any session, so
 *	  the utility hook (ddl.c) has everything looked at then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/vec.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "shared/holder.h"
#include "shared/listener.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/tasknote.h"
#include "shared/txn.h"
#include "shared/waiter.h"
#include "utils/memutils.h"

typedef struct Note
{
	Queue	   *queue;
	int64		mail;			/* lowest message written, wake at commit */
	int64		kept_mail;		/* lowest message written for ourselves: at abort only */
	int64		claimed;		/* lowest message claimed, give back at abort */
	pg_uuid_t  *locked;			/* runs of this queue that were locked */
	int			nlocked;
	int			locked_room;
} Note;

/* Runs */
typedef struct Ids
{
	pg_uuid_t  *ids;
	int			count;
	int			room;
} Ids;

static Note *notes = NULL;
static int	note_count = 0;
static int	note_room = 0;
static Ids	closed;
static Ids	interrupted;		/* whoever is in a step of theirs is to leave it */
static AnsweredUpdate *answered = NULL;
static int	answered_count = 0;
static int	answered_room = 0;
static TimestampTz deadline = DT_NOEND;
static TxnDurability durability = TXN_FORGETTABLE;
static XLogRecPtr relaxed_end = 0;	/* the transaction's WAL up to here is ours */
static bool turns = false;		/* it holds turns */
static bool relaxed = false;	/* at its commit: does not wait for the disk */
static bool tracked = false;	/* ... and others are to */
static bool unsettled = false;	/* the last commit may not be on disk yet */
static int	saved_synchronous_commit;
static bool extension_changed = false;
static bool extension_dropped = false;
static bool identity_changed = false;
static Oid	new_database = InvalidOid;

static Note *
note_for(Queue *queue)
{
	if (!queue)
		return NULL;
	for (int i = 0; i < note_count; i++)
		if (notes[i].queue == queue)
			return &notes[i];
	notes = vec_room(notes, note_count, &note_room, sizeof(Note), TopMemoryContext);
	notes[note_count] = (Note) {queue, QUEUE_NONE, QUEUE_NONE, QUEUE_NONE};
	return &notes[note_count++];
}

/*
 * A message was written
 */
void
txn_mail(Oid owner, int64 seq)
{
	Note	   *note = note_for(durable_queue(owner));

	if (note)
		note->mail = Min(note->mail, seq);
}

/*
 * A message was written and committed that this session means to handle at
 * once itself (wf_execute): others need to know only if it fails to
 */
void
txn_keep_mail(Oid owner, int64 seq)
{
	Note	   *note = note_for(durable_queue(owner));

	if (note)
	{
		note->mail = QUEUE_NONE;
		note->kept_mail = Min(note->kept_mail, seq);
	}
}

/*
 * Messages from this one on are in our hands until the transaction's end
 */
void
txn_claimed(Queue *queue, int64 seq)
{
	Note	   *note = note_for(queue);

	if (note)
		note->claimed = Min(note->claimed, seq);
}

/*
 * A run of this owner is locked until the transaction's end
 */
void
txn_locked(Oid owner, const pg_uuid_t *run_id)
{
	Note	   *note = note_for(durable_queue(owner));

	if (!note)
		return;
	note->locked = vec_room(note->locked, note->nlocked, &note->locked_room, sizeof(pg_uuid_t), TopMemoryContext);
	note->locked[note->nlocked++] = *run_id;
}

void
txn_deadline(TimestampTz at)
{
	deadline = Min(deadline, at);
}

static void
add_id(Ids *to, const pg_uuid_t *run_id)
{
	if (!shared)
		return;
	to->ids = vec_room(to->ids, to->count, &to->room, sizeof(pg_uuid_t), TopMemoryContext);
	to->ids[to->count++] = *run_id;
}

void
txn_closed(const pg_uuid_t *run_id)
{
	add_id(&closed, run_id);
}

/*
 * Mail of a run was written for which its step must not be waited for
 */
void
txn_interrupt(const pg_uuid_t *run_id)
{
	add_id(&interrupted, run_id);
}

/*
 * An update was accepted or answered
 */
void
txn_update(const pg_uuid_t *run_id, uint32 update)
{
	if (!shared)
		return;
	answered = vec_room(answered, answered_count, &answered_room, sizeof(AnsweredUpdate), TopMemoryContext);
	answered[answered_count++] = (AnsweredUpdate) {*run_id, update};
}

/*
 * CREATE or DROP EXTENSION: our processes should see for themselves
 */
void
txn_extension_changed(void)
{
	extension_changed = true;
}

/*
 * So has the identity of its runs.  From here to the end of the transaction
 * nobody takes what he knows of it for true (identity.c), and then the scheduler
 * looks, also where the change is undone.
 */
void
txn_identity_changed(void)
{
	if (identity_changed || !shared)
		return;
	identity_changed = true;
	pg_atomic_fetch_add_u32(&shared->identities_open, 1);
}

static void
end_identity_change(void)
{
	if (!identity_changed)
		return;
	pg_atomic_fetch_add_u32(&shared->identities, 1);
	pg_atomic_fetch_sub_u32(&shared->identities_open, 1);
	durable_want_scheduler(MyDatabaseId);
	durable_look_at_all(MyDatabaseId);
	durable_wake_slots(SLOT_WORKER, MyDatabaseId);
}

/*
 * And what runs for it is to end
 */
void
txn_extension_dropped(void)
{
	extension_changed = true;
	extension_dropped = true;
}

/*
 * A database was created as a copy: see whether the extension came along
 */
void
txn_new_database(Oid dbid)
{
	new_database = dbid;
}

/*
 * What is written between these two calls needs no more than that durability.
 */
void
txn_begin_relaxed(void)
{
	if (XactLastRecEnd != relaxed_end)
		durability = TXN_LASTING;
}

void
txn_end_relaxed(TxnDurability needed)
{
	durability = Min(durability, needed);
	relaxed_end = XactLastRecEnd;
}

/*
 * The transaction holds turns, on which others may act
 */
void
txn_turns(void)
{
	turns = true;
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
 * Before the commit: no WAL but ours?
 */
static void
relax_commit(void)
{
	if (durability == TXN_LASTING || XactLastRecEnd != relaxed_end || XactLastRecEnd == 0 ||
		synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		return;
	/* what is told later waits for the disk then, but could not for standbys */
	if ((durability < TXN_FORGETTABLE || closed.count > 0) && standbys_count())
		return;
	saved_synchronous_commit = synchronous_commit;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	relaxed = true;
	tracked = (turns || closed.count > 0) && shared;
	if (tracked)
		pg_atomic_fetch_add_u32(&shared->turns_committing, 1);
}

/*
 * The transaction has ended: turns in it can be seen from now on, or never
 */
static void
end_tracked(bool commit)
{
	uint64		before;

	if (!tracked)
		return;
	tracked = false;
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
static void
end_relaxed(bool commit)
{
	if (!relaxed)
		return;
	synchronous_commit = saved_synchronous_commit;
	relaxed = false;
	if (!commit)
		return;
	unsettled = durability > TXN_PROMPT;
	if (durability == TXN_PROMPT)
		XLogFlush(XactLastCommitEnd);
}

static void
forget_all(void)
{
	for (int i = 0; i < note_count; i++)
		if (notes[i].locked)
			pfree(notes[i].locked);
	note_count = 0;
	closed.count = interrupted.count = 0;
	answered_count = 0;
	deadline = DT_NOEND;
	extension_changed = false;
	extension_dropped = false;
	identity_changed = false;	/* prepared: it stays open until a restart */
	new_database = InvalidOid;
	durability = TXN_FORGETTABLE;
	relaxed_end = 0;
	turns = false;
	tasknote_forget();
}

static void
end_note(const Note *note, bool commit)
{
	int64		low = commit ? note->mail : Min(note->claimed, note->kept_mail);

	if (low != QUEUE_NONE)
	{
		queue_lower(note->queue, low);
		STOP_EVENT(txn_lowered);
		queue_wake(note->queue);
	}
	STOP_EVENT(txn_woken);
	queue_release(note->queue, note->locked, note->nlocked);
}

/*
 * Did the transaction do anything that others may have to go on with?
 */
static bool
has_notes(void)
{
	return note_count > 0 || closed.count > 0 || answered_count > 0 || deadline != DT_NOEND || extension_changed ||
		tasknote_any();
}

static void
xact_callback(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT;
	bool		stirs;

	if (event == XACT_EVENT_PRE_COMMIT)
	{
		if (note_count > 0 || closed.count > 0 || deadline != DT_NOEND)
			STOP_EVENT(txn_pre_commit);
		relax_commit();
	}
	if (event == XACT_EVENT_PREPARE)
	{
		tasknote_prepare();
		forget_all();
	}
	if (!commit && event != XACT_EVENT_ABORT)
		return;
	end_tracked(commit);
	stirs = has_notes();
	STOP_EVENT(txn_ended);
	for (int i = 0; i < note_count; i++)
		end_note(&notes[i], commit);
	tasknote_end(commit);
	STOP_EVENT(txn_told);
	suspects_end(commit);
	end_identity_change();
	if (commit && shared)
	{
		if (deadline != DT_NOEND)
		{
			durable_new_deadline(MyDatabaseId, deadline);
			STOP_EVENT(txn_deadline);
		}
		if (closed.count > 0)
		{
			waiter_wake(closed.ids, closed.count);
			STOP_EVENT(txn_waiters);
		}
		for (int i = 0; i < closed.count; i++)
			suspect_clear(&closed.ids[i]);
		if (answered_count > 0)
		{
			waiter_wake_updates(answered, answered_count);
			STOP_EVENT(txn_answered);
		}
		if (interrupted.count > 0)
			holders_interrupt(interrupted.ids, interrupted.count);
		if (OidIsValid(new_database))
			durable_want_scheduler(new_database);
		if (extension_changed)
		{
			durable_want_scheduler(MyDatabaseId);
			durable_look_at_all(MyDatabaseId);
			durable_wake_slots(SLOT_WORKER, MyDatabaseId);
			if (extension_dropped)
				durable_terminate_slots(SLOT_ACTIVITY_WORKER, MyDatabaseId);
		}
	}
	if (stirs)
		durable_stir(MyDatabaseId);
	/* whatever error ended the wait, caught or not */
	waiter_end();
	holders_want_no_more();
	holder_release();
	listener_end_transaction(commit);
	STOP_EVENT(txn_over);
	end_relaxed(commit);
	forget_all();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		STOP_EVENT(txn_sub_aborted);
		tasknote_sub_abort();
	}
}

void
durable_txn_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

/*
 * What waiters know an update by (waiter.c): never 0
 */
uint32
update_hash(const char *update_id)
{
	uint32		hash = hash_bytes((const unsigned char *) update_id, strlen(update_id));

	return hash ? hash : 1;
}
