/*-------------------------------------------------------------------------
 *
 * leave.c
 *	  How the code of a turn is left, and who it is.
 *
 *	  1. A call that cannot go on records why and leaves by an error with
 *	  SQLSTATE 57014, which WHEN OTHERS does not catch.  The flag `left' is the
 *	  truth: code that catches the error all the same leaves again at its next
 *	  call, and if it returns, the pass counts as left.
 *
 *	  2. A refusal (nondeterminism, the fence, a limit) is noted before it is
 *	  raised, so that code cannot swallow it either.
 *
 *	  3. While replaying, messages are dropped: they were sent when the code
 *	  came by for the first time.
 *
 *	  4. Code may be a SECURITY DEFINER function, or call one.  What it asks for
 *	  is still the run's, not the definer's: names are looked up, children are
 *	  checked and steps are taken as the run's owner (turn_as_owner).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/failure.h"
#include "call/callable.h"
#include "call/clone.h"
#include "call/running.h"
#include "miscadmin.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/builtins.h"

static bool muted = false;
static int	save_log_min_messages;
static int	save_client_min_messages;

/*
 * Messages of the code are shown again
 */
void
turn_unmute(void)
{
	if (!muted)
		return;
	log_min_messages = save_log_min_messages;
	client_min_messages = save_client_min_messages;
	muted = false;
}

/*
 * Mute or turn_unmute, as the code is replaying or live
 */
void
turn_mute(Turn *turn)
{
	bool		mute = turn->frame.in_code && turn_replaying(turn) && !turn->trace;

	if (mute == muted)
		return;
	if (!mute)
	{
		turn_unmute();
		return;
	}
	save_log_min_messages = log_min_messages;
	save_client_min_messages = client_min_messages;
	log_min_messages = FATAL;
	client_min_messages = ERROR;
	muted = true;
}

/*
 * Be the run's owner, whatever function the code is in the middle of.  Returns
 * who that made us.  An error needs no cleanup: code that catches one is in a
 * subtransaction of its own.
 */
Identity
turn_as_owner(Turn *turn)
{
	Identity	code;

	GetUserIdAndSecContext(&code.user, &code.sec_context);
	turn_as(turn->frame.identity);
	return code;
}

/*
 * Be somebody, as turn_as_owner() returned
 */
void
turn_as(Identity identity)
{
	SetUserIdAndSecContext(identity.user, identity.sec_context);
}

/*
 * The function of an activity that the code names, or InvalidOid
 */
Oid
turn_resolve(Turn *turn, const char *name)
{
	Identity	code = turn_as_owner(turn);
	Oid			function = callable_resolve(name, true);

	turn_as(code);
	return function;
}

/*
 * The turn whose code calls; an error elsewhere.  `call' names the function.
 */
Turn *
turn_in_code(const char *call)
{
	Turn	   *turn = current_turn;

	if (!turn || !turn->frame.in_code)
		ereport(ERROR,
				(errcode(ERRCODE_WF_NOT_IN_WORKFLOW),
				 errmsg("%s called outside workflow code", call),
				 errhint("Start the function as a workflow, with wf_start().")));
	if (turn->pass.left)
		turn_leave(turn, turn->pass.end);
	return turn;
}

/*
 * Where a clone runs for it, the workflow's function is to show under its own
 * name
 */
char *
turn_true_names(Turn *turn, char *context)
{
	return turn->clone && context ?
		clone_hide(context, turn->clone, text_to_cstring(turn->execution->function)) : context;
}

/*
 * Where the code is, out of the context of the error being thrown
 */
static void
note_location(Turn *turn)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	turn->wait.where = wait_location(turn_true_names(turn, CopyErrorData()->context));
	MemoryContextSwitchTo(old);
}

/*
 * Leave the code.  Only a wait needs to know where it is, so only then the
 * error collects its context.
 */
void
turn_leave(Turn *turn, PassEnd end)
{
	turn->pass.left = true;
	turn->pass.end = end;
	if (end != PASS_WAIT || turn->wait.where)
		error_context_stack = NULL;
	PG_TRY();
	{
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg_internal("workflow code suspended")));
	}
	PG_CATCH();
	{
		/* here, since code may catch the error on its way out */
		if (end == PASS_WAIT && !turn->wait.where)
			note_location(turn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pg_unreachable();
}

/*
 * The turn fails, with this error
 */
void
turn_note_problem(Turn *turn, int sqlstate, const char *message, const char *hint)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	turn->problem = palloc0(sizeof(ErrorData));
	turn->problem->elevel = ERROR;
	turn->problem->sqlerrcode = sqlstate;
	turn->problem->message = pstrdup(message);
	turn->problem->hint = hint ? pstrdup(hint) : NULL;
	MemoryContextSwitchTo(old);
}

/*
 * The turn fails, whatever becomes of the error that is being raised
 */
void
turn_note_refusal(Turn *turn, int sqlstate, const char *message, const char *hint)
{
	if (!turn->problem)
		turn_note_problem(turn, sqlstate, message, hint);
}

/*
 * Fail the turn: the run stays open, and goes on when the cause is mended
 */
void
turn_refuse(int sqlstate, const char *message, const char *hint)
{
	if (current_turn)
		turn_note_refusal(current_turn, sqlstate, message, hint);
	ereport(ERROR,
			(errcode(sqlstate), errmsg_internal("%s", message), hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

/*
 * The code starts anew, with nothing registered
 */
void
saga_begin_pass(Turn *turn)
{
	Saga	   *saga = &turn->saga;

	saga->compensations = NIL;
	saga->failures = NIL;
	saga->running = false;
	saga->after_code = false;
}

/*
 * Does the history say that the code, which runs, fails and is followed by
 * compensations?
 */
bool
saga_follows(Turn *turn)
{
	return turn->saga.started >= 0 && !turn->saga.after_code;
}

/*
 * Index of the timeout that ends the code at a wait, NEVER where none does
 */
int
saga_pending_timeout(Turn *turn)
{
	return turn->saga.timeout < 0 || turn->saga.running ? NEVER : turn->saga.timeout;
}
