/*-------------------------------------------------------------------------
 *
 * command.c
 *	  What workflow code may ask for.
 *
 *	  Each command either knows its outcome from the history and returns it, or
 *	  records what it wants and leaves the code.  Where two things can end a wait
 *	  (a signal and its timeout, a timer and a cancellation), the one that is
 *	  first in the history does.
 *
 *	  Cancellation is delivered once: as WF003, at the first wait at which it is
 *	  visible and the code is not shielded.  A timeout of a run with compensations
 *	  interrupts waits the same way, but ends the code for good (saga.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/text.h"
#include "command/command.h"
#include "command/continuation.h"
#include "command/marker.h"
#include "command/step.h"
#include "command/upsert.h"
#include "run/start.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/payload.h"
#include "task/task.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/*
 * Cancellation of the workflow, or only of an activity where nobody asked for
 * the other; `details' are those of the activity, or NULL.  What led to it has
 * been seen.  If that is the run's timeout, the code is left for good.
 */
void
command_raise_cancelled(Turn *turn, Jsonb *details)
{
	Event	   *event = command_cancel_requested(turn) ? &turn->events[turn->cancel_event] : NULL;
	int			timeout = saga_pending_timeout(turn);
	JsonBuilder b;

	if (timeout < turn->horizon && timeout == command_pending_cancel(turn))
		turn_leave(turn, PASS_TIMED_OUT);
	turn->cancel_delivered |= event != NULL;
	json_begin(&b);
	json_add_text(&b, "type", "cancelled");
	json_add_jsonb(&b, "details", details);
	ereport(ERROR,
			(errcode(ERRCODE_WF_CANCELLED),
			 event && event->name && VARSIZE_ANY_EXHDR(event->name) > 0 ?
			 errmsg_internal("workflow cancelled: %s", text_to_cstring(event->name)) :
			 errmsg_internal("%s cancelled", event ? "workflow" : "activity"),
			 details ? errdetail_internal("%s", json_to_cstring(json_end(&b))) : 0));
	pg_unreachable();
}

/*
 * Index of the event that may interrupt a wait, NEVER where nothing does
 */
int
command_pending_cancel(Turn *turn)
{
	int			timeout = saga_pending_timeout(turn);

	if (turn->cancel_event < 0 || turn->cancel_delivered || turn->shielded || turn->saga.running)
		return timeout;
	return Min(timeout, turn->cancel_event);
}

bool
command_cancel_requested(Turn *turn)
{
	return turn->cancel_event >= 0 && turn->cancel_event < turn->horizon;
}

void
command_raise_if_cancelled(Turn *turn)
{
	if (command_pending_cancel(turn) < turn->horizon)
		command_raise_cancelled(turn, NULL);
}

/*
 * The code gave a new command: is that still within bounds?
 */
void
command_check_limits(Turn *turn)
{
	int			row_first = turn->rows[turn->nrows - 1].mail_end;

	if (turn->nevents >= durable_max_history_events)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("history of %d events exceeds durable.max_history_events (%d)",
							 turn->nevents, durable_max_history_events),
					"Raise the setting, and the run goes on; end the run earlier and start another to keep histories short.");
	if (turn->execution->history_bytes / 1024 >= durable_max_history_size)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("history of " INT64_FORMAT " kB exceeds durable.max_history_size (%d kB)",
							 turn->execution->history_bytes / 1024, durable_max_history_size),
					"Raise the setting, and the run goes on.");
	if (turn->nevents - row_first >= 2 * durable_max_turn_commands)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("more than %d commands in one turn exceed durable.max_turn_commands",
							 durable_max_turn_commands),
					"Raise the setting, and the run goes on.");
}

void
command_wait_for(Turn *turn, int32 command, text *signal, const char *what)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	turn->wait_command = command;
	turn->wait_signal = signal ? (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(signal)) : NULL;
	turn->wait_set = NULL;
	turn->wait_signals = NULL;
	turn->waiting_for = pstrdup(what);
	turn->waiting_at = NULL;
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_WAIT);
}

