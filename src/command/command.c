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
#include "base/vec.h"
#include "command/command.h"
#include "store/history.h"
#include "store/message.h"
#include "turn/leave.h"
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
	Event	   *event = command_cancel_requested(turn) ? &turn->history.events[turn->history.cancel_event] : NULL;
	int			timeout = saga_pending_timeout(turn);
	JsonBuilder b;

	if (timeout < turn->pass.horizon && timeout == command_pending_cancel(turn))
		turn_leave(turn, PASS_TIMED_OUT);
	turn->pass.cancel_delivered |= event != NULL;
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

	if (turn->history.cancel_event < 0 || turn->pass.cancel_delivered || turn->pass.shielded || turn->saga.running)
		return timeout;
	return Min(timeout, turn->history.cancel_event);
}

/*
 * Has the run been asked to cancel itself, as far as the code can see?
 */
bool
command_cancel_requested(Turn *turn)
{
	return turn->history.cancel_event >= 0 && turn->history.cancel_event < turn->pass.horizon;
}

/*
 * Raise the cancellation that the code has not been told of yet, if there is one
 */
void
command_raise_if_cancelled(Turn *turn)
{
	if (command_pending_cancel(turn) < turn->pass.horizon)
		command_raise_cancelled(turn, NULL);
}

/*
 * The code gave a new command: is that still within bounds?
 */
void
command_check_limits(Turn *turn)
{
	int			row_first = turn->history.rows[turn->history.nrows - 1].mail_end;

	if (turn->history.nevents >= durable_max_history_events)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("history of %d events exceeds durable.max_history_events (%d)",
							 turn->history.nevents, durable_max_history_events),
					"Raise the setting, and the run goes on; end the run earlier and start another to keep histories short.");
	if (turn->execution->history_bytes / 1024 >= durable_max_history_size)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("history of " INT64_FORMAT " kB exceeds durable.max_history_size (%d kB)",
							 turn->execution->history_bytes / 1024, durable_max_history_size),
					"Raise the setting, and the run goes on.");
	if (turn->history.nevents - row_first >= 2 * durable_max_turn_commands)
		turn_refuse(ERRCODE_WF_LIMIT,
					psprintf("more than %d commands in one turn exceed durable.max_turn_commands",
							 durable_max_turn_commands),
					"Raise the setting, and the run goes on.");
}

/*
 * Leave the code until a command ends or a signal comes; `what' is shown as
 * waiting_for
 */
void
command_wait_for(Turn *turn, int32 command, text *signal, const char *what)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	turn->wait.command = command;
	turn->wait.signal = signal ? (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(signal)) : NULL;
	turn->wait.set = NULL;
	turn->wait.signals = NULL;
	turn->wait.what = pstrdup(what);
	turn->wait.where = NULL;
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_WAIT);
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
	command_change_timer(turn, MESSAGE_TIMER, command, due);
}

/*
 * Start a timer of the code
 */
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
	turn->history.commands[command - 1].cancel_asked = true;
	if (turn->history.commands[command - 1].resolution >= 0)
		return;
	turn_record(turn, EVENT_TIMER_CANCELED, command, NULL, NULL);
	command_change_timer(turn, MESSAGE_TIMER, command, (DueTime) {DT_NOBEGIN, DT_NOEND});
}

/*
 * Index of the event by which a timer fired, NEVER where it has not
 */
int
command_fired(Turn *turn, const Command *command)
{
	int			event = command->resolution;

	return event >= 0 && turn->history.events[event].type == EVENT_TIMER_FIRED ? event : NEVER;
}

/*
 * The result of an activity that has ended, or its failure as an error
 */
Jsonb *
command_activity_outcome(Turn *turn, Command *command)
{
	Event	   *event = &turn->history.events[command->resolution];

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
 * A span from now on: by the clock as it is, which may be behind the time that
 * the run has seen
 */
DueTime
command_due_after(const Turn *turn, const Interval *span)
{
	TimestampTz now = Min(turn->pass.now, durable_now());

	return (DueTime) {durable_add_interval(now, span), now};
}

/*
 * Have a timer of a kind set, or (due at DT_NOBEGIN) cancelled, with the turn
 */
void
command_change_timer(Turn *turn, MessageKind kind, int32 command, DueTime due)
{
	turn->effects.timers = vec_room_counted(turn->effects.timers, turn->effects.ntimers, sizeof(NewTimer), turn->context);
	turn->effects.timers[turn->effects.ntimers++] = (NewTimer) {kind, command, due};
}
