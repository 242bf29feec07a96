/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  What a turn leaves behind.
 *
 *	  Turns only collect; all of it is written at the batch's end (write.c).  A turn
 *	  leaves one row of history, and either the run's new state or, when it closes,
 *	  a row in durable.closed in its place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/retry.h"
#include "base/text.h"
#include "batch/continue.h"
#include "batch/effects.h"
#include "batch/flush.h"
#include "batch/outbox.h"
#include "batch/update_rows.h"
#include "command/saga.h"
#include "command/upsert.h"
#include "run/child.h"
#include "run/start.h"
#include "shared/stopevent.h"
#include "shared/tell.h"
#include "shared/trouble.h"
#include "shared/txn.h"
#include "storage/proc.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/timer.h"
#include "task/notify.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* A turn that met a lock is tried again after this at the latest */
#define LOCK_RETRY_USECS	(2 * USECS_PER_SEC)

/*
 * What a delay after the turn is reckoned from: its time, unless the clock was set
 * back since the turns before it, whose time it goes by then (turn_load_row)
 */
static TimestampTz
from_now(const Turn *turn)
{
	return Min(turn->at, durable_now());
}

/*
 * The run that retries this one, or NULL: by the policy of its start, for a
 * failure or a run timeout
 */
static RetryRun *
plan_retry(Batch *batch, Turn *turn, TurnEnd end)
{
	Execution  *e = turn->execution;
	MemoryContext old;
	RetryRun   *retry;
	int64		delay;

	if (!e->retry || end == TURN_COMPLETED || end == TURN_CANCELLED || end == TURN_CONTINUED ||
		(end == TURN_TIMED_OUT && strcmp(turn->timeout, "execution") == 0) ||
		(turn->failure && failure_listed(turn->failure, e->retry)))
		return NULL;
	delay = retry_delay(e->retry, e->attempt);
	if (delay < 0 || from_now(turn) + delay >= e->execution_deadline)
		return NULL;

	old = MemoryContextSwitchTo(batch->context);
	retry = palloc0(sizeof(RetryRun));
	retry->failed = e;
	retry->at = from_now(turn) + delay;
	retry->input = turn->input ? (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(turn->input)) :
		turn->input_id ? payload_load(turn->input_id) : NULL;
	generate_run_id(&retry->run_id);
	batch->retries = lappend(batch->retries, retry);
	MemoryContextSwitchTo(old);
	return retry;
}

static RunStatus
status_of(TurnEnd end)
{
	switch (end)
	{
		case TURN_COMPLETED:
			return STATUS_COMPLETED;
		case TURN_FAILED:
			return STATUS_FAILED;
		case TURN_CANCELLED:
			return STATUS_CANCELLED;
		case TURN_TIMED_OUT:
			return STATUS_TIMED_OUT;
		case TURN_CONTINUED:
			return STATUS_CONTINUED_AS_NEW;
		default:
			return STATUS_RUNNING;
	}
}

/*
 * The event that closes the run; `next' is the one that goes on for it, or NULL
 */
static Event
closing_event(Turn *turn, RunStatus status, const pg_uuid_t *next)
{
	Event		event = {.at = durable_now()};

	switch (status)
	{
		case STATUS_COMPLETED:
			event.type = EVENT_WORKFLOW_COMPLETED;
			event.payload = turn->result;
			event.payload_id = payload_set_aside(&turn->execution->run_id, &event.payload);
			break;
		case STATUS_CANCELLED:
			event.type = EVENT_WORKFLOW_CANCELED;
			event.attributes = saga_failure(turn, turn->failure);
			break;
		case STATUS_TIMED_OUT:
			event.type = EVENT_WORKFLOW_TIMED_OUT;
			event.name = cstring_to_text(turn->timeout);
			event.attributes = saga_failure(turn, failure_of_timeout(turn->timeout));
			break;
		case STATUS_CONTINUED_AS_NEW:
			event.type = EVENT_WORKFLOW_CONTINUED_AS_NEW;
			break;
		default:
			event.type = EVENT_WORKFLOW_FAILED;
			event.attributes = saga_failure(turn, turn->failure);
			break;
	}
	if (status == STATUS_FAILED || status == STATUS_TIMED_OUT || next)
	{
		JsonBuilder b;

		json_begin(&b);
		json_add_jsonb(&b, "failure", event.attributes);
		json_add_text(&b, "new_run_id", uuid_to_cstring(next));
		event.attributes = json_end(&b);
	}
	return event;
}

/*
 * Collect the row of history of a turn
 */
