/*-------------------------------------------------------------------------
 *
 * elsewhere.c
 *	  Commands that others carry out: activities in queues, children.
 *
 *	  1. How they end comes by mail, which the code waits for.
 *
 *	  2. A cancellation of the workflow that comes first is dealt with as the call
 *	  says: ask the other to cancel itself and go on (try_cancel), ask it and wait
 *	  for its end (wait), or just go on (abandon).  The request is an event, so
 *	  that a replay does not repeat it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "command/command.h"
#include "command/elsewhere.h"
#include "store/activity.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * Ask the other to cancel itself, once
 */
static void
request_cancel(Turn *turn, int32 number)
{
	Command    *command = &turn->history.commands[number - 1];
	bool		is_child = turn->history.events[command->event].type == EVENT_CHILD_INITIATED;
	List	  **requests = is_child ? &turn->effects.child_cancels : &turn->effects.cancels;
	MemoryContext old;

	if (command->cancel_event >= 0)
		return;
	if (is_child)
		(void) turn_record(turn, EVENT_CANCEL_EXTERNAL_INITIATED, number, NULL,
							  turn->history.events[command->event].attributes);
	else
		(void) turn_record(turn, EVENT_ACTIVITY_CANCEL_REQUESTED, number, NULL, NULL);
	if (command->cancellation == CANCELLATION_ABANDON)
		return;
	old = MemoryContextSwitchTo(turn->context);
	*requests = lappend_int(*requests, number);
	MemoryContextSwitchTo(old);
}

/*
 * The workflow is cancelled while it waits for the other's end.  Returns false
 * where that is to be waited for all the same: but not by a run that is over
 * its timeout.
 */
bool
elsewhere_interrupt(Turn *turn, int32 number)
{
	Command    *command = &turn->history.commands[number - 1];

	command->cancel_asked |= command->cancellation != CANCELLATION_ABANDON;
	if (command->resolution < 0 && command->cancellation != CANCELLATION_ABANDON)
		request_cancel(turn, number);
	return command->cancellation != CANCELLATION_WAIT ||
		command_pending_cancel(turn) == saga_pending_timeout(turn);
}

/*
 * The code cancels it by its handle.  The event is recorded even if nobody is
 * told, for it is what ends the waits for the handle.
 */
void
elsewhere_cancel(Turn *turn, int32 number)
{
	Command    *command = &turn->history.commands[number - 1];
	const Event *event = &turn->history.events[command->event];

	if (!command->cancel_asked)
		match_act(turn, command->cancel_event, command->resolution,
				  event->type == EVENT_CHILD_INITIATED ? "cancels child workflow" : "cancels activity",
				  text_to_cstring(event->name));
	command->cancelled = command->cancel_asked = true;
	if (command->resolution < 0)
		request_cancel(turn, number);
}

/*
 * Wait for its end; `what' says for what, to those who look at the run.  Raises
 * the workflow's cancellation where that comes first.
 */
Command *
elsewhere_await(Turn *turn, int32 number, const char *what)
{
	Command    *command = &turn->history.commands[number - 1];
	int			end = command->resolution >= 0 ? command->resolution : NEVER;
	int			cancel = command_pending_cancel(turn);

	if (cancel < end && elsewhere_interrupt(turn, number))
	{
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	if (end == NEVER)
		command_wait_for(turn, number, NULL, what);
	return &turn->history.commands[number - 1];
}