static void
change_timer(Turn *turn, MessageKind kind, int32 command, DueTime due)
{
	if (turn->ntimers % 8 == 0)
	{
		Size		size = (turn->ntimers + 8) * sizeof(NewTimer);

		turn->timers = turn->timers ? repalloc(turn->timers, size) :
			MemoryContextAlloc(turn->context, size);
	}
	turn->timers[turn->ntimers++] = (NewTimer) {kind, command, due};
}

/*
 * Start the timer of a wait; `wait' says for what, NULL: nothing, or a signal
 */
void
command_start_wait_timer(Turn *turn, int32 command, text *name, DueTime due, const char *wait)
{
	JsonBuilder b;

	command_check_limits(turn);
	json_begin(&b);
	json_add_time(&b, "fire_at", due.at);
	if (wait)
		json_add_text(&b, "wait", wait);
	turn_record(turn, EVENT_TIMER_STARTED, command, name, json_end(&b));
	change_timer(turn, MESSAGE_TIMER, command, due);
}

void
command_start_timer(Turn *turn, int32 command, text *name, DueTime due)
{
	command_start_wait_timer(turn, command, name, due, NULL);
}

/*
 * The wait that a timer was for ended otherwise
 */
void
command_cancel_timer(Turn *turn, int32 command)
{
	turn->commands[command - 1].cancel_asked = true;
	if (turn->commands[command - 1].resolution >= 0)
		return;
	turn_record(turn, EVENT_TIMER_CANCELED, command, NULL, NULL);
	change_timer(turn, MESSAGE_TIMER, command, (DueTime) {DT_NOBEGIN, DT_NOEND});
}

/*
 * Index of the event by which a timer fired, NEVER where it has not
 */
int
command_fired(Turn *turn, const Command *command)
{
	int			event = command->resolution;

	return event >= 0 && turn->events[event].type == EVENT_TIMER_FIRED ? event : NEVER;
}

/*
 * Copy a request to the turn's memory: the step runs after the code has left
 */
static void
keep_request(Turn *turn, const StepRequest *request)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	StepRequest *step = &turn->step;

	*step = *request;
	step->name = varlena_copy(request->name);
	step->input = varlena_copy(request->input);
	step->retry = varlena_copy(request->retry);
	step->summary = varlena_copy(request->summary);
	step->activity_id = varlena_copy(request->activity_id);
	if (request->sql)
		step->sql = pstrdup(request->sql);
	if (request->nargs > 0)
	{
		step->argtypes = palloc(request->nargs * sizeof(Oid));
		step->args = palloc(request->nargs * sizeof(Datum));
		step->nulls = palloc(request->nargs);
		memcpy(step->argtypes, request->argtypes, request->nargs * sizeof(Oid));
		memcpy(step->nulls, request->nulls, request->nargs);
		for (int i = 0; i < request->nargs; i++)
		{
			int16		len;
			bool		byval;

			get_typlenbyval(request->argtypes[i], &len, &byval);
			if (request->nulls[i] != 'n')
				step->args[i] = datumCopy(request->args[i], byval, len);
		}
	}
	MemoryContextSwitchTo(old);
}

/*
 * A step that has no outcome yet: have it run, unless it waits for its next
 * attempt.  Returns only if it was run in place.
 */
