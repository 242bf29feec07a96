/*-------------------------------------------------------------------------
 *
 * fence_hooks.c
 *	  Where the server asks the fence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "call/leftovers.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "fence/fence.h"
#include "fence/fence_hooks.h"
#include "fence/fence_plpgsql.h"
#include "fence/fence_walk.h"
#include "fence/fence_words.h"
#include "optimizer/planner.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

static object_access_hook_type prev_object_access_hook = NULL;
static ExecutorStart_hook_type prev_executor_start_hook = NULL;
static ExecutorRun_hook_type prev_executor_run_hook = NULL;
static planner_hook_type prev_planner_hook = NULL;
static ProcessUtility_hook_type prev_utility_hook = NULL;

static void
fence_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access == OAT_FUNCTION_EXECUTE && fence_stands())
		fence_check_function(objectid);
}

static PlannedStmt *
fence_planner(Query *parse, const char *query, int cursor_options, ParamListInfo params)
{
	PlannedStmt *result;
	bool		check = fence_stands();
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
	bool		check = fence_stands();

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

static void
fence_executor_run(QueryDesc *query, ScanDirection direction, uint64 count EXECUTOR_RUN_ONCE)
{
	if (fence_stands() && ActivePortal && ActivePortal->queryDesc == query)
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
	if (fence_stands())
		check_utility(pstmt->utilityStmt, query);
	if (prev_utility_hook)
		prev_utility_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
}

/*
 * Put the fence up, by the server's hooks
 */
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
