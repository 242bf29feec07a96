/*-------------------------------------------------------------------------
 *
 * child_start.c
 *	  Writing the children that a batch of turns starts, and cancel requests to
 *	  children.
 *
 *	  1. All children of a batch are one INSERT into durable.execution and one
 *	  into durable.message, however many parents have however many of them.
 *
 *	  2. A child whose workflow id is taken is left out by that INSERT, and its
 *	  parent gets a message instead of the child.  Where the id belongs to a run
 *	  that another transaction has just started, or is about to close, the INSERT
 *	  waits for that one's end: in a batch of several runs not for long; then the
 *	  batch is undone, and its runs are taken one by one (drive.c).
 *
 *	  3. A run that closes in the turn in which it starts a child has no use for
 *	  it.  Only a child it abandons is started all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/text.h"
#include "batch/child_start.h"
#include "batch/outbox.h"
#include "call/guarded.h"
#include "command/child_command.h"
#include "run/child.h"
#include "run/start.h"
#include "shared/stopevent.h"
#include "storage/proc.h"
#include "store/execution.h"
#include "store/family.h"
#include "store/find.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/timer.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/* Children of a run that are to cancel themselves */
typedef struct ChildCancels
{
	pg_uuid_t	parent;
	int			count;
	int32	   *commands;
} ChildCancels;

/* A child as the batch keeps it, besides its rows */
typedef struct NewChild
{
	pg_uuid_t	run_id;
	pg_uuid_t	parent_run_id;
	int32		command;
	text	   *namespace;		/* for a policy or a conflict */
	text	   *workflow_id;
	OnClosed	on_closed;
	TimestampTz started_at;
	TimestampTz run_deadline;	/* DT_NOEND: none, as the following */
	TimestampTz execution_deadline;
	Datum		first_event;	/* of one that starts later, or 0 */
	TimestampTz not_before;
	bool		large;			/* its input was set aside */
	bool		refused;
} NewChild;

/*
 * Collect a child.  Its rows in the two batches have the same index.
 */
static void
add_child(Batch *batch, Turn *turn, const ChildStart *child)
{
	const Execution *e = &child->execution;
	Event	   *event = &turn->history.events[child->event];
	Message		message = {.run_id = e->run_id, .kind = MESSAGE_START, .at = e->started_at, .payload = event->payload};
	NewChild   *new = palloc(sizeof(NewChild));

	message.payload_id = payload_set_aside(&e->run_id, &message.payload);
	*new = (NewChild) {
		.run_id = e->run_id, .parent_run_id = *e->parent_run_id, .command = e->parent_command,
		.namespace = turn->execution->namespace,
		.workflow_id = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(e->workflow_id)),
		.on_closed = child->on_closed, .started_at = e->started_at,
		.run_deadline = run_deadline(e, child->not_before),
		.execution_deadline = e->execution_deadline, .not_before = child->not_before,
		.large = message.payload_id != 0
	};
	if (child->not_before > e->started_at)
	{
		Event		start = delayed_start_event(e, child->not_before, message.payload, message.payload_id);

		new->first_event = event_form(&start);
	}
	execution_add(&batch->children, e);
	mailbox_add(&batch->child_mail, e->owner, &message);
	batch->new_children = lappend(batch->new_children, new);
}

/*
 * Collect the children that a turn starts, in the batch's memory
 */
void
child_starts_add(Batch *batch, Turn *turn, bool closing)
{
	ListCell   *cell;
	StoreScope	scope;
	MemoryContext context = CurrentMemoryContext;

	if (turn->effects.children == NIL)
		return;
	store_begin(&scope);
	MemoryContextSwitchTo(context);
	foreach(cell, turn->effects.children)
	{
		ChildStart *child = lfirst(cell);
		Event	   *event = &turn->history.events[child->event];

		if (!closing || child->execution.parent_close_policy == CLOSE_ABANDON)
			add_child(batch, turn, child);
		turn->execution->has_children = true;
		event->payload_id = payload_set_aside(&turn->execution->run_id, &event->payload);
	}
	store_end(&scope);
}

/*
 * Insert the runs; `inserted' tells which
 */
static int
insert_children(Batch *batch, pg_uuid_t *inserted)
{
	int			lock_timeout = LockTimeout;
	volatile int n = 0;

	if (batch->nruns > 1)
		LockTimeout = SHARED_LOCK_TIMEOUT;
	PG_TRY();
	{
		n = family_insert(&batch->children, inserted);
	}
	PG_FINALLY();
	{
		LockTimeout = lock_timeout;
	}
	PG_END_TRY();
	return n;
}

/*
 * A child is not started: its parent is told
 */
static void
refuse(Batch *batch, const NewChild *child, const char *message)
{
	Message		m = {
		.run_id = child->parent_run_id, .kind = MESSAGE_CHILD_START_FAILED, .command = child->command,
		.at = durable_now()
	};

	m.attributes = failure_make("workflow_already_exists", ERRCODE_WF_ALREADY_RUNNING, message, 0);
	mailbox_add(&batch->reports, batch->owner, &m);
	if (child->large)
		execution_delete_closed(&child->run_id);
}

