/*-------------------------------------------------------------------------
 *
 * close.c
 *	  Runs are closed from outside their turns, with their children.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/text.h"
#include "run/child.h"
#include "run/close.h"
#include "run/outside.h"
#include "shared/holder.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/family.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/store.h"
#include "task/notify.h"
#include "task/sweep.h"
#include "utils/builtins.h"

/* Children that one transaction terminates at most */
#define MAX_TERMINATED		1000

#define POLICY_REASON		"by parent close policy"

/*
 * Collect the last row of history: mail the run has not read yet, then its
 * end
 */
static void
add_last_events(RowBatch *history, Execution *e, const Message *messages, int n, text *reason)
{
	Event		closing = {.type = EVENT_WORKFLOW_TERMINATED, .at = durable_now(), .name = reason};
	Datum	   *events = palloc((n + 1) * sizeof(Datum));
	int			count = 0;
	Event		event;

	for (int i = 0; i < n; i++)
		/* an update that nobody will answer is not accepted */
		if (messages[i].kind != MESSAGE_UPDATE && mail_to_event(&messages[i], &event))
			events[count++] = event_form(&event);
	events[count++] = event_form(&closing);
	e->history_bytes += history_add(history, &e->run_id, e->owner, e->next_event, closing.at,
									count - 1, false, false, events, count);
	e->next_event += count;
}

