/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  One pass of workflow code, from its beginning to where it leaves.
 *
 *	  1. The code runs in a subtransaction that is read-only and always rolled
 *	  back: nothing it does to the session stays, and nothing it does to tables
 *	  is possible.  What it is good for is the commands it gives.
 *
 *	  2. How calls leave it is leave.c's.
 *
 *	  3. With steps in place (step.c) the subtransaction is kept if the function
 *	  returns.  If it does not, and steps were taken, all of it is undone, and
 *	  what was recorded is forgotten.
 *
 *	  4. If the code fails with compensations registered, or has failed that way
 *	  before, they are run in a second subtransaction of the same kind (saga.c).
 *	  Their waits and steps are the end of the pass then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "call/callable.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "code/pass.h"
#include "command/saga.h"
#include "fence/fence.h"
#include "miscadmin.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/watchdog.h"
#include "storage/proc.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/payload.h"
#include "store/store.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/*
 * Run the function; what it returns is copied to the turn's memory
 */
static void
call_workflow(Turn *turn)
{
	Jsonb	   *input = turn->input;
	Jsonb	   *result;
	ErrorContextCallback explain = {error_context_stack, fence_explain, turn};

	if (!input && turn->input_id)
		input = payload_load(turn->input_id);
	error_context_stack = &explain;
	fence_begin(turn);
	turn_begin_pass(turn);
	result = turn->clone ? callable_call_clone(turn->workflow, input, turn->definer) :
		callable_call(turn->workflow, input);
	fence_end(turn);
	error_context_stack = explain.previous;
	if (turn->pass.left || turn->problem)
		return;
	if (!turn_all_matched(turn))
	{
		Event	   *event = &turn->history.events[turn->history.commands[turn->pass.next_command - 1].event];

		turn->problem_event = turn->history.commands[turn->pass.next_command - 1].event + 1;
		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is %s, but the code now returns before it",
							 turn->history.commands[turn->pass.next_command - 1].event + 1,
							 event_type_name(event->type)),
					"Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
	}
	if (!saga_follows(turn))
		match_new(turn, "returns");
	payload_check(result, "result");
	turn->result = NULL;
	if (result)
	{
		turn->result = MemoryContextAlloc(turn->context, VARSIZE(result));
		memcpy(turn->result, result, VARSIZE(result));
	}
	turn->pass.end = PASS_COMPLETED;
}

/*
 * An error that is the server's or an operator's doing, not the code's
 */
static bool
is_outside_cause(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return error_may_pass(sqlstate) || category == MAKE_SQLSTATE('X', 'X', '0', '0', '0') ||
		category == MAKE_SQLSTATE('5', '8', '0', '0', '0');
}

/*
 * Index of the event that comes after where the code fails, -1 where none does
 */
static int
fails_before(Turn *turn)
{
	if (!turn_all_matched(turn))
		return turn->history.commands[turn->pass.next_command - 1].event;
	if (saga_follows(turn))
		return match_is_here(turn, turn->saga.started) ? -1 : turn->saga.started;
	return match_ahead(turn);
}

/*
 * An error came out of the function: what does it mean?
 */
static void
sort_out_error(Turn *turn, ErrorData *edata, WatchdogReason watchdog)
{
	int			event;

	if (watchdog == WATCHDOG_GIVE_WAY)
	{
		turn->interrupt = edata;
		return;
	}
	if (turn->pass.left)
		return;
	edata->context = turn_true_names(turn, edata->context);
	if (turn->problem)
	{
		if (!turn->problem->context)
			turn->problem->context = edata->context;
	}
	else if (watchdog == WATCHDOG_CODE)
	{
		turn->problem = edata;
		edata->sqlerrcode = ERRCODE_WF_LIMIT;
		edata->message = psprintf("workflow code ran over durable.turn_timeout (%d ms) without reaching a wait",
								  durable_turn_timeout);
		edata->hint = pstrdup("Work belongs into activities: steps do not count.");
	}
	else if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
		turn->interrupt = edata;
	else if (edata->sqlerrcode == ERRCODE_WF_LIMIT || is_outside_cause(edata->sqlerrcode) ||
			 turn->saga.after_code)
		turn->problem = edata;
	else if ((event = fails_before(turn)) >= 0)
	{
		/* with this code the run could not have come as far as it did */
		edata->detail = psprintf("Event %d is %s, but the code now fails before it: %s",
								 event + 1, event_type_name(turn->history.events[event].type), edata->message);
		edata->sqlerrcode = ERRCODE_WF_NONDETERMINISM;
		turn->problem_event = event + 1;
		turn->problem = edata;
	}
	else
	{
		turn->failure = failure_from_error(edata, 0);
		turn->cancelled = turn->pass.cancel_delivered && edata->sqlerrcode == ERRCODE_WF_CANCELLED;
		turn->pass.end = PASS_FAILED;
	}
}

