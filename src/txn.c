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
 *	  4. A transaction that writes nothing but what would be done again after a crash
 *	  commits without waiting for the disk.
 *
 *	  5. PREPARE drops the notes: COMMIT PREPARED may come from any session, so
 *	  the utility hook (ddl.c) has everything looked at then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "tasknote.h"
#include "txn.h"
#include "utils/memutils.h"
#include "waiter.h"

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

static Note *notes = NULL;
static int	note_count = 0;
static int	note_room = 0;
static pg_uuid_t *closed = NULL;
static int	closed_count = 0;
static int	closed_room = 0;
static AnsweredUpdate *answered = NULL;
static int	answered_count = 0;
static int	answered_room = 0;
static TimestampTz deadline = DT_NOEND;
static bool forgettable = false;
static XLogRecPtr forgettable_end = 0;
static bool relaxed = false;
static int	saved_synchronous_commit;
static bool extension_changed = false;
static bool extension_dropped = false;
static Oid	new_database = InvalidOid;

static Note *
note_for(Queue *queue)
{
	if (!queue)
		return NULL;
	for (int i = 0; i < note_count; i++)
		if (notes[i].queue == queue)
			return &notes[i];
	if (note_count == note_room)
	{
		int			room = note_room ? note_room * 2 : 8;

		notes = notes ? repalloc(notes, room * sizeof(Note)) :
			MemoryContextAlloc(TopMemoryContext, room * sizeof(Note));
		note_room = room;
	}
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
	if (note->nlocked == note->locked_room)
	{
		int			room = note->locked_room ? note->locked_room * 2 : 64;

		note->locked = note->locked ? repalloc(note->locked, room * sizeof(pg_uuid_t)) :
			MemoryContextAlloc(TopMemoryContext, room * sizeof(pg_uuid_t));
		note->locked_room = room;
	}
	note->locked[note->nlocked++] = *run_id;
}

void
txn_deadline(TimestampTz at)
{
	deadline = Min(deadline, at);
}

void
txn_closed(const pg_uuid_t *run_id)
{
	if (!shared)
		return;
	if (closed_count == closed_room)
	{
		int			room = closed_room ? closed_room * 2 : 64;

		closed = closed ? repalloc(closed, room * sizeof(pg_uuid_t)) :
			MemoryContextAlloc(TopMemoryContext, room * sizeof(pg_uuid_t));
		closed_room = room;
	}
	closed[closed_count++] = *run_id;
}

/*
 * An update was accepted or answered
 */
void
txn_update(const pg_uuid_t *run_id, uint32 update)
{
	if (!shared)
		return;
	if (answered_count == answered_room)
	{
		int			room = answered_room ? answered_room * 2 : 64;

		answered = answered ? repalloc(answered, room * sizeof(AnsweredUpdate)) :
			MemoryContextAlloc(TopMemoryContext, room * sizeof(AnsweredUpdate));
		answered_room = room;
	}
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
 * What is written between these two calls may be lost in a crash: a claim, which
 * then is as if it never was, a heartbeat, or a turn that will be taken again.
 * If the transaction writes nothing else, its commit need not wait for the disk:
 * whatever builds on it and is to last flushes it along, since WAL has an order.
 */
void
txn_begin_forgettable(void)
{
	forgettable = XactLastRecEnd == 0 || XactLastRecEnd == forgettable_end;
}

void
txn_end_forgettable(bool still)
{
	forgettable &= still;
	forgettable_end = XactLastRecEnd;
}

/*
 * Before the commit: no WAL but ours?
 */
static void
relax_commit(void)
{
	if (!forgettable || XactLastRecEnd != forgettable_end || XactLastRecEnd == 0)
		return;
	saved_synchronous_commit = synchronous_commit;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	relaxed = true;
}

static void
forget_all(void)
{
	for (int i = 0; i < note_count; i++)
		if (notes[i].locked)
			pfree(notes[i].locked);
	note_count = 0;
	closed_count = 0;
	answered_count = 0;
	deadline = DT_NOEND;
	extension_changed = false;
	extension_dropped = false;
	new_database = InvalidOid;
	forgettable = false;
	forgettable_end = 0;
	if (relaxed)
		synchronous_commit = saved_synchronous_commit;
	relaxed = false;
	tasknote_forget();
}

static void
end_note(const Note *note, bool commit)
{
	int64		low = commit ? note->mail : Min(note->claimed, note->kept_mail);

	if (low != QUEUE_NONE)
	{
		queue_lower(note->queue, low);
		queue_wake(note->queue);
	}
	queue_release(note->queue, note->locked, note->nlocked);
}

static void
xact_callback(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT;

	if (event == XACT_EVENT_PRE_COMMIT)
		relax_commit();
	if (event == XACT_EVENT_PREPARE)
	{
		tasknote_prepare();
		forget_all();
	}
	if (!commit && event != XACT_EVENT_ABORT)
		return;
	for (int i = 0; i < note_count; i++)
		end_note(&notes[i], commit);
	tasknote_end(commit);
	if (commit && shared)
	{
		if (deadline != DT_NOEND)
			durable_new_deadline(MyDatabaseId, deadline);
		if (closed_count > 0)
			waiter_wake(closed, closed_count);
		if (answered_count > 0)
			waiter_wake_updates(answered, answered_count);
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
	/* whatever error ended the wait, caught or not */
	waiter_end();
	listener_end_transaction(commit);
	forget_all();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		tasknote_sub_abort();
}

void
durable_txn_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
