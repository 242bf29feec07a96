/*-------------------------------------------------------------------------
 *
 * tasknote.c
 *	  What task queues are to know when the current transaction has ended.
 *
 *	  1. Tasks that came are told at commit, and one who waits is woken.  Claims
 *	  that are undone are told at abort.
 *
 *	  2. Counts of what runs go up when a task is claimed, so that no other claim
 *	  exceeds a limit, and back at abort; they go down at commit.
 *
 *	  3. A rolled back subtransaction may have claimed or ended tasks.  Then the
 *	  queue counts anew, and looks again where the claims were.  It counts anew
 *	  too if it did so while this transaction was open.
 *
 *	  4. Between note_begin_change() and note_end_change() the queue is told
 *	  things that the tables are read for only afterwards.  If that is undone in
 *	  between, the queue is not known any more, from the beginning of its lanes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/testmode.h"
#include "base/text.h"
#include "base/vec.h"
#include "miscadmin.h"
#include "shared/fairness.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "shared/taskqueue.h"
#include "utils/memutils.h"

typedef struct Position
{
	bool		any;
	int64		place;
	int64		seq;
} Position;

typedef enum KeyChange
{
	KEY_STARTED,
	KEY_UNPARKED,				/* and started */
	KEY_PARKED,
	KEY_ENDED
} KeyChange;

typedef struct KeyNote
{
	uint32		hash;
	KeyChange	change;
} KeyNote;

typedef struct TaskNote
{
	TaskQueue  *queue;
	TaskQueueName name;			/* whose entry it was then */
	uint32		counts;			/* the queue's, when the note was made */
	Position	arrived[PRIORITIES];
	Position	claimed[PRIORITIES];
	int			started;
	int			ended;
	int			tokens;			/* of the rate limit */
	uint32		notified;		/* whose hunger our NOTIFY is for */
	bool		changed;		/* limits or rows, so that it has to count anew */
	int			changing;		/* depth of note_begin_change() */
	int			level;			/* deepest nesting of changes and claims */
	KeyNote    *keys;
	int			nkeys;
	int			keys_room;
} TaskNote;

typedef struct CancelNote
{
	pg_uuid_t	run_id;
	int32		command;
	int32		lease;
} CancelNote;

static TaskNote *notes = NULL;
static int	note_count = 0;
static int	note_room = 0;
static CancelNote *cancels = NULL;
static int	cancel_count = 0;
static int	cancel_room = 0;
static int	note_level = 0;			/* deepest nesting at which a claim was noted */
static bool sub_aborted = false;

static TaskNote *
note_for(TaskQueue *queue)
{
	for (int i = 0; i < note_count; i++)
		if (notes[i].queue == queue && notes[i].name.id == queue->id)
			return &notes[i];
	notes = vec_room(notes, note_count, &note_room, sizeof(TaskNote), TopMemoryContext);
	memset(&notes[note_count], 0, sizeof(TaskNote));
	notes[note_count].queue = queue;
	notes[note_count].name = (TaskQueueName) {queue->id, queue->topic, queue->owner, queue->external};
	notes[note_count].counts = queue->counts;
	return &notes[note_count++];
}

static void
lower(Position *position, int64 place, int64 seq)
{
	if (position->any && (position->place < place || (position->place == place && position->seq <= seq)))
		return;
	*position = (Position) {true, place, seq};
}

/*
 * What the queue is told from now on goes before what the tables are read for
 */
void
note_begin_change(TaskQueue *queue)
{
	TaskNote   *note = note_for(queue);

	note_level = Max(note_level, GetCurrentTransactionNestLevel());
	note->level = Max(note->level, GetCurrentTransactionNestLevel());
	note->changing++;
}

/*
 * What the queue was told is what the tables say
 */
void
note_end_change(TaskQueue *queue)
{
	TaskNote   *note = note_for(queue);

	note->changing--;
	/* it may have been counted anew by ourselves */
	if (note->started == 0 && note->ended == 0 && note->nkeys == 0)
		note->counts = queue->counts;
}

/*
 * A task was written with this place
 */
void
note_task_arrived(TaskQueue *queue, int64 place, int64 seq)
{
	lower(&note_for(queue)->arrived[LANE_OF(place)], place, seq);
}

/*
 * A task is in our hands until the transaction's end, if it is undone
 */
