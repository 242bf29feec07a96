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
#include "base/extension.h"
#include "base/guc.h"
#include "base/text.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "command/continuation.h"
#include "fence/fence.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/payload.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

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
		Command    *command = &turn->history.commands[turn->pass.next_command - 1];

		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is %s, but the code now continues as new before it",
							 command->event + 1, event_type_name(command->type)),
					"Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
	}
	if (!saga_follows(turn))
		match_new(turn, "continues as new");
	old = MemoryContextSwitchTo(turn->context);
	continuation_copy(&turn->continuation, continuation);
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_CONTINUED);
}

static void
leave_out(Turn *turn, int event, int64 *events, int64 *bytes)
{
	const Event *e = &turn->history.events[event];

	if (event >= turn->pass.horizon)
		return;
	(*events)--;
	if (turn->history.event_row[event] < turn->pass.seen_row && e->payload)
		*bytes -= VARSIZE_ANY(e->payload);
}

/*
 * Is the visible part of the history long, without what would go along?
 */
static bool
long_enough(Turn *turn)
{
	int64		events = turn->pass.horizon;
	int64		bytes = turn->history.rows[turn->pass.seen_row].bytes_before;

	for (int i = 0; i < turn->history.nsignals; i++)
		for (int j = turn->history.signals[i].read; j < turn->history.signals[i].count; j++)
			leave_out(turn, turn->history.signals[i].events[j], &events, &bytes);
	for (int i = 0; i < turn->history.nupdates; i++)
		if (!turn->history.updates[i].answered)
			leave_out(turn, turn->history.updates[i].event, &events, &bytes);
	return events >= durable_suggest_continue_events || bytes / 1024 >= durable_suggest_continue_size;
}

/*
 * Has the history become long enough for a new run?
 */
bool
continuation_suggested(Turn *turn)
{
	if (turn->history.suggest_event >= 0)
		return turn->history.event_row[turn->history.suggest_event] <= turn->pass.seen_row;
	if (turn->pass.seen_row < turn->history.nrows - 1 || turn->pass.suggest_asked)
		return false;
	turn->pass.suggest_asked = true;
	if (!long_enough(turn))
		return false;
	(void) turn_record(turn, EVENT_CONTINUE_AS_NEW_SUGGESTED, 0, NULL, NULL);
	return true;
}

/*
 * A copy in the current memory context
 */
void
continuation_copy(Continuation *to, const Continuation *from)
{
	to->input = varlena_copy(from->input);
	to->workflow = varlena_copy(from->workflow);
	to->function = varlena_copy(from->function);
	to->run_timeout = fixed_copy(from->run_timeout, sizeof(Interval));
	to->retry = varlena_copy(from->retry);
	to->memo = varlena_copy(from->memo);
	to->search_attributes = varlena_copy(from->search_attributes);
	to->priority = from->priority;
	to->fairness_key = varlena_copy(from->fairness_key);
	to->weight = from->weight;
}
