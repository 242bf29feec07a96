/*-------------------------------------------------------------------------
 *
 * fence.c
 *	  What workflow code may not do.
 *
 *	  Replayed code must do what it did before, so what could come out
 *	  differently is refused while workflow code runs, and the refusal names
 *	  what to use instead:
 *
 *	  1. Functions: an object-access hook sees every function that the executor
 *	  prepares.  Refused are volatile functions in C, the clock, and what tells
 *	  of transactions and backends.  Functions in procedural languages pass:
 *	  their bodies are fenced in the same way.  Verdicts are kept by oid.
 *
 *	  2. CURRENT_TIMESTAMP and its kin are no functions but expressions of their
 *	  own: hooks look for them after parse analysis, and after planning for those
 *	  that came with an inlined SQL function.
 *
 *	  3. Tables: an executor hook sees each query's range table.  Access to an
 *	  ordinary table is refused; besides, the transaction is read-only (pass.c).
 *
 *	  4. Utility statements: all but SET, SHOW, DO, CALL and EXPLAIN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "catalog/dependency.h"
#include "compat.h"
#include "executor/executor.h"
#include "extension.h"
#include "fence.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "tcop/utility.h"
#include "turn.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static object_access_hook_type prev_object_access_hook = NULL;
static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;
static ExecutorStart_hook_type prev_executor_start_hook = NULL;
static planner_hook_type prev_planner_hook = NULL;
static ProcessUtility_hook_type prev_utility_hook = NULL;

/* Built-in functions to refuse, and what to use instead.  Volatile ones not
 * listed here are refused too. */
static const struct
{
	const char *name;
	const char *instead;
}			advice[] = {
	{"now", "wf_now()"},
	{"transaction_timestamp", "wf_now()"},
	{"statement_timestamp", "wf_now()"},
	{"clock_timestamp", "wf_now()"},
	{"timeofday", "wf_now()"},
	{"random", "wf_random()"},
	{"random_normal", "wf_random()"},
	{"setseed", "wf_random()"},
	{"gen_random_uuid", "wf_uuid()"},
	{"uuidv4", "wf_uuid()"},
	{"uuidv7", "wf_uuid()"},
	{"pg_sleep", "wf_sleep()"},
	{"pg_sleep_for", "wf_sleep()"},
	{"pg_sleep_until", "wf_sleep_until()"},
	{"txid_current", NULL},
	{"txid_current_if_assigned", NULL},
	{"txid_current_snapshot", NULL},
	{"pg_current_xact_id", NULL},
	{"pg_current_xact_id_if_assigned", NULL},
	{"pg_current_snapshot", NULL},
	{"pg_backend_pid", NULL},
	{"pg_postmaster_start_time", NULL},
	{"pg_conf_load_time", NULL},
	{"pg_is_in_recovery", NULL},
	{"inet_client_addr", NULL},
	{"inet_client_port", NULL},
};

/* Volatile built-ins whose effect ends with the turn or which have none */
static const char *const harmless[] = {"set_config", "pg_advisory_unlock_all"};

typedef struct Verdict
{
	Oid			oid;			/* hash key */
	bool		refused;
	const char *instead;		/* of advice[], or NULL */
} Verdict;

static HTAB *verdicts = NULL;

static inline bool
fenced(void)
{
	return current_turn && current_turn->in_code;
}

static void
refuse(const char *what, const char *instead)
{
	turn_refuse(ERRCODE_WF_FENCED, psprintf("%s is not allowed in workflow code", what),
				instead ? psprintf("Use %s instead: it gives the same at every replay.", instead) :
				"Do it in an activity: wf_activity() or wf_sql().");
}

static void
forget_verdicts(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	Verdict    *verdict;

	hash_seq_init(&seq, verdicts);
	while ((verdict = hash_seq_search(&seq)) != NULL)
		hash_search(verdicts, &verdict->oid, HASH_REMOVE, NULL);
}

/*
 * Is the function one of this extension's own?  Those know themselves where
 * they may be called.
 */
static bool
is_ours(Oid function)
{
	return getExtensionOfObject(ProcedureRelationId, function) == durable_extension_oid();
}

static void
judge(Verdict *verdict, Form_pg_proc proc)
{
	const char *name = NameStr(proc->proname);
	bool		builtin = proc->pronamespace == PG_CATALOG_NAMESPACE;

	verdict->refused = false;
	verdict->instead = NULL;
	for (int i = 0; builtin && i < lengthof(advice); i++)
		if (strcmp(name, advice[i].name) == 0)
		{
			verdict->refused = true;
			verdict->instead = advice[i].instead;
			return;
		}
	/* age(timestamptz) counts from today, age(a, b) does not */
	verdict->refused = builtin && ((strcmp(name, "age") == 0 && proc->pronargs == 1) ||
								   strncmp(name, "pg_stat_", 8) == 0);
	if (verdict->refused)
		return;
	for (int i = 0; builtin && i < lengthof(harmless); i++)
		if (strcmp(name, harmless[i]) == 0)
			return;
	verdict->refused = proc->provolatile == PROVOLATILE_VOLATILE &&
		(proc->prolang == INTERNALlanguageId || proc->prolang == ClanguageId) &&
		!is_ours(proc->oid);
}