static int
compare_mail(const void *a, const void *b)
{
	const Message *x = a;
	const Message *y = b;
	int			order = memcmp(&x->run_id, &y->run_id, sizeof(pg_uuid_t));

	return order ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static int
compare_executions(const void *a, const void *b)
{
	return memcmp(&((const Execution *) a)->run_id, &((const Execution *) b)->run_id, sizeof(pg_uuid_t));
}

/*
 * Write the last events of some runs, and empty their mailboxes.  Sorts the
 * runs.
 */
static void
write_last_events(Execution *runs, const pg_uuid_t *ids, int count, text *reason)
{
	Message    *messages;
	int			n = mailbox_read(ids, count, CurrentMemoryContext, &messages);
	int			from = 0;
	RowBatch	batch;

	qsort(messages, n, sizeof(Message), compare_mail);
	qsort(runs, count, sizeof(Execution), compare_executions);
	rows_init(&batch, TABLE_HISTORY, CurrentMemoryContext);
	for (int i = 0; i < count; i++)
	{
		int			end = from;

		while (end < n && uuid_equal(&messages[end].run_id, &runs[i].run_id))
			end++;
		add_last_events(&batch, &runs[i], &messages[from], end - from, reason);
		from = end;
	}
	history_write(&batch);
	mailbox_empty(ids, count);
}

/*
 * Close runs of one owner that are locked, without running code.  Their
 * children are the caller's business.  `next' is the run that goes on for one
 * of them, and reports to its parent, or NULL.
 */
void
runs_close_terminated(Execution *runs, int count, text *reason, const pg_uuid_t *next)
{
	pg_uuid_t  *ids = palloc(Max(count, 1) * sizeof(pg_uuid_t));
	pg_uuid_t  *timed = palloc(Max(count, 1) * sizeof(pg_uuid_t));
	int			ntimed = 0;
	Jsonb	   *failure = failure_of_termination(reason);
	RowBatch	closed;
	RowBatch	reports;

	if (count == 0)
		return;
	rows_init(&closed, TABLE_CLOSED, CurrentMemoryContext);
	rows_init(&reports, TABLE_MESSAGE, CurrentMemoryContext);
	for (int i = 0; i < count; i++)
	{
		refuse_own_run(&runs[i].run_id);
		ids[i] = runs[i].run_id;
		if (runs[i].has_timers)
			timed[ntimed++] = runs[i].run_id;
	}
	write_last_events(runs, ids, count, reason);
	if (ntimed > 0)
		sweep_runs(timed, ntimed, runs[0].owner);
	STOP_EVENT(terminate_written);
	if (!execution_remove(ids, count))
		elog(ERROR, "could not remove a run that is locked");
	for (int i = 0; i < count; i++)
	{
		closed_add(&closed, &runs[i], STATUS_TERMINATED, durable_now(), next);
		if (!next)
			child_report(&reports, &runs[i], STATUS_TERMINATED, NULL, failure);
		txn_closed(&runs[i].run_id);
		notify_status(&runs[i], STATUS_TERMINATED);
	}
	closed_write(&closed);
	mailbox_write_to_open(&reports);
}

/*
 * Ask the children of closed runs to cancel themselves whose start said so.
 * Those that someone else is closing are looked at again later.
 */
static void
cancel_children(const pg_uuid_t *parents, int count, Oid owner)
{
	Member	   *left;
	int			nleft = family_cancel(parents, count, NULL, 0, POLICY_REASON, &left);

	STOP_EVENT(children_cancelled);
	for (int i = 0; i < nleft; i++)
		sweep_later(&left[i].parent, SWEEP_CANCEL_CHILDREN, owner);
}

/*
 * Terminate those whose start said so.  Returns those that have children
 * themselves; `room' is what the transaction may still terminate.
 */
static int
terminate_children(const pg_uuid_t *parents, int count, Oid owner, int *room, pg_uuid_t **next)
{
	Execution  *children;
	pg_uuid_t  *left;
	int			nleft;
	int			nnext = 0;
	int			n = execution_lock_children(parents, count, CLOSE_TERMINATE, *room, &children);

	*room -= n;
	*next = palloc(Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
	{
		txn_locked(children[i].owner, &children[i].run_id);
		if (children[i].has_children)
			(*next)[nnext++] = children[i].run_id;
	}
	runs_close_terminated(children, n, cstring_to_text(POLICY_REASON), NULL);
	STOP_EVENT(children_terminated);
	nleft = family_parents(parents, count, CLOSE_TERMINATE, &left);
	for (int i = 0; i < nleft; i++)
		sweep_later(&left[i], SWEEP_RUN, owner);
	return nnext;
}

static void
terminate_all(const pg_uuid_t *parents, int count, Oid owner, bool cancel)
{
	int			room = MAX_TERMINATED;

	while (count > 0)
	{
		pg_uuid_t  *next;

		if (cancel)
			cancel_children(parents, count, owner);
		count = terminate_children(parents, count, owner, &room, &next);
		parents = next;
		cancel = true;
	}
}

/*
 * Runs have closed: see to their children
 */
void
children_close(const pg_uuid_t *parents, int count, Oid owner)
{
	terminate_all(parents, count, owner, true);
}

/*
 * Go on with what was left the time before; the parent is closed
 */
void
children_sweep(const pg_uuid_t *parent, int32 command, Oid owner)
{
	pg_uuid_t  *left;
	int			n;

	if (command > 0)
		children_cancel(parent, &command, 1, owner);
	else if (command == SWEEP_CANCEL_CHILDREN)
		cancel_children(parent, 1, owner);
	else
	{
		terminate_all(parent, 1, owner, false);
		/* who has them in a step gives them away */
		n = family_left(parent, 1, CLOSE_TERMINATE, MAX_DOOMED, &left);
		holders_doom(left, n);
	}
}

/*
 * Close a run at once, without running code; a turn that has it is undone.
 * False where it is closed.  `next' is the run that goes on for it, or NULL.
 */
bool
run_replace(const pg_uuid_t *run_id, text *reason, const pg_uuid_t *next)
{
	Execution	e;

	if (!run_take(run_id, true, CurrentMemoryContext, &e))
		return false;
	txn_locked(e.owner, run_id);
	STOP_EVENT(terminate_locked);
	runs_close_terminated(&e, 1, reason, next);
	if (e.has_children)
		children_close(run_id, 1, e.owner);
	return true;
}

/*
 * Close a run at once, without running code; false where it is closed
 */
bool
run_terminate(const pg_uuid_t *run_id, text *reason)
{
	return run_replace(run_id, reason, NULL);
}
