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
 *	  4. PREPARE drops the notes: COMMIT PREPARED may come from any session, so
 *	  the utility hook (ddl.c) has everything looked at then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/vec.h"
#include "miscadmin.h"
#include "shared/durability.h"
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

/*
 * Something falls due at a time
 */
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

/*
 * A run was closed: who waits for it is told
 */
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
	durability_forget();
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
		durability_pre_commit(closed.count > 0);
	}
	if (event == XACT_EVENT_PREPARE)
	{
		tasknote_prepare();
		forget_all();
	}
	if (!commit && event != XACT_EVENT_ABORT)
		return;
	durability_seen(commit);
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
	durability_told(commit);
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

/*
 * Be called when transactions end
 */
void
durable_txn_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
