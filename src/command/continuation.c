/*-------------------------------------------------------------------------
 *
 * continuation.c
 *	  Continue-as-new: a run closes, and a new one goes on for it.
 *
 *	  1. The code leaves and does not come back.  The old run closes and the new
 *	  one starts in the transaction of the batch, so there is never none and
 *	  never two.  The new run gets its first turn in a later batch.
 *
 *	  2. What the old run was sent and has not taken notice of goes along, in its
 *	  order: first what is in its history, then what is still in its mailbox
 *	  (mailbox_move).  All of it gets new places in the mailbox, behind the new
 *	  run's start.  Whoever sends meanwhile holds the run open (execution.c), so
 *	  the batch is undone, or waits for us and then finds the new run.
 *
 *	  3. That a continuation is due is told by an event, the first time that the
 *	  code asks and it is so: the settings may be others when it is replayed.  The
 *	  answer is the same for all of a turn, like everything that changes with
 *	  time (replay.c): that of the first time it is asked in it.
 *
 *	  4. What would go along does not count: a run that was sent more than it
 *	  takes to suggest a continuation would hand all of it on after each message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/extension.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/stopevent.h"
#include "command/command.h"
#include "command/continuation.h"
#include "command/saga.h"
#include "fence/fence.h"
#include "run/start.h"
#include "shared/txn.h"
#include "store/payload.h"
#include "store/update.h"
#include "turn/match.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* A run that closes and the one that goes on for it */
typedef struct ContinuedRun
{
	pg_uuid_t	old_run_id;
	Execution	next;
	Jsonb	   *input;
	Message    *mail;			/* read, but not by the code */
	int			nmail;
} ContinuedRun;

static void *
keep(const void *value)
{
	return value ? PG_DETOAST_DATUM_COPY(PointerGetDatum(value)) : NULL;
}

static void *
keep_fixed(const void *value, Size size)
{
	return value ? memcpy(palloc(size), value, size) : NULL;
}

static void
copy_continuation(Continuation *to, const Continuation *from)
{
	to->input = keep(from->input);
	to->workflow = keep(from->workflow);
	to->function = keep(from->function);
	to->run_timeout = keep_fixed(from->run_timeout, sizeof(Interval));
	to->retry = keep(from->retry);
	to->memo = keep(from->memo);
	to->search_attributes = keep(from->search_attributes);
	to->priority = from->priority;
	to->fairness_key = keep(from->fairness_key);
	to->weight = from->weight;
}

/*
 * The input of a run that the code starts, with what its defaults are by now.
 * That is not replayed, so the code's fence is not in its way; a sequence may be
 * among it.  What else it does ends with the pass.
 */
Jsonb *
command_new_input(Turn *turn, Callable *workflow, Jsonb *input)
{
	bool		read_only = XactReadOnly;
	Jsonb	   *volatile result = NULL;

	fence_end(turn);
	XactReadOnly = false;
	PG_TRY();
	{
		result = callable_complete_input(workflow, input);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
		fence_go_on(turn);
	}
	PG_END_TRY();
	payload_check(result, "input");
	return result;
}

/*
 * The code asks to continue as a new run
 */
void
command_continue_as_new(Turn *turn, const Continuation *continuation)
{
	MemoryContext old;

	if (!turn_all_matched(turn))
	{
		Command    *command = &turn->commands[turn->next_command - 1];

		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is %s, but the code now continues as new before it",
							 command->event + 1, event_type_name(command->type)),
					"Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
	}
	if (!saga_follows(turn))
		match_new(turn, "continues as new");
	old = MemoryContextSwitchTo(turn->context);
	copy_continuation(&turn->continuation, continuation);
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_CONTINUED);
}

static void
leave_out(Turn *turn, int event, int64 *events, int64 *bytes)
{
	const Event *e = &turn->events[event];

	if (event >= turn->horizon)
		return;
	(*events)--;
	if (turn->event_row[event] < turn->seen_row && e->payload)
		*bytes -= VARSIZE_ANY(e->payload);
}

