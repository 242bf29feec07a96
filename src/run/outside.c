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

#include "base/clock.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/text.h"
#include "call/running.h"
#include "run/outside.h"
#include "shared/holder.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/update.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/*
 * Lock a run in order to change it, or (`close') to close it; false where it is
 * not open.  A turn that has it gives it away, with the step it may be in, and is
 * taken again later.
 */
bool
run_take(const pg_uuid_t *run_id, bool close, MemoryContext context, Execution *e)
{
	volatile bool open = false;

	holders_want(run_id);
	PG_TRY();
	{
		open = close ? execution_lock(run_id, context, e) : execution_lock_turns(run_id, context, e);
	}
	PG_FINALLY();
	{
		holders_want_no_more();
	}
	PG_END_TRY();
	return open;
}

/*
 * Send a message to an open run; its claim is woken at commit
 */
void
run_send(const Found *run, Message *message)
{
	message->run_id = run->run_id;
	message->at = durable_now();
	txn_mail(run->owner, mailbox_send(run->owner, message));
	STOP_EVENT(send_sent);
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
		message.payload = json_null();
	if (!execution_hold(&run->run_id))
		return false;
	txn_locked(run->owner, &run->run_id);
	STOP_EVENT(signal_held);
	if (request_id && !mailbox_take_request(&run->run_id, PointerGetDatum(request_id)))
		return true;
	message.payload_id = payload_set_aside(&run->run_id, &message.payload);
	run_send(run, &message);
	return true;
}

/*
 * Ask a run to cancel itself; false where it is closed.  *asked: it had been
 * asked before, and is not asked again.
 */
bool
run_cancel(const Found *run, text *reason, bool *asked)
{
	Message		message = {.kind = MESSAGE_CANCEL, .name = reason};

	*asked = false;
	if (!execution_hold(&run->run_id))
		return false;
	txn_locked(run->owner, &run->run_id);
	STOP_EVENT(cancel_held);
	*asked = mailbox_cancel_requested(&run->run_id);
	if (*asked)
		return true;
	run_send(run, &message);
	return true;
}

/*
 * Send an update; false where the run is closed.  One that was sent before is
 * not sent again.
 */
bool
run_update(const Found *run, text *update_id, text *name, Jsonb *args)
{
	Message		message = {.kind = MESSAGE_UPDATE, .name = name, .payload = args};
	Update		update = {
		.run_id = run->run_id, .update_id = update_id, .owner = run->owner, .name = name,
		.state = UPDATE_ADMITTED, .requested_at = durable_now()
	};
	JsonBuilder b;

	if (!execution_hold(&run->run_id))
		return false;
	txn_locked(run->owner, &run->run_id);
	message.payload_id = payload_set_aside(&run->run_id, &message.payload);
	update.args = message.payload;
	update.args_id = message.payload_id;
	if (!update_insert(&update))
		return true;
	json_begin(&b);
	json_add_text(&b, "update_id", text_to_cstring(update_id));
	STOP_EVENT(update_inserted);
	message.attributes = json_end(&b);
	run_send(run, &message);
	return true;
}

/*
 * The turn that a step is part of is written when the step is done, and takes its
 * run for what it was before
 */
void
refuse_own_run(const pg_uuid_t *run_id)
{
	if (current_turn && uuid_equal(&current_turn->execution->run_id, run_id))
		ereport(ERROR,
				(errcode(ERRCODE_WF_FENCED),
				 errmsg("a step cannot end, pause, reset or give away the workflow it is part of"),
				 errhint("Leave that to the code of the workflow, or run the activity with mode => 'queued'.")));
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
	int			count = 0;
	Event		event;
	RowBatch	batch;

	refuse_own_run(&e->run_id);
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
									count, false, false, events, count);
	e->next_event += count;
	history_write(&batch);
}
