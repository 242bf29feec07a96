/*-------------------------------------------------------------------------
 *
 * continue.c
 *	  Continue-as-new: the run that goes on is planned and written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "batch/continue.h"
#include "batch/outbox.h"
#include "command/continuation.h"
#include "run/start.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/update.h"
#include "turn/turn.h"

/* A run that closes and the one that goes on for it */
typedef struct ContinuedRun
{
	pg_uuid_t	old_run_id;
	Execution	next;
	Jsonb	   *input;
	Message    *mail;			/* read, but not by the code */
	int			nmail;
} ContinuedRun;

static bool
update_is_done(Turn *turn, int accepted)
{
	char	   *id = json_find_text(turn->history.events[accepted].attributes, "update_id");

	for (int i = accepted + 1; id && i < turn->history.nevents; i++)
	{
		const Event *event = &turn->history.events[i];
		char	   *done = event->type != EVENT_UPDATE_COMPLETED ? NULL :
			json_find_text(event->attributes, "update_id");

		if (done && strcmp(done, id) == 0)
			return true;
	}
	return false;
}

/*
 * Which events of the history has the code taken no notice of?
 */
static bool *
find_unread(Turn *turn)
{
	bool	   *unread = palloc0(turn->history.nevents * sizeof(bool));

	for (int i = 0; i < turn->history.nsignals; i++)
		for (int j = turn->history.signals[i].read; j < turn->history.signals[i].count; j++)
			unread[turn->history.signals[i].events[j]] = true;
	if (turn->history.cancel_event >= 0 && !turn->pass.cancel_delivered)
		unread[turn->history.cancel_event] = true;
	for (int i = 0; i < turn->history.nevents; i++)
		if (turn->history.events[i].type == EVENT_UPDATE_ACCEPTED && !update_is_done(turn, i))
			unread[i] = true;
	return unread;
}

/*
 * Collect them as messages, in memory of the batch
 */
static void
collect_mail(Turn *turn, ContinuedRun *run)
{
	bool	   *unread = find_unread(turn);

	run->mail = palloc(turn->history.nevents * sizeof(Message));
	for (int i = 0; i < turn->history.nevents; i++)
	{
		Message    *m = &run->mail[run->nmail];

		if (!unread[i] || !event_as_mail(&turn->history.events[i], m))
			continue;
		m->run_id = run->next.run_id;
		m->name = varlena_copy(m->name);
		m->payload = varlena_copy(m->payload);
		m->payload_id = payload_copy(m->payload_id, &run->next.run_id);
		m->attributes = varlena_copy(m->attributes);
		run->nmail++;
	}
	pfree(unread);
}

static void
shape_next(Execution *next, const Execution *e, const Continuation *c)
{
	*next = *e;
	generate_run_id(&next->run_id);
	if (!e->first_run_id)
		next->first_run_id = fixed_copy(&e->run_id, sizeof(pg_uuid_t));
	next->continued_from = fixed_copy(&e->run_id, sizeof(pg_uuid_t));
	next->seed = NULL;
	next->attempt = 1;
	next->request_id = NULL;
	if (c->workflow)
		next->workflow = c->workflow;
	if (c->function)
		next->function = c->function;
	if (c->run_timeout)
		next->run_timeout = c->run_timeout;
	if (c->retry)
		next->retry = c->retry;
	if (c->memo)
		next->memo = c->memo;
	if (c->search_attributes)
		next->search_attributes = c->search_attributes;
	if (c->priority)
		next->priority = c->priority;
	if (c->fairness_key)
		next->fairness_key = c->fairness_key;
	if (c->weight > 0)
		next->weight = c->weight;
}

/*
 * Prepare the new run; returns its id.  It is written with the batch.
 */
const pg_uuid_t *
plan_continuation(Batch *batch, Turn *turn)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	ContinuedRun *run = palloc0(sizeof(ContinuedRun));
	Continuation c;

	continuation_copy(&c, &turn->continuation);
	run->old_run_id = turn->execution->run_id;
	shape_next(&run->next, turn->execution, &c);
	run->input = c.input ? c.input : turn->input_id ? payload_load(turn->input_id) : varlena_copy(turn->input);
	collect_mail(turn, run);
	batch->continued = lappend(batch->continued, run);
	STOP_EVENT(continue_planned);
	if (batch->keeps_mail)
	{
		batch->cut = true;
		batch->cut_run = run->next.run_id;
	}
	MemoryContextSwitchTo(old);
	return &run->next.run_id;
}

/*
 * A message to a new run was written.  Where this process goes on with the run
 * itself, it is not for others.
 */
static void
tell(Batch *batch, int64 seq)
{
	if (batch->keeps_mail)
		txn_keep_mail(batch->owner, batch->cut_seq);
	else
		txn_mail(batch->owner, seq);
}

/*
 * Start the new runs.  The old ones are removed.
 */
void
write_continuations(Batch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->continued)
	{
		ContinuedRun *run = lfirst(cell);
		int64		seq;
		int64		moved;

		run->next.started_at = durable_now();
		if (!run_start(&run->next, run->input, 0, &seq))
			elog(ERROR, "could not continue a run whose workflow id was just freed");
		if (batch->keeps_mail)
			batch->cut_seq = seq;
		tell(batch, seq);
		STOP_EVENT(continue_started);
		for (int i = 0; i < run->nmail; i++)
			tell(batch, mailbox_send(batch->owner, &run->mail[i]));
		moved = mailbox_move(&run->old_run_id, &run->next.run_id);
		if (moved > 0)
			tell(batch, moved);
		STOP_EVENT(continue_moved);
		update_move(&run->old_run_id, &run->next.run_id);
	}
}