/*
 * Is the visible part of the history long, without what would go along?
 */
static bool
long_enough(Turn *turn)
{
	int64		events = turn->horizon;
	int64		bytes = turn->rows[turn->seen_row].bytes_before;

	for (int i = 0; i < turn->nsignals; i++)
		for (int j = turn->signals[i].read; j < turn->signals[i].count; j++)
			leave_out(turn, turn->signals[i].events[j], &events, &bytes);
	for (int i = 0; i < turn->nupdates; i++)
		if (!turn->updates[i].answered)
			leave_out(turn, turn->updates[i].event, &events, &bytes);
	return events >= durable_suggest_continue_events || bytes / 1024 >= durable_suggest_continue_size;
}

/*
 * Has the history become long enough for a new run?
 */
bool
continuation_suggested(Turn *turn)
{
	if (turn->suggest_event >= 0)
		return turn->event_row[turn->suggest_event] <= turn->seen_row;
	if (turn->seen_row < turn->nrows - 1 || turn->suggest_asked)
		return false;
	turn->suggest_asked = true;
	if (!long_enough(turn))
		return false;
	(void) command_record(turn, EVENT_CONTINUE_AS_NEW_SUGGESTED, 0, NULL, NULL);
	return true;
}

/*
 * The message that an event came as, of the kinds that another run can be
 * sent; false for the others
 */
bool
event_as_mail(const Event *event, Message *message)
{
	*message = (Message) {.at = event->at, .command = event->command, .name = event->name,
	.payload = event->payload, .payload_id = event->payload_id, .attributes = event->attributes};
	switch (event->type)
	{
		case EVENT_WORKFLOW_SIGNALED:
			message->kind = MESSAGE_SIGNAL;
			return true;
		case EVENT_WORKFLOW_CANCEL_REQUESTED:
			message->kind = MESSAGE_CANCEL;
			return true;
		case EVENT_UPDATE_ACCEPTED:
			message->kind = MESSAGE_UPDATE;
			return true;
		default:
			return false;
	}
}

static bool
update_is_done(Turn *turn, int accepted)
{
	char	   *id = json_find_text(turn->events[accepted].attributes, "update_id");

	for (int i = accepted + 1; id && i < turn->nevents; i++)
	{
		const Event *event = &turn->events[i];
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
	bool	   *unread = palloc0(turn->nevents * sizeof(bool));

	for (int i = 0; i < turn->nsignals; i++)
		for (int j = turn->signals[i].read; j < turn->signals[i].count; j++)
			unread[turn->signals[i].events[j]] = true;
	if (turn->cancel_event >= 0 && !turn->cancel_delivered)
		unread[turn->cancel_event] = true;
	for (int i = 0; i < turn->nevents; i++)
		if (turn->events[i].type == EVENT_UPDATE_ACCEPTED && !update_is_done(turn, i))
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

	run->mail = palloc(turn->nevents * sizeof(Message));
	for (int i = 0; i < turn->nevents; i++)
	{
		Message    *m = &run->mail[run->nmail];

		if (!unread[i] || !event_as_mail(&turn->events[i], m))
			continue;
		m->run_id = run->next.run_id;
		m->name = keep(m->name);
		m->payload = keep(m->payload);
		m->payload_id = payload_copy(m->payload_id, &run->next.run_id);
		m->attributes = keep(m->attributes);
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
		next->first_run_id = keep_fixed(&e->run_id, sizeof(pg_uuid_t));
	next->continued_from = keep_fixed(&e->run_id, sizeof(pg_uuid_t));
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

	copy_continuation(&c, &turn->continuation);
	run->old_run_id = turn->execution->run_id;
	shape_next(&run->next, turn->execution, &c);
	run->input = c.input ? c.input : turn->input_id ? payload_load(turn->input_id) : keep(turn->input);
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