static Command *
want_step(Turn *turn, const StepRequest *request, int32 command, bool recorded)
{
	int			cancel = command_pending_cancel(turn);
	DueTime		timer;

	if (recorded && cancel != NEVER)
	{
		turn_record(turn, EVENT_ACTIVITY_CANCELED, command, NULL, NULL);
		turn->pending_done = command;
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	if (recorded && !step_is_due(turn, command, &timer))
	{
		if (timer.at != DT_NOBEGIN)
			change_timer(turn, MESSAGE_ACTIVITY_RETRY, command, timer);
		command_wait_for(turn, command, NULL,
				 psprintf("next attempt of activity %s", text_to_cstring(request->name)));
	}
	if (!recorded)
		command_check_limits(turn);
	keep_request(turn, request);
	turn->step.command = command;
	turn->step.recorded = recorded;
	if (!step_in_place(turn))
		turn_leave(turn, PASS_STEP);
	return &turn->commands[command - 1];
}

/*
 * The result of an activity that has ended, or its failure as an error
 */
Jsonb *
command_activity_outcome(Turn *turn, Command *command)
{
	Event	   *event = &turn->events[command->resolution];

	turn_see(turn, command->resolution);
	switch (event->type)
	{
		case EVENT_ACTIVITY_COMPLETED:
			break;
		case EVENT_ACTIVITY_TIMED_OUT:
			failure_raise(ERRCODE_WF_ACTIVITY_TIMED_OUT, event->attributes);
		case EVENT_ACTIVITY_CANCELED:
			command_raise_cancelled(turn, event->attributes);
		default:
			failure_raise(ERRCODE_WF_ACTIVITY_FAILED, event->attributes);
	}
	return turn_event_payload(event);
}

/*
 * An inline step that has ended
 */
Command *
command_step_end(Turn *turn, const StepRequest *request)
{
	char	   *name = text_to_cstring(request->name);
	Command    *command;

	command_raise_if_cancelled(turn);
	command = turn_match(turn, EVENT_ACTIVITY_SCHEDULED, "activity", name);
	if (command)
		match_input(turn, command, request->input);
	if (!command || command->resolution < 0)
		command = want_step(turn, request, turn->next_command - 1, command != NULL);
	return command;
}

/*
 * An inline step: returns its result or raises its failure
 */
Jsonb *
command_step(Turn *turn, const StepRequest *request)
{
	return command_activity_outcome(turn, command_step_end(turn, request));
}

/*
 * A span from now on: by the clock as it is, which may be behind the time that
 * the run has seen
 */
DueTime
command_due_after(const Turn *turn, const Interval *span)
{
	TimestampTz now = Min(turn->now, durable_now());

	return (DueTime) {durable_add_interval(now, span), now};
}

static void
sleep_until(Turn *turn, DueTime due)
{
	Command    *command = turn_match(turn, EVENT_TIMER_STARTED, "timer", NULL);
	int32		number = turn->next_command - 1;
	int			fire;
	int			cancel;

	if (!command)
	{
		command_start_timer(turn, number, NULL, due);
		command = &turn->commands[number - 1];
	}
	fire = command_fired(turn, command);
	cancel = command_pending_cancel(turn);
	if (fire == NEVER && cancel == NEVER)
		command_wait_for(turn, number, NULL, "timer");
	turn_see(turn, Min(fire, cancel));
	if (cancel < fire)
	{
		command_cancel_timer(turn, number);
		command_raise_cancelled(turn, NULL);
	}
}

void
command_sleep(Turn *turn, const Interval *span)
{
	command_raise_if_cancelled(turn);
	if (durable_add_interval(turn->now, span) > turn->now)
		sleep_until(turn, command_due_after(turn, span));
}

void
command_sleep_until(Turn *turn, TimestampTz until)
{
	command_raise_if_cancelled(turn);
	if (until > turn->now)
		sleep_until(turn, (DueTime) {until, DT_NOEND});
}

/*
 * Index of the next unread signal, NEVER where there is none
 */
int
command_next_signal(SignalQueue *queue)
{
	return queue->read < queue->count ? queue->events[queue->read] : NEVER;
}

static Jsonb *
read_signal(Turn *turn, text *name)
{
	SignalQueue *queue = turn_signal_queue(turn, name);
	int			event = queue->events[queue->read++];

	turn_see(turn, event);
	return turn_event_payload(&turn->events[event]);
}

Jsonb *
command_poll_signal(Turn *turn, text *name)
{
	if (command_next_signal(turn_signal_queue(turn, name)) >= turn->horizon)
		return NULL;
	return read_signal(turn, name);
}

/*
 * The next unread signal; NULL when `timeout' (NULL: none) is over before one
 * came
 */
Jsonb *
command_wait_signal(Turn *turn, text *name, const Interval *timeout)
{
	int			signal;
	int			fire = NEVER;
	int			cancel;
	int32		number = WAIT_NOTHING;

	command_raise_if_cancelled(turn);
	if (command_next_signal(turn_signal_queue(turn, name)) < turn->horizon)
		return read_signal(turn, name);
	if (timeout && durable_interval_usecs(timeout) <= 0)
		return NULL;
	if (timeout)
	{
		Command    *command = turn_match(turn, EVENT_TIMER_STARTED, "timer", text_to_cstring(name));

		number = turn->next_command - 1;
		if (!command)
		{
			command_start_timer(turn, number, name, command_due_after(turn, timeout));
			command = &turn->commands[number - 1];
		}
		fire = command_fired(turn, command);
	}
	signal = command_next_signal(turn_signal_queue(turn, name));
	cancel = command_pending_cancel(turn);
	if (signal == NEVER && fire == NEVER && cancel == NEVER)
		command_wait_for(turn, number, name, psprintf("signal %s", text_to_cstring(name)));
	if (fire < signal && fire < cancel)
	{
		turn_see(turn, fire);
		return NULL;
	}
	if (number != WAIT_NOTHING)
		command_cancel_timer(turn, number);
	if (cancel < signal)
	{
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	return read_signal(turn, name);
}

/*
 * Publish a value for queries; replayed code has published it before
 */
void
command_publish(Turn *turn, text *key, Jsonb *value)
{
	MemoryContext old;
	PublishedValue *slot = NULL;

	if (turn_replaying(turn))
		return;
	payload_check(value, "published value");
	old = MemoryContextSwitchTo(turn->context);
	for (int i = 0; i < turn->npublished && !slot; i++)
		if (VARSIZE_ANY_EXHDR(turn->published[i].key) == VARSIZE_ANY_EXHDR(key) &&
			memcmp(VARDATA_ANY(turn->published[i].key), VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) == 0)
			slot = &turn->published[i];
	if (!slot)
	{
		if (turn->npublished % 8 == 0)
		{
			Size		size = (turn->npublished + 8) * sizeof(PublishedValue);

			turn->published = turn->published ? repalloc(turn->published, size) : palloc(size);
		}
		slot = &turn->published[turn->npublished++];
		slot->key = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(key));
	}
	slot->value = value ? (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(value)) : NULL;
	MemoryContextSwitchTo(old);
}

/*
 * What a run knows of itself
 */
Jsonb *
command_info(Turn *turn)
{
	Execution  *e = turn->execution;
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "namespace", text_to_cstring(e->namespace));
	json_add_text(&b, "workflow_id", text_to_cstring(e->workflow_id));
	json_add_text(&b, "run_id", uuid_to_cstring(&e->run_id));
	json_add_text(&b, "first_run_id", uuid_to_cstring(e->first_run_id ? e->first_run_id : &e->run_id));
	json_add_text(&b, "continued_from", uuid_to_cstring(e->continued_from));
	json_add_text(&b, "workflow", text_to_cstring(e->workflow));
	if (e->parent_run_id)
	{
		json_add_text(&b, "parent_workflow_id", text_to_cstring(e->parent_workflow_id));
		json_add_text(&b, "parent_run_id", uuid_to_cstring(e->parent_run_id));
	}
	json_add_int(&b, "attempt", e->attempt);
	json_add_time(&b, "started_at", e->started_at);
	json_add_time(&b, "execution_deadline", e->execution_deadline);
	if (e->run_timeout)
	{
		json_add_time(&b, "run_deadline", run_deadline(e, json_find_time(turn->events[0].attributes, "not_before")));
		json_add_text(&b, "run_timeout", DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(e->run_timeout))));
	}
	json_add_int(&b, "priority", e->priority ? e->priority : DEFAULT_PRIORITY);
	json_add_jsonb(&b, "retry", e->retry);
	json_add_int(&b, "history_events", turn->horizon);
	json_add_int(&b, "history_bytes", turn->rows[turn->seen_row].bytes_before);
	json_add_bool(&b, "continue_as_new_suggested", continuation_suggested(turn));
	json_add_bool(&b, "cancel_requested", command_cancel_requested(turn));
	json_add_jsonb(&b, "memo", upsert_value(turn, EVENT_MEMO_UPSERTED));
	json_add_jsonb(&b, "search_attributes", upsert_value(turn, EVENT_SEARCH_ATTRIBUTES_UPSERTED));
	json_add_int(&b, "version", version_seen(turn));
	json_add_jsonb(&b, "versions", markers_seen(turn));
	return json_end(&b);
}
