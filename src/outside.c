/*-------------------------------------------------------------------------
 *
 * outside.c
 *	  What is done to a run from outside its turns.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "batch.h"
#include "clock.h"
#include "notify.h"
#include "outside.h"
#include "payload.h"
#include "sweep.h"
#include "txn.h"
#include "utils/fmgrprotos.h"

/*
 * Send a message to an open run; its claim is woken at commit
 */
void
run_send(const Found *run, Message *message)
{
	message->run_id = run->run_id;
	message->at = durable_now();
	txn_mail(run->owner, mailbox_send(run->owner, message));
}

/*
 * Signal a run; false where it is closed.  From here to the end of the
 * transaction the run cannot close, so the signal is not lost.
 */
bool
run_signal(const Found *run, text *signal, Jsonb *payload, text *request_id)
{
	Message		message = {.kind = MESSAGE_SIGNAL, .name = signal, .payload = payload};

	/* SQL NULL is what a wait for a signal that did not come returns */
	if (!payload)
		message.payload = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("null")));
	if (!execution_hold(&run->run_id))
		return false;
	txn_locked(run->owner, &run->run_id);
	if (request_id && !mailbox_take_request(&run->run_id, PointerGetDatum(request_id)))
		return true;
	message.payload_id = payload_set_aside(&run->run_id, &message.payload);
	run_send(run, &message);
	return true;
}

/*
 * Write an event from outside, after the mail that the run has not read yet.
 * What mail is no event stays in the mailbox.
 */
void
run_add_event(Execution *e, const Event *last)
{
	Message    *messages;
	int			n = mailbox_read(&e->run_id, 1, CurrentMemoryContext, &messages);
	Datum	   *events = palloc((n + 1) * sizeof(Datum));
	ItemPointerData *taken = palloc(Max(n, 1) * sizeof(ItemPointerData));
	bool		closes = last->type == EVENT_WORKFLOW_TERMINATED;
	int			count = 0;
	Event		event;
	RowBatch	batch;

	for (int i = 0; i < n; i++)
		if (mail_to_event(&messages[i], &event))
		{
			taken[count] = messages[i].tid;
			events[count++] = event_form(&event);
		}
	mailbox_consume(taken, count);
	events[count++] = event_form(last);
	rows_init(&batch, TABLE_HISTORY, CurrentMemoryContext);
	e->history_bytes += history_add(&batch, &e->run_id, e->owner, e->next_event, last->at,
									closes ? count - 1 : count, false, false, events, count);
	e->next_event += count;
	history_write(&batch);
}

/*
 * Close a run at once, without running code; waits for a turn that has it.
 * False where it is closed.  `next' is the run that goes on for it, or NULL.
 */
bool
run_replace(const pg_uuid_t *run_id, text *reason, const pg_uuid_t *next)
{
	Event		closing = {.type = EVENT_WORKFLOW_TERMINATED, .at = durable_now(), .name = reason};
	Execution	e;
	RowBatch	batch;

	if (!execution_lock(run_id, CurrentMemoryContext, &e))
		return false;
	txn_locked(e.owner, run_id);
	run_add_event(&e, &closing);
	mailbox_empty(run_id, 1);
	if (e.has_timers)
		sweep_runs(run_id, 1, e.owner);
	if (!execution_remove(run_id, 1))
		elog(ERROR, "could not remove a run that is locked");
	rows_init(&batch, TABLE_CLOSED, CurrentMemoryContext);
	closed_add(&batch, &e, STATUS_TERMINATED, durable_now(), next);
	closed_write(&batch);
	txn_closed(run_id);
	notify_status(&e, STATUS_TERMINATED);
	return true;
}

bool
run_terminate(const pg_uuid_t *run_id, text *reason)
{
	return run_replace(run_id, reason, NULL);
}