static void
add_history(Batch *batch, BatchRun *run, Turn *turn, TurnEnd end, const Event *closing)
{
	Execution  *e = run->execution;
	int			room = run->nmail + turn->history.nevents - turn->history.recorded + 1;
	Datum	   *events = palloc(room * sizeof(Datum));
	int			mail = 0;
	int			count = 0;
	bool		ran;
	bool		goes_on = end == TURN_GOES_ON || end == TURN_GOES_ON_ALONE || end == TURN_STUCK;

	/* where no history was loaded, mail is kept as it came */
	if (turn->history.nevents == 0)
	{
		Event		event;

		for (int i = 0; i < run->nmail; i++)
			if (mail_to_event(run->mail[i], &event))
				events[count++] = event_form(&event);
		mail = count;
		ran = false;
	}
	else
	{
		mail = turn->history.mail_end > turn->history.recorded ? turn->history.mail_end - turn->history.recorded : 0;
		for (int i = turn->history.recorded; i < turn->history.nevents; i++)
			events[count++] = event_form(&turn->history.events[i]);
		/* a failed turn that left no trace was none, to a replay */
		ran = end != TURN_STUCK || count > mail;
		if (closing)
			events[count++] = event_form(closing);
	}
	if (count == 0)
		return;
	e->history_bytes += history_add(&batch->history, &e->run_id, e->owner, e->next_event,
									turn->at, mail, ran, goes_on, events, count);
	e->next_event += count;
}

/*
 * Mail of a run to itself that it does not read any more would keep it open
 */
static void
drop_self_mail(Turn *turn)
{
	int64	   *seqs;
	int			n = 0;
	ListCell   *cell;
	StoreScope	scope;

	if (turn->effects.self_mail == NIL)
		return;
	seqs = palloc(list_length(turn->effects.self_mail) * sizeof(int64));
	foreach(cell, turn->effects.self_mail)
		seqs[n++] = *(int64 *) lfirst(cell);
	store_begin(&scope);
	mailbox_delete(&turn->execution->run_id, seqs, n);
	store_end(&scope);
}

static void
close_run(Batch *batch, Turn *turn, RunStatus status, const pg_uuid_t *next)
{
	Execution  *e = turn->execution;

	closed_add(&batch->closed, e, status, turn->at, next);
	if (!batch->closing)
	{
		batch->closing = MemoryContextAlloc(batch->context, batch->nruns * sizeof(pg_uuid_t));
		batch->ending = MemoryContextAlloc(batch->context, batch->nruns * sizeof(pg_uuid_t));
		batch->timed = MemoryContextAlloc(batch->context, batch->nruns * sizeof(pg_uuid_t));
	}
	batch->closing[batch->nclosing++] = e->run_id;
	if (status != STATUS_CONTINUED_AS_NEW)
		batch->ending[batch->nending++] = e->run_id;
	if (e->has_timers)
		batch->timed[batch->ntimed++] = e->run_id;
	if (e->has_children)
	{
		if (!batch->parents)
			batch->parents = MemoryContextAlloc(batch->context, batch->nruns * sizeof(pg_uuid_t));
		batch->parents[batch->nparents++] = e->run_id;
	}
	txn_closed(&e->run_id);
	notify_status(e, status);
}

/*
 * Tell the parent of a run that closes for good
 */
static void
report(Batch *batch, Turn *turn, RunStatus status, const Event *closing)
{
	JsonbValue *inner = json_find(closing->attributes, "failure");
	StoreScope	scope;

	if (!turn->execution->parent_run_id)
		return;
	store_begin(&scope);
	child_report(&batch->reports, turn->execution, status, turn->result,
				 inner ? JsonbValueToJsonb(inner) : closing->attributes);
	store_end(&scope);
}

/*
 * Delay until the next try of a failing turn: growing, up to the setting
 */