/*
 * A step in place failed: whatever it was, the turn starts anew without
 */
static void
give_up_step(Turn *turn, ErrorData *edata, WatchdogReason watchdog)
{
	turn->frame.stepping = false;
	running_attempt = NULL;
	LockTimeout = turn->frame.lock_timeout;
	if (watchdog == WATCHDOG_GIVE_WAY ||
		(edata->sqlerrcode == ERRCODE_QUERY_CANCELED && watchdog == WATCHDOG_NONE && !in_background_worker()))
		turn->interrupt = edata;
}

/* What the turn knew before a pass */
typedef struct TurnMark
{
	int			nevents;
	int			ncommands;
	int			suggest_event;
	bool		moved;
	Effects		effects;
} TurnMark;

static TurnMark
take_mark(const Turn *turn)
{
	const History *h = &turn->history;

	return (TurnMark) {h->nevents, h->ncommands, h->suggest_event, h->rows[h->nrows - 1].moved, turn->effects};
}

/*
 * Drop what the pass has added.  The arrays may have grown in it; lists are made by
 * the turn's last pass only.
 */
static void
return_to_mark(Turn *turn, const TurnMark *mark)
{
	History    *h = &turn->history;
	const Effects *now = &turn->effects;

	turn->effects = (Effects) {
		.steps = mark->effects.steps, .subxids = mark->effects.subxids,
		.published = now->published, .npublished = mark->effects.npublished,
		.timers = now->timers, .ntimers = mark->effects.ntimers, .self_mail = now->self_mail
	};
	h->nevents = mark->nevents;
	h->ncommands = mark->ncommands;
	h->suggest_event = mark->suggest_event;
	h->rows[h->nrows - 1].moved = mark->moved;
	for (int i = 0; i < h->ncommands; i++)
	{
		if (h->commands[i].resolution >= h->nevents)
			h->commands[i].resolution = -1;
		if (h->commands[i].cancel_event >= h->nevents)
			h->commands[i].cancel_event = -1;
	}
	for (int i = 0; i < h->nupdates; i++)
		if (h->updates[i].answer >= h->nevents)
			h->updates[i].answer = -1;
	turn_forget_markers(turn);
	turn->problem = NULL;
	turn->problem_event = 0;
	turn->failure = NULL;
	turn->cancelled = false;
}

/*
 * Nothing that is recorded may be left over.  Code that failed and was followed
 * by compensations has to fail again.
 */
