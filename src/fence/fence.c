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
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "fence/fence.h"
#include "fence/fence_plpgsql.h"
#include "fence/fence_walk.h"
#include "fence/fence_words.h"
#include "optimizer/planner.h"
#include "store/store.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/memutils.h"

static object_access_hook_type prev_object_access_hook = NULL;
static ExecutorStart_hook_type prev_executor_start_hook = NULL;
static ExecutorRun_hook_type prev_executor_run_hook = NULL;
static planner_hook_type prev_planner_hook = NULL;
static ProcessUtility_hook_type prev_utility_hook = NULL;

/* The subtransaction that the code runs in */
static SubTransactionId pass_subid = InvalidSubTransactionId;

static inline bool
fenced(void)
{
	return current_turn && current_turn->in_code && !store_executing;
}

/*
 * The same for other files
 */
bool
fence_stands(void)
{
	return fenced();
}

/*
 * From here on the code of the turn runs
 */
void
fence_begin(Turn *turn)
{
	pass_subid = GetCurrentSubTransactionId();
	fence_watch_plpgsql();
	fence_go_on(turn);
}

/*
 * It goes on after a fence_end(), in whatever subtransaction it is
 */
void
fence_go_on(Turn *turn)
{
	words_forbid();
	turn->in_code = true;
}

void
fence_end(Turn *turn)
{
	if (!turn->in_code)
		return;
	turn->in_code = false;
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

	if (!fenced() || !words_forbidden_error())
		return;
	turn_note_refusal((Turn *) turn, ERRCODE_WF_FENCED, message, hint);
	errcode(ERRCODE_WF_FENCED);
	errmsg_internal("%s", message);
	errdetail_internal("A text that stands for it, like \"now\" or \"today\", is to become a date or time.");
	errhint("%s", hint);
}

static void
fence_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access == OAT_FUNCTION_EXECUTE && fenced())
		fence_check_function(objectid);
}

static PlannedStmt *
fence_planner(Query *parse, const char *query, int cursor_options, ParamListInfo params)
{
	PlannedStmt *result;
	bool		check = fenced();
	bool		check_again = false;

	if (check)
	{
		fence_passes_once = false;
		fence_check_expression((Node *) parse, query);
		check_again = fence_passes_once;
	}
	result = prev_planner_hook ?
		prev_planner_hook(parse, query, cursor_options, params) :
		standard_planner(parse, query, cursor_options, params);
	if (check)
	{
		fence_passes_once = check_again;
		fence_check_plan(result, NULL);
		if (!fence_passes_once)
			result->invalItems = fence_mark(result->invalItems);
	}
	return result;
}

static void
fence_executor_start(QueryDesc *query, int eflags)
{
	PlannedStmt *plan = query->plannedstmt;
	bool		check = fenced();

	if (check)
		words_forbid();
	if (check && !fence_is_marked(plan->invalItems))
	{
		MemoryContext old;

		fence_passes_once = false;
		fence_check_plan(plan, query->sourceText);
		/* it lives as long as the plan */
		old = MemoryContextSwitchTo(GetMemoryChunkContext(plan));
		if (!fence_passes_once)
			plan->invalItems = fence_mark(plan->invalItems);
		MemoryContextSwitchTo(old);
	}
	if (prev_executor_start_hook)
		prev_executor_start_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
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

static void
fence_executor_run(QueryDesc *query, ScanDirection direction, uint64 count EXECUTOR_RUN_ONCE)
{
	if (fenced() && ActivePortal && ActivePortal->queryDesc == query)
		fence_check_cursor(ActivePortal);
	if (prev_executor_run_hook)
		executor_run(prev_executor_run_hook, query, direction, count);
	else
		executor_run(standard_ExecutorRun, query, direction, count);
}

static void
check_call(CallStmt *call, const char *source)
{
	ListCell   *cell;

	fence_check_function(call->funcexpr->funcid);
	foreach(cell, call->funcexpr->args)
		fence_check_lone_expression((Node *) lfirst(cell), source);
}

static void
check_set(VariableSetStmt *set)
{
	if (set->name && pg_strcasecmp(set->name, "timezone_abbreviations") == 0)
		fence_refuse("setting timezone_abbreviations", NULL);
}

static void
check_utility(Node *statement, const char *source)
{
	switch (nodeTag(statement))
	{
		case T_DoStmt:
			break;
		case T_CallStmt:
			check_call((CallStmt *) statement, source);
			break;
		case T_VariableSetStmt:
			check_set((VariableSetStmt *) statement);
			break;
		case T_VariableShowStmt:
			fence_check_setting("SHOW", ((VariableShowStmt *) statement)->name);
			break;
		default:
			fence_refuse(GetCommandTagName(CreateCommandTag(statement)), NULL);
	}
}

static void
fence_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (fenced())
		check_utility(pstmt->utilityStmt, query);
	if (prev_utility_hook)
		prev_utility_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
}

void
durable_fence_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = fence_object_access;
	prev_planner_hook = planner_hook;
	planner_hook = fence_planner;
	prev_executor_start_hook = ExecutorStart_hook;
	ExecutorStart_hook = fence_executor_start;
	prev_executor_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = fence_executor_run;
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = fence_utility;
	watch_plpgsql_hook = fence_watch_plpgsql;
}