void
note_task_claimed(TaskQueue *queue, int64 place, int64 seq)
{
	TaskNote   *note = note_for(queue);

	note_level = Max(note_level, GetCurrentTransactionNestLevel());
	note->level = Max(note->level, GetCurrentTransactionNestLevel());
	lower(&note->claimed[LANE_OF(place)], place, seq);
}

/*
 * It counts as running from now on
 */
void
note_task_started(TaskQueue *queue)
{
	note_level = Max(note_level, GetCurrentTransactionNestLevel());
	SpinLockAcquire(&queue->mutex);
	queue->running++;
	queue->open++;
	SpinLockRelease(&queue->mutex);
	note_for(queue)->started++;
}

/*
 * So many tasks are taken, by the rate limit
 */
void
note_tokens(TaskQueue *queue, int count)
{
	SpinLockAcquire(&queue->mutex);
	queue->tokens -= count;
	SpinLockRelease(&queue->mutex);
	note_for(queue)->tokens += count;
}

/*
 * A task that was counted as running has ended
 */
void
note_task_ended(TaskQueue *queue)
{
	note_level = Max(note_level, GetCurrentTransactionNestLevel());
	note_for(queue)->ended++;
}

static void
note_key(TaskQueue *queue, uint32 hash, KeyChange change)
{
	TaskNote   *note = note_for(queue);

	note_level = Max(note_level, GetCurrentTransactionNestLevel());
	note->keys = vec_room(note->keys, note->nkeys, &note->keys_room, sizeof(KeyNote), TopMemoryContext);
	note->keys[note->nkeys++] = (KeyNote) {hash, change};
}

/*
 * A task of a key was counted as running; the same goes for the following
 */
void
note_key_started(TaskQueue *queue, uint32 hash, bool was_parked)
{
	note_key(queue, hash, was_parked ? KEY_UNPARKED : KEY_STARTED);
}

/*
 * A task of a key was parked
 */
void
note_key_parked(TaskQueue *queue, uint32 hash)
{
	fairness_count(queue, hash, 0, 1);
	note_key(queue, hash, KEY_PARKED);
}

/*
 * A task of a key ends; it is counted at commit
 */
void
note_key_ended(TaskQueue *queue, uint32 hash)
{
	note_key(queue, hash, KEY_ENDED);
}

/*
 * This transaction sends a NOTIFY for the queue, to listener_hungry()
 */
void
note_task_notified(TaskQueue *queue, uint32 hungry)
{
	note_for(queue)->notified = hungry;
}

/*
 * Was a NOTIFY for its tasks sent in this transaction?
 */
bool
task_is_notified(TaskQueue *queue)
{
	return note_for(queue)->notified != 0;
}

/*
 * Limits or rows changed in a way that makes it count anew
 */
void
note_queue_changed(TaskQueue *queue)
{
	note_for(queue)->changed = true;
}

/*
 * An attempt that runs in the server is to end
 */
void
note_cancel(const pg_uuid_t *run_id, int32 command, int32 lease)
{
	cancels = vec_room(cancels, cancel_count, &cancel_room, sizeof(CancelNote), TopMemoryContext);
	cancels[cancel_count++] = (CancelNote) {*run_id, command, lease};
}

static void
end_key(TaskQueue *queue, const KeyNote *key, bool commit)
{
	switch (key->change)
	{
		case KEY_STARTED:
			fairness_end_open(queue, key->hash);
			if (!commit)
				fairness_count(queue, key->hash, -1, 0);
			break;
		case KEY_UNPARKED:
			fairness_end_open(queue, key->hash);
			if (!commit)
				fairness_count(queue, key->hash, -1, 1);
			break;
		case KEY_PARKED:
			/* at commit too: whoever looked in between did not see the row */
			fairness_count(queue, key->hash, 0, commit ? 0 : -1);
			break;
		case KEY_ENDED:
			if (commit)
				fairness_count(queue, key->hash, -1, 0);
			break;
	}
}

/*
 * Is the entry another queue's by now, or was there none?  Then nothing that was
 * counted is left.
 */
static bool
is_lost(const TaskNote *note)
{
	const TaskQueue *queue = note->queue;

	if (!shared || test_mode)
		return false;
	return queue < shared->task_queues || queue >= shared->task_queues + MAX_TASK_QUEUES ||
		queue->dbid != MyDatabaseId || queue->id != note->name.id;
}

/*
 * Have what came looked at nevertheless
 */
static void
end_lost(const TaskNote *note)
{
	TaskQueue  *queue = task_queue_find(note->name.id);

	if (queue)
		task_queue_look_again(queue);
	else if (note->name.external)
		task_queue_wake_external(note->name.topic, note->name.owner, note->notified);
	else
		durable_look_later(MyDatabaseId);
}