/*
 * Does the policy for closed runs of its id let the child start?  If not, its
 * parent is told.
 */
static bool
may_follow(Batch *batch, const NewChild *child)
{
	Found		last;

	if (child->on_closed == ON_CLOSED_ALLOW ||
		!find_closed(PointerGetDatum(child->namespace), PointerGetDatum(child->workflow_id), &last) ||
		!closed_forbids(child->on_closed, last.status))
		return true;
	refuse(batch, child, psprintf("workflow \"%s\" exists: its last run %s",
								  text_to_cstring(child->workflow_id), status_name(last.status)));
	return false;
}

/*
 * Leave out children that may not follow a closed run, before they can be in
 * the way of others
 */
static void
filter_children(Batch *batch)
{
	int			kept = 0;
	ListCell   *cell;

	foreach(cell, batch->new_children)
	{
		NewChild   *child = lfirst(cell);
		int			i = foreach_current_index(cell);

		if (!may_follow(batch, child))
		{
			child->refused = true;
			continue;
		}
		batch->children.rows[kept] = batch->children.rows[i];
		batch->child_mail.rows[kept++] = batch->child_mail.rows[i];
	}
	batch->children.count = batch->child_mail.count = kept;
}

/*
 * The same question once more, now that no run of that id can close any more:
 * if the answer has changed, the child is taken back
 */
static bool
may_stay(Batch *batch, const NewChild *child)
{
	if (may_follow(batch, child))
		return true;
	if (!execution_remove(&child->run_id, 1))
		elog(ERROR, "could not take back a child that was just inserted");
	return false;
}

/*
 * Collect what a child that was inserted has besides row and message; false
 * where it has no message yet
 */
static bool
add_start(Batch *batch, const NewChild *child)
{
	if (child->run_deadline != DT_NOEND)
		timer_add(&batch->timers, &child->run_id, MESSAGE_RUN_TIMEOUT, 0, batch->owner,
				  (DueTime) {child->run_deadline, child->started_at});
	if (child->execution_deadline != DT_NOEND)
		timer_add(&batch->timers, &child->run_id, MESSAGE_EXECUTION_TIMEOUT, 0, batch->owner,
				  (DueTime) {child->execution_deadline, child->started_at});
	if (!child->first_event)
		return true;
	(void) history_add(&batch->history, &child->run_id, batch->owner, 1, child->started_at, 1, false, false,
					   unconstify(Datum *, &child->first_event), 1);
	timer_add(&batch->timers, &child->run_id, MESSAGE_START_DELAY, 0, batch->owner,
			  (DueTime) {child->not_before, child->started_at});
	return false;
}

/*
 * Write the children.  Comes before the batch's timers, histories and reports
 * are written, since it adds to them.
 */
void
child_starts_write(Batch *batch)
{
	pg_uuid_t  *inserted;
	Datum	   *mail = batch->child_mail.rows;
	ListCell   *cell;
	int			n;
	int			i = -1;			/* its rows */
	int			next = 0;
	int			kept = 0;

	if (batch->new_children == NIL)
		return;
	filter_children(batch);
	inserted = palloc(Max(batch->children.count, 1) * sizeof(pg_uuid_t));
	n = insert_children(batch, inserted);
	STOP_EVENT(child_inserted);
	foreach(cell, batch->new_children)
	{
		NewChild   *child = lfirst(cell);

		if (child->refused)
			continue;
		i++;
		if (next == n || !uuid_equal(&inserted[next], &child->run_id))
		{
			refuse(batch, child, psprintf("workflow \"%s\" is already running", text_to_cstring(child->workflow_id)));
			continue;
		}
		next++;
		if (may_stay(batch, child) && add_start(batch, child))
			mail[kept++] = mail[i];
	}
	batch->child_mail.count = kept;
	mailbox_write(&batch->child_mail);
}

/*
 * Collect the children of a turn that are to cancel themselves, in the batch's
 * memory
 */
void
child_cancels_add(Batch *batch, Turn *turn)
{
	ChildCancels *cancels;
	ListCell   *cell;

	if (turn->effects.child_cancels == NIL)
		return;
	cancels = palloc(sizeof(ChildCancels));
	*cancels = (ChildCancels) {.parent = turn->execution->run_id};
	cancels->commands = palloc(list_length(turn->effects.child_cancels) * sizeof(int32));
	foreach(cell, turn->effects.child_cancels)
		cancels->commands[cancels->count++] = lfirst_int(cell);
	batch->child_cancels = lappend(batch->child_cancels, cancels);
}

/*
 * Send them the requests
 */
void
child_cancels_write(Batch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->child_cancels)
	{
		ChildCancels *cancels = lfirst(cell);

		children_cancel(&cancels->parent, cancels->commands, cancels->count, batch->owner);
	}
}
