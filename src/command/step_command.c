/*-------------------------------------------------------------------------
 *
 * step_command.c
 *	  Inline steps, as workflow code sees them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/text.h"
#include "command/command.h"
#include "command/step.h"
#include "command/step_command.h"
#include "store/history.h"
#include "store/message.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

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
		turn->effects.pending_done = command;
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	if (recorded && !step_is_due(turn, command, &timer))
	{
		if (timer.at != DT_NOBEGIN)
			command_change_timer(turn, MESSAGE_ACTIVITY_RETRY, command, timer);
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
	return &turn->history.commands[command - 1];
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
		command = want_step(turn, request, turn->pass.next_command - 1, command != NULL);
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