static void
check_function(Oid function)
{
	Verdict    *verdict;
	bool		found;
	HeapTuple	tuple;

	if (!verdicts)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Verdict)};

		verdicts = hash_create("durable fence", 128, &ctl, HASH_ELEM | HASH_BLOBS);
		CacheRegisterSyscacheCallback(PROCOID, forget_verdicts, (Datum) 0);
	}
	verdict = hash_search(verdicts, &function, HASH_FIND, NULL);
	if (!verdict)
	{
		Verdict		fresh = {.oid = function};

		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		if (!HeapTupleIsValid(tuple))
			return;
		judge(&fresh, (Form_pg_proc) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
		verdict = hash_search(verdicts, &function, HASH_ENTER, &found);
		*verdict = fresh;
	}
	if (verdict->refused)
		refuse(psprintf("%s()", get_func_name(function)), verdict->instead);
}

static void
fence_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access == OAT_FUNCTION_EXECUTE && fenced())
		check_function(objectid);
}

static bool
find_clock_expression(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_clock_expression, context, 0);
	if (IsA(node, SQLValueFunction))
	{
		switch (((SQLValueFunction *) node)->op)
		{
			case SVFOP_CURRENT_DATE:
			case SVFOP_CURRENT_TIME:
			case SVFOP_CURRENT_TIME_N:
			case SVFOP_CURRENT_TIMESTAMP:
			case SVFOP_CURRENT_TIMESTAMP_N:
			case SVFOP_LOCALTIME:
			case SVFOP_LOCALTIME_N:
			case SVFOP_LOCALTIMESTAMP:
			case SVFOP_LOCALTIMESTAMP_N:
				refuse("the current date or time", "wf_now()");
				break;
			default:
				break;
		}
	}
	if (IsA(node, NextValueExpr))
		refuse("nextval()", NULL);
	return expression_tree_walker(node, find_clock_expression, context);
}

static void
fence_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (prev_post_parse_analyze_hook)
		prev_post_parse_analyze_hook(pstate, query, jstate);
	if (fenced())
		(void) query_tree_walker(query, find_clock_expression, NULL, 0);
}

/*
 * The body of an SQL function shows only in the plan it was inlined into
 */
static void
check_plan(Plan *plan)
{
	ListCell   *cell;

	if (plan == NULL)
		return;
	(void) find_clock_expression((Node *) plan->targetlist, NULL);
	(void) find_clock_expression((Node *) plan->qual, NULL);
	if (IsA(plan, Result))
		(void) find_clock_expression(((Result *) plan)->resconstantqual, NULL);
	if (IsA(plan, FunctionScan))
		foreach(cell, ((FunctionScan *) plan)->functions)
			(void) find_clock_expression(lfirst_node(RangeTblFunction, cell)->funcexpr, NULL);
	check_plan(plan->lefttree);
	check_plan(plan->righttree);
}

static PlannedStmt *
fence_planner(Query *parse, const char *query, int cursor_options, ParamListInfo params)
{
	PlannedStmt *result = prev_planner_hook ?
		prev_planner_hook(parse, query, cursor_options, params) :
		standard_planner(parse, query, cursor_options, params);
	ListCell   *cell;

	if (fenced())
	{
		check_plan(result->planTree);
		foreach(cell, result->subplans)
			check_plan((Plan *) lfirst(cell));
	}
	return result;
}

static void
check_tables(List *range_table)
{
	ListCell   *cell;

	foreach(cell, range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		/* a view is a subquery with its relid from PostgreSQL 16 on */
		if (rte->rtekind != RTE_RELATION && rte->rtekind != RTE_SUBQUERY)
			continue;
		/* what the engine itself reads on behalf of a call lives in its schema */
		if (rte->relid >= FirstNormalObjectId &&
			get_rel_namespace(rte->relid) != durable_schema())
			refuse(psprintf("access to table \"%s\"", get_rel_name(rte->relid)), "wf_sql()");
	}
}

static void
fence_executor_start(QueryDesc *query, int eflags)
{
	if (fenced())
		check_tables(query->plannedstmt->rtable);
	if (prev_executor_start_hook)
		prev_executor_start_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
fence_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (fenced())
	{
		switch (nodeTag(pstmt->utilityStmt))
		{
			case T_VariableSetStmt:
			case T_VariableShowStmt:
			case T_DoStmt:
			case T_CallStmt:
			case T_ExplainStmt:
				break;
			default:
				refuse(GetCommandTagName(CreateCommandTag(pstmt->utilityStmt)), NULL);
		}
	}
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
	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = fence_parse_analyze;
	prev_planner_hook = planner_hook;
	planner_hook = fence_planner;
	prev_executor_start_hook = ExecutorStart_hook;
	ExecutorStart_hook = fence_executor_start;
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = fence_utility;
}
