/*-------------------------------------------------------------------------
 *
 * rehearsal.c
 *	  Replaying a history against code, without any effect.
 *
 *	  1. It is one pass of a turn that has no mail and is not written, in the
 *	  caller's session.  A check of runs is made as their owner, and nothing gets
 *	  back to the caller's role; who replays a history by hand does it as himself.
 *	  The pass goes as far as what is
 *	  recorded; where the code wants more it leaves (turn_match), so no step is
 *	  run, and what it records on the way is forgotten (turn_replay).
 *
 *	  2. A run is replayed under its own settings.  Those of the session come
 *	  back with stage_end(), or with the end of a transaction that failed.
 *
 *	  3. The watchdog watches a check of many runs, but not a session in which
 *	  somebody steps through the code with a debugger.
 *
 *	  4. Activities cannot have histories replayed: there is one turn at a time in
 *	  a process, and one guard of the watchdog, and with a step both are taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/json.h"
#include "base/settings.h"
#include "call/callable_cache.h"
#include "call/running.h"
#include "code/pass.h"
#include "code/rehearsal.h"
#include "miscadmin.h"
#include "shared/watchdog.h"
#include "store/execution.h"
#include "store/history.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/*
 * Begin to replay without effects
 */
void
stage_begin(Stage *stage, bool timed)
{
	if (current_turn || running_attempt)
		ereport(ERROR,
				(errcode(ERRCODE_WF_FENCED),
				 errmsg("an activity cannot have histories replayed"),
				 errhint("Call wf_replay(), wf_check_replay() and wf_migrate() in a session of your own.")));
	stage->nestlevel = NewGUCNestLevel();
	stage->timed = timed;
	settings_forget_applied();
	if (timed)
		watchdog_start();
}

/*
 * What it did to the session is undone
 */
void
stage_end(Stage *stage)
{
	if (stage->timed)
		watchdog_stop();
	AtEOXact_GUC(false, stage->nestlevel);
	settings_forget_applied();
}

/*
 * Replay a history, and compare inputs if asked to.  The turn is left to look at; turn->context is the caller's
 * to delete.
 */
PassEnd
rehearse(Turn *turn, Execution *e, const HistoryRow *rows, int nrows, const Code *code, TurnTrace trace,
		 bool compare)
{
	PassEnd		end = PASS_PROBLEM;
	MemoryContext old;

	turn_init(turn, e, CurrentMemoryContext);
	turn->trace = trace;
	turn->compare = compare;
	old = MemoryContextSwitchTo(turn->context);
	for (int i = 0; i < nrows; i++)
		turn_load_row(turn, &rows[i]);
	turn_begin_row(turn);
	turn_end_mail(turn);
	turn->workflow = callable_get(code->function);
	turn->clone = code->clone;
	turn->definer = code->definer;
	current_turn = turn;
	PG_TRY();
	{
		end = turn_replay(turn);
	}
	PG_FINALLY();
	{
		current_turn = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return end;
}

/*
 * What a problem says, and at which event
 */
Misfit
rehearse_misfit(Turn *turn)
{
	const ErrorData *problem = turn->problem;
	bool		early = problem->sqlerrcode == ERRCODE_WF_NONDETERMINISM && problem->detail;
	const char *text = early ? problem->detail : problem->message;
	Misfit		result = {turn->problem_event, pstrdup(text ? text : "no message"), false};

	if (result.event == 0 && !turn_all_matched(turn))
		result.event = turn->history.commands[turn->pass.next_command - 1].event + 1;
	return result;
}

/*
 * The code fits, but for inputs that were others when they were recorded
 */
Misfit
rehearse_difference(Turn *turn)
{
	if (turn->differences == 0)
		return (Misfit) {0};
	return (Misfit) {turn->differs_at,
		turn->differences == 1 ? pstrdup(turn->difference) :
		psprintf("%s; %d inputs differ", turn->difference, turn->differences), true};
}

/*
 * Would the run go on with this code?  In the current memory context, between
 * stage_begin() and stage_end().
 */
Misfit
rehearse_run(Execution *e, const HistoryRow *rows, int nrows, const Code *code, bool compare)
{
	Misfit		result = {0};
	Turn		turn;
	PassEnd		end;
	Oid			save_userid;
	int			save_sec_context;
	char	   *failure;

	/* nothing has been run yet */
	if (nrows == 0)
		return result;
	settings_apply(e->settings);
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(e->owner, save_sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	end = rehearse(&turn, e, rows, nrows, code, NULL, compare);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	switch (end)
	{
		case PASS_PROBLEM:
			result = rehearse_misfit(&turn);
			break;
		case PASS_FAILED:
			if (turn.cancelled)
				break;
			failure = json_find_text(turn.failure, "message");
			result.problem = psprintf("the code now fails: %s", failure ? failure : "no message");
			break;
		default:
			result = rehearse_difference(&turn);
			break;
	}
	MemoryContextDelete(turn.context);
	return result;
}