static void
end_note(TaskNote *note, bool commit)
{
	TaskQueue  *queue = note->queue;
	int			ended = commit ? note->ended : note->started;
	TimestampTz freed_at;
	bool		forget;
	bool		wake = false;

	if (is_lost(note))
	{
		end_lost(note);
		return;
	}
	if (note->changing > 0)
	{
		task_queue_look_again(queue);
		wake = true;
	}
	for (int i = 0; i < PRIORITIES; i++)
	{
		if (commit && note->arrived[i].any)
			task_queue_lower(queue, note->arrived[i].place, note->arrived[i].seq);
		if ((!commit || sub_aborted) && note->claimed[i].any)
			task_queue_lower(queue, note->claimed[i].place, note->claimed[i].seq);
		wake |= (commit && note->arrived[i].any) || ((!commit || sub_aborted) && note->claimed[i].any);
	}
	for (int i = 0; i < note->nkeys; i++)
		end_key(queue, &note->keys[i], commit);
	SpinLockAcquire(&queue->mutex);
	queue->open = Max(queue->open - note->started, 0);
	queue->running = Max(queue->running - ended, 0);
	if (!commit)
		queue->tokens += note->tokens;
	/* what we counted may have been counted anew by others, or be undone in part */
	forget = note->changed ||
		((sub_aborted || queue->counts != note->counts) && (note->started > 0 || note->ended > 0 || note->nkeys > 0));
	freed_at = queue->freed_at;
	SpinLockRelease(&queue->mutex);
	if (forget)
		task_queue_forget(queue);
	if (freed_at != DT_NOEND && note->nkeys > 0)
		durable_new_deadline(MyDatabaseId, freed_at);
	wake |= (ended > 0 || note->changed) && task_queue_ready(queue);
	if (wake)
		task_queue_wake(queue, commit ? note->notified : 0);
}

/*
 * Tell the activity worker that runs it
 */
static void
tell_cancel(const CancelNote *note)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->kind != SLOT_ACTIVITY_WORKER || slot->lease == 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->dbid == MyDatabaseId && slot->lease == note->lease && slot->command == note->command &&
			uuid_equal(&slot->run_id, &note->run_id))
			slot->cancel = true;
		SpinLockRelease(&slot->mutex);
	}
}

/*
 * Is there anything to tell?
 */
bool
tasknote_any(void)
{
	return note_count > 0 || cancel_count > 0;
}

/*
 * The next transaction begins
 */
void
tasknote_forget(void)
{
	for (int i = 0; i < note_count; i++)
		if (notes[i].keys)
			pfree(notes[i].keys);
	note_count = 0;
	cancel_count = 0;
	note_level = 0;
	sub_aborted = false;
}

/*
 * The transaction has ended
 */
void
tasknote_end(bool commit)
{
	for (int i = 0; i < note_count; i++)
	{
		STOP_EVENT(task_note_end);
		end_note(&notes[i], commit);
	}
	for (int i = 0; i < cancel_count && commit && shared; i++)
		tell_cancel(&cancels[i]);
	tasknote_forget();
}

/*
 * The transaction is being prepared: from now on it is no open one of this
 * process.  Its end has everything counted anew (ddl.c).
 */
void
tasknote_prepare(void)
{
	for (int i = 0; i < note_count; i++)
	{
		TaskNote   *note = &notes[i];

		if (is_lost(note))
			continue;
		for (int j = 0; j < note->nkeys; j++)
			if (note->keys[j].change == KEY_STARTED || note->keys[j].change == KEY_UNPARKED)
				fairness_end_open(note->queue, note->keys[j].hash);
		SpinLockAcquire(&note->queue->mutex);
		note->queue->open = Max(note->queue->open - note->started, 0);
		SpinLockRelease(&note->queue->mutex);
	}
	tasknote_forget();
}

/*
 * A subtransaction is being rolled back.  Who waits for tasks that it had does
 * not wait for the end of the transaction, which may be long in coming.
 */
void
tasknote_sub_abort(void)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level > note_level)
		return;
	sub_aborted = true;
	for (int i = 0; i < note_count; i++)
	{
		if (notes[i].level < level)
			continue;
		notes[i].level = level - 1;
		notes[i].changing = 0;
		if (!is_lost(&notes[i]))
			task_queue_look_again(notes[i].queue);
	}
}