static int64
turn_retry_delay(const ErrorData *problem, int failures)
{
	int64		delay = USECS_PER_SEC;
	int64		limit = (int64) durable_max_turn_retry_delay * 1000;

	/* nobody tells when a lock is free; a try costs little */
	if (problem->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		limit = Min(limit, LOCK_RETRY_USECS);
	if (trouble_may_be(problem->sqlerrcode))
		limit = Min(limit, TROUBLE_MAX_DELAY * INT64CONST(1000));

	for (int i = 1; i < failures && delay < limit; i++)
		delay *= 2;
	return Min(delay, limit);
}

/*
 * In memory of the batch, like all that the run's state points to: it is looked
 * at when the turn is gone
 */
static void
wait_again(Execution *e, Turn *turn)
{
	bool		same = e->waiting_since != DT_NOEND && e->waiting_for && turn->wait.what &&
		e->wait_command == turn->wait.command && !turn->wait.set &&
		strcmp(text_to_cstring(e->waiting_for), turn->wait.what) == 0;

	e->wait_signal = varlena_copy(turn->wait.signal);
	e->wait_update = varlena_copy(turn->wait.update);
	e->wait_command = turn->wait.command;
	e->wait_set = varlena_copy(turn->wait.set);
	e->wait_left = turn->wait.left;
	e->wait_signals = varlena_copy(turn->wait.signals);
	e->waiting_for = turn->wait.what ? cstring_to_text(turn->wait.what) : NULL;
	e->waiting_at = turn->wait.where ? cstring_to_text(turn->wait.where) : NULL;
	if (!same)
		e->waiting_since = turn->wait.what ? turn->at : DT_NOEND;
}

static void
keep_open(Batch *batch, Turn *turn, TurnEnd end, bool upserts)
{
	Execution  *e = turn->execution;
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	if (end != TURN_MAIL_ONLY)
		wait_again(e, turn);
	if (end == TURN_STUCK)
	{
		e->turn_failures++;
		e->turn_error = failure_from_error(turn->problem, e->turn_failures);
		/* a lost process has its own line (loss.c) */
		if (turn->problem->sqlerrcode != ERRCODE_CRASH_SHUTDOWN)
			tell_turn_fails(e->workflow_id, &e->run_id, e->turn_failures, turn->problem);
		e->compensates |= saga_is_open(turn);
		e->turn_retry_at = from_now(turn) + turn_retry_delay(turn->problem, e->turn_failures);
		e->has_timers = true;
		timer_add(&batch->timers, &e->run_id, MESSAGE_WAKE, 0, e->owner, (DueTime) {e->turn_retry_at, from_now(turn)});
		STOP_EVENT(turn_stuck);
	}
	else if (end != TURN_MAIL_ONLY)
	{
		e->compensates = saga_is_open(turn);
		e->turn_failures = 0;
		/* not before the turn is over: its next step may be the one */
		if (end != TURN_GOES_ON && end != TURN_GOES_ON_ALONE)
			e->lost_tries = 0;
		e->turn_error = NULL;
		e->turn_retry_at = DT_NOEND;
	}
	if (end == TURN_GOES_ON || end == TURN_GOES_ON_ALONE)
	{
		Message    *message = palloc0(sizeof(Message));

		message->run_id = e->run_id;
		message->kind = MESSAGE_WAKE;
		message->alone = end == TURN_GOES_ON_ALONE;
		message->at = turn->at;
		batch->wakes = lappend(batch->wakes, message);
		batch->cut = true;
		batch->cut_run = e->run_id;
		batch->cut_alone = message->alone;
	}
	MemoryContextSwitchTo(old);
	execution_add(upserts ? &batch->upserts : &batch->updates, e);
	if (turn->effects.npublished > 0)
		notify_status(e, STATUS_RUNNING);
}

/*
 * Collect what a turn leaves behind
 */
void
batch_add_turn(Batch *batch, BatchRun *run, Turn *turn, TurnEnd end)
{
	RunStatus	status = status_of(end);
	bool		upserts = upsert_apply(turn, batch->context);

	for (int i = 0; i < run->nmail; i++)
		batch_consume(batch, run->mail[i]);
	batch->acted |= turn->effects.steps > 0 || turn->effects.npublished > 0 || run->lost;
	batch->ended |= status != STATUS_RUNNING && status != STATUS_CONTINUED_AS_NEW;
	/* these go with the run */
	if (status != STATUS_RUNNING)
	{
		turn->effects.scheduled = turn->effects.cancels = NIL;
		turn->effects.ntimers = 0;
	}
	batch_add_effects(batch, turn, status != STATUS_RUNNING);
	batch_add_updates(batch, run, turn);
	if (status == STATUS_RUNNING)
	{
		add_history(batch, run, turn, end, NULL);
		keep_open(batch, turn, end, upserts);
	}
	else
	{
		RetryRun   *retry = plan_retry(batch, turn, end);
		const pg_uuid_t *next = end == TURN_CONTINUED ? plan_continuation(batch, turn) :
			retry ? &retry->run_id : NULL;
		Event		closing = closing_event(turn, status, next);

		add_history(batch, run, turn, end, &closing);
		drop_self_mail(turn);
		if (!next)
			report(batch, turn, status, &closing);
		close_run(batch, turn, status, next);
	}
}