static void
check_outcome(Turn *turn)
{
	int			event = turn->saga.started;
	char	   *misfit;

	if (turn->problem || turn->interrupt)
		return;
	misfit = match_end(turn);
	if (misfit)
	{
		turn_note_problem(turn, ERRCODE_WF_NONDETERMINISM, misfit,
					 "Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
		return;
	}
	if (turn->pass.end == PASS_TIMED_OUT && turn_all_matched(turn))
		return;
	if (turn->pass.end == PASS_TIMED_OUT)
		event = turn->history.commands[turn->pass.next_command - 1].event;
	else if (turn->pass.end == PASS_FAILED || !saga_follows(turn))
		return;
	turn_note_problem(turn, ERRCODE_WF_NONDETERMINISM,
				 psprintf("event %d is %s, but the code now ends otherwise before it",
						  event + 1, event_type_name(turn->history.events[event].type)),
				 "Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
}

/*
 * Run the code in the current subtransaction and sort out how it ended
 */
static void
try_code(Turn *turn, void (*code) (Turn *))
{
	int			lock_timeout = LockTimeout;

	MemoryContextSwitchTo(turn->pass_context);
	/* code could catch the error of a short one, and take it for an outcome */
	LockTimeout = turn->mode.lock_timeout;
	watchdog_guard((int64) durable_turn_timeout * 1000, WATCHDOG_CODE);
	PG_TRY();
	{
		XactReadOnly = true;
		PushActiveSnapshot(GetTransactionSnapshot());
		STOP_EVENT(pass_code);
		code(turn);
		STOP_EVENT(pass_left);
		PopActiveSnapshot();
		fence_end(turn);
		turn_unmute();
		(void) watchdog_release();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		fence_end(turn);
		turn_unmute();
		MemoryContextSwitchTo(turn->context);
		edata = CopyErrorData();
		FlushErrorState();
		if (!turn->pass.left)
			turn->pass.end = PASS_FAILED;
		if (turn->frame.stepping)
			give_up_step(turn, edata, watchdog_release());
		else
			sort_out_error(turn, edata, watchdog_release());
	}
	PG_END_TRY();
	LockTimeout = lock_timeout;
	check_outcome(turn);
	if (turn->problem)
		turn->pass.end = PASS_PROBLEM;
}

/*
 * Run the workflow function, or what follows it, once.  On return the
 * subtransaction is gone, and with it all but what lies in the turn's own
 * memory, and steps taken in place.
 */
static void
run_pass(Turn *turn, void (*code) (Turn *), bool in_place)
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	int			steps = turn->effects.steps;
	int			depth = store_depth();
	int			nestlevel;

	BeginInternalSubTransaction(NULL);
	turn->frame.in_place = in_place;
	turn->frame.level = GetCurrentTransactionNestLevel();
	nestlevel = NewGUCNestLevel();
	turn->frame.settings_level = nestlevel;
	hand_step(NULL);			/* the last one may have failed */
	GetUserIdAndSecContext(&turn->frame.identity.user, &turn->frame.identity.sec_context);
	try_code(turn, code);
	if (turn->effects.steps > steps && turn->pass.end == PASS_COMPLETED)
	{
		AtEOXact_GUC(false, nestlevel);
		turn->effects.subxids += TransactionIdIsValid(GetCurrentTransactionIdIfAny());
		ReleaseCurrentSubTransaction();
	}
	else
	{
		RollbackAndReleaseCurrentSubTransaction();
		leftovers_abort_sub();
	}
	store_forget(depth);
	MemoryContextSwitchTo(old_context);
	CurrentResourceOwner = old_owner;
	STOP_EVENT(pass_over);
	if (turn->interrupt)
		ReThrowError(turn->interrupt);
}

/*
 * Run the code once, and what is to be undone if it fails
 */
PassEnd
turn_pass(Turn *turn, bool in_place)
{
	TurnMark	mark = take_mark(turn);

	MemoryContextReset(turn->pass_context);
	turn->failure = NULL;
	turn->cancelled = false;
	run_pass(turn, call_workflow, in_place);
	if (turn->effects.steps > mark.effects.steps && turn->pass.end != PASS_COMPLETED)
	{
		return_to_mark(turn, &mark);
		turn->pass.end = PASS_REDO;
	}
	else if ((turn->pass.end == PASS_FAILED || turn->pass.end == PASS_TIMED_OUT) && saga_begin(turn))
		run_pass(turn, saga_after_code, false);
	return turn->pass.end;
}

/*
 * Run the code against what is recorded, and no further: it leaves at its
 * first call that is not.  Nothing is added to the turn; problem, failure and
 * what it waits for tell how it went.
 */
PassEnd
turn_replay(Turn *turn)
{
	TurnMark	mark = take_mark(turn);
	PassEnd		end;
	ErrorData  *problem;
	Jsonb	   *failure;
	int			problem_event;
	bool		cancelled;

	turn->replay_only = true;
	turn->problem_event = 0;
	end = turn_pass(turn, false);
	turn->replay_only = false;
	problem = turn->problem;
	problem_event = turn->problem_event;
	failure = turn->failure;
	cancelled = turn->cancelled;
	return_to_mark(turn, &mark);
	turn->problem = problem;
	turn->problem_event = problem_event;
	turn->failure = failure;
	turn->cancelled = cancelled;
	return end;
}
