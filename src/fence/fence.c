/*-------------------------------------------------------------------------
 *
 * fence.c
 *	  What workflow code may not do.
 *
 *	  Replayed code must do what it did before, so what could come out
 *	  differently is refused while workflow code runs, whatever was called,
 *	  planned or opened before, and the refusal names what to use instead:
 *
 *	  1. Queries: each is seen when it is planned, as it was written and as it
 *	  was planned (fence_walk.c), by the rules of fence_rules.c.  What passes is
 *	  marked.  A plan without the mark, made elsewhere and kept (by an SQL
 *	  function, PL/Perl, PL/Python), is looked through when it is executed;
 *	  of PL/pgSQL's it is made anew (fence_plpgsql.c).
 *
 *	  2. Functions: an object-access hook sees every function that the executor
 *	  prepares, also those of expressions that are no query's.
 *
 *	  3. The words now, today, tomorrow and yesterday mean nothing while code
 *	  runs, wherever a text is taken for a date (fence_words.c).
 *
 *	  4. Tables, views and catalogs are refused with their query; besides, the
 *	  transaction is read-only (pass.c).  The engine's own statements, on behalf
 *	  of a call, pass (store_executing).
 *
 *	  5. Cursors that were opened outside are not read.
 *
 *	  6. Utility statements: SET, SHOW of what the run keeps, DO and CALL.
 *
 *	  The fence is up between fence_begin() and fence_end(); a step is outside.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "fence/fence.h"
#include "fence/fence_walk.h"
#include "fence/fence_words.h"
#include "store/store.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/memutils.h"

/* The subtransaction that the code runs in */
static SubTransactionId pass_subid = InvalidSubTransactionId;

/*
 * Is this code of a workflow, and not the engine on its way?
 */
bool
fence_stands(void)
{
	return current_turn && current_turn->frame.in_code && !store_executing;
}

/*
 * From here on the code of the turn runs
 */
void
fence_begin(Turn *turn)
{
	pass_subid = GetCurrentSubTransactionId();
	watch_plpgsql_hook();
	fence_go_on(turn);
}

/*
 * It goes on after a fence_end(), in whatever subtransaction it is
 */
void
fence_go_on(Turn *turn)
{
	words_forbid();
	turn->frame.in_code = true;
}

/*
 * Code of the engine or of a step runs
 */
void
fence_end(Turn *turn)
{
	if (!turn->frame.in_code)
		return;
	turn->frame.in_code = false;
	words_allow();
}

/*
 * An error context callback of the turn's code: a word like "now" in place of a
 * date is a refusal, which code cannot swallow.
 */
void
fence_explain(void *turn)
{
	static const char *const message = "the current date or time is not allowed in workflow code";
	static const char *const hint = "Use wf_now() instead: it gives the same at every replay.";

	if (!fence_stands() || !words_forbidden_error())
		return;
	turn_note_refusal((Turn *) turn, ERRCODE_WF_FENCED, message, hint);
	errcode(ERRCODE_WF_FENCED);
	errmsg_internal("%s", message);
	errdetail_internal("A text that stands for it, like \"now\" or \"today\", is to become a date or time.");
	errhint("%s", hint);
}

/*
 * May the code read this cursor?  Not if it was opened before the code ran: by
 * the session, or a step.
 */
void
fence_check_cursor(Portal portal)
{
	if (portal->createSubid < pass_subid)
		fence_refuse(psprintf("cursor \"%s\", which was opened outside,", portal->name), NULL);
}
