/*-------------------------------------------------------------------------
 *
 * fence_walk.c
 *	  Looking through queries, plans and expressions for what is refused.
 *
 *	  1. One walker for expressions, wherever they are.  It asks the rules
 *	  (fence_rules.c) about functions, and knows the nodes that are the clock or a
 *	  sequence without being functions, and those that run functions that no
 *	  hook is told of: conversions by text, domains, orderings.
 *
 *	  2. A query shows what was written, a plan also what was inlined: bodies of
 *	  SQL functions.  So both are looked through, when a plan is made.
 *
 *	  3. Plans that were looked through carry a mark, among the items by which a
 *	  plan becomes invalid: it is copied with the plan, and means nothing to
 *	  PostgreSQL.  So a plan that is kept is looked through once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/settings.h"
#include "call/running.h"
#include "catalog/pg_type.h"
#include "fence/fence_rules.h"
#include "fence/fence_walk.h"
#include "fence/fence_words.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* No syscache has this number, so no invalidation ever means the mark. */
#define MARK_CACHE	(-1)
#define MARK_HASH	0xD04AB1E

/* The source is NULL where literals were looked at before */
typedef struct Walk
{
	const char *source;
} Walk;

bool		fence_passes_once = false;

static bool walk(Node *node, Walk *context);

/*
 * Fail the turn: code may not do that, and `instead' (or NULL) is what to use
 */
void
fence_refuse(const char *what, const char *instead)
{
	turn_refuse(ERRCODE_WF_FENCED, psprintf("%s is not allowed in workflow code", what),
				instead ? psprintf("Use %s instead: it gives the same at every replay.", instead) :
				"Do it in an activity: wf_activity() or wf_sql().");
	pg_unreachable();
}

/*
 * May code call this function?
 */
void
fence_check_function(Oid function)
{
	const Verdict *verdict = OidIsValid(function) ? fence_verdict(function) : NULL;

	if (verdict && verdict->refused)
		fence_refuse(psprintf("%s()", get_func_name(function)), verdict->instead);
}

/*
 * A setting may be read if the run keeps it, or the code has set it.  The
 * latter has to be looked at each time.
 */
void
fence_check_setting(const char *how, const char *setting)
{
	if (setting_is_kept(setting))
		return;
	if (!setting_is_set_since(setting, current_turn->frame.settings_level))
		fence_refuse(psprintf("%s of \"%s\"", how, setting), NULL);
	fence_passes_once = true;
}

static void
check_setting_call(List *args)
{
	Const	   *name = args && IsA(linitial(args), Const) ? linitial_node(Const, args) : NULL;

	if (!name || name->constisnull || name->consttype != TEXTOID)
		fence_refuse("current_setting() of a name that is not written out", NULL);
	fence_check_setting("current_setting()", TextDatumGetCString(name->constvalue));
}

static void
check_call(Oid function, List *args)
{
	const Verdict *verdict = fence_verdict(function);

	if (verdict && verdict->keeps)
		check_setting_call(args);
	fence_check_function(function);
}

/*
 * The conditions of a domain, and of the domains in a type
 */
void
fence_check_type(Oid type)
{
	Oid			base;

	check_stack_depth();
	if (type < FirstNormalObjectId)
		return;
	if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		/* in the current memory context, which it has to live as long as */
		DomainConstraintRef *ref = palloc0(sizeof(DomainConstraintRef));
		Walk		context = {NULL};
		ListCell   *cell;

		InitDomainConstraintRef(type, ref, CurrentMemoryContext, false);
		foreach(cell, ref->constraints)
			(void) walk((Node *) ((DomainConstraintState *) lfirst(cell))->check_expr, &context);
		fence_check_type(getBaseType(type));
	}
	else if (OidIsValid(base = get_element_type(type)))
		fence_check_type(base);
	else if (type_is_rowtype(type) && type != RECORDOID)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
			if (!TupleDescAttr(desc, i)->attisdropped)
				fence_check_type(TupleDescAttr(desc, i)->atttypid);
		FreeTupleDesc(desc);
	}
}

static bool
is_date(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_DATETIME;
}

static bool
is_time(Oid type)
{
	return type == TIMETZOID;
}

/*
 * Is it such a type, or is one in it?
 */
static bool
has(Oid type, bool (*such) (Oid type))
{
	bool		result = false;
	TupleDesc	desc;

	check_stack_depth();
	type = getBaseType(type);
	if (such(type))
		return true;
	if (OidIsValid(get_element_type(type)))
		return has(get_element_type(type), such);
	if (OidIsValid(get_multirange_range(type)))
		type = get_multirange_range(type);
	if (OidIsValid(get_range_subtype(type)))
		return has(get_range_subtype(type), such);
	if (!type_is_rowtype(type) || type == RECORDOID)
		return false;
	desc = lookup_rowtype_tupdesc_copy(type, -1);
	for (int i = 0; i < desc->natts && !result; i++)
		result = !TupleDescAttr(desc, i)->attisdropped && has(TupleDescAttr(desc, i)->atttypid, such);
	FreeTupleDesc(desc);
	return result;
}

static void
refuse_time(void)
{
	fence_refuse("a time that takes the offset that the time zone has today", "timestamptz");
}

/*
 * Values of the type are made of text, or of JSON
 */
static void
check_made_of_text(Oid type)
{
	if (has(type, is_time))
		refuse_time();
}

static void
check_columns(List *types)
{
	ListCell   *cell;

	foreach(cell, types)
		check_made_of_text(lfirst_oid(cell));
}

/*
 * A conversion by way of text: functions of types that no hook is told of
 */
static void
check_conversion(Oid from, Oid to)
{
	Oid			function;
	Oid			param;
	bool		varlena;

	check_made_of_text(to);
	getTypeInputInfo(to, &function, &param);
	fence_check_function(function);
	getTypeOutputInfo(from, &function, &varlena);
	fence_check_function(function);
	fence_check_type(to);
}

static void
check_value_function(SQLValueFunction *function)
{
	switch (function->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_SESSION_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			break;				/* where the run lives, and its owner */
		default:
			fence_refuse("the current date or time", "wf_now()");
	}
}

/*
 * A literal that was analysed before the code ran: now, today ..., or a time
 * without an offset
 */
static void
check_literal(Const *literal, const char *source)
{
	if (!source || literal->location < 0 || literal->constisnull ||
		strnlen(source, literal->location + 1) <= literal->location)
		return;
	if (words_in_literal(source, literal->location) && has(literal->consttype, is_date))
		fence_refuse("the current date or time", "wf_now()");
	if (!offset_in_literal(source, literal->location) && has(literal->consttype, is_time))
		refuse_time();
}

/*
 * The operators of ORDER BY, DISTINCT, GROUP BY and set operations
 */
static void
check_ordering(SortGroupClause *clause)
{
	if (clause->eqop >= FirstNormalObjectId)
		fence_check_function(get_opcode(clause->eqop));
	if (clause->sortop >= FirstNormalObjectId)
		fence_check_function(get_opcode(clause->sortop));
}

static void
check_operators(List *operators)
{
	ListCell   *cell;

	foreach(cell, operators)
		fence_check_function(get_opcode(lfirst_oid(cell)));
}

/*
 * No table, no view, no catalog: what is in them may change between two turns
 */
static void
check_tables(List *range_table)
{
	ListCell   *cell;

	foreach(cell, range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		/* a view is a subquery with its relid from PostgreSQL 16 on */
		if ((rte->rtekind == RTE_RELATION || rte->rtekind == RTE_SUBQUERY) && OidIsValid(rte->relid))
			fence_refuse(psprintf("access to table \"%s\"", get_rel_name(rte->relid)), "wf_sql()");
	}
}

static bool
walk(Node *node, Walk *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			check_tables(((Query *) node)->rtable);
			return query_tree_walker((Query *) node, walk, context, QTW_EXAMINE_SORTGROUP);
		case T_FuncExpr:
			check_call(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args);
			fence_check_type(((FuncExpr *) node)->funcresulttype);
			/* jsonb_populate_record() and its kin */
			if (((FuncExpr *) node)->funcid < FirstNormalObjectId && ((FuncExpr *) node)->funcresulttype >= FirstNormalObjectId)
				check_made_of_text(((FuncExpr *) node)->funcresulttype);
			break;
		case T_RangeTblFunction:
			check_columns(((RangeTblFunction *) node)->funccoltypes);
			break;
		case T_TableFunc:
			check_columns(((TableFunc *) node)->coltypes);
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:		/* three structs alike */
			fence_check_function(get_opcode(((OpExpr *) node)->opno));
			break;
		case T_ScalarArrayOpExpr:
			fence_check_function(get_opcode(((ScalarArrayOpExpr *) node)->opno));
			break;
		case T_RowCompareExpr:
			check_operators(((RowCompareExpr *) node)->opnos);
			break;
		case T_Aggref:
			fence_check_function(((Aggref *) node)->aggfnoid);
			break;
		case T_WindowFunc:
			fence_check_function(((WindowFunc *) node)->winfnoid);
			break;
		case T_SQLValueFunction:
			check_value_function((SQLValueFunction *) node);
			break;
		case T_NextValueExpr:
			fence_refuse("nextval()", NULL);
		case T_CoerceViaIO:
			check_conversion(exprType((Node *) ((CoerceViaIO *) node)->arg), ((CoerceViaIO *) node)->resulttype);
			break;
		case T_CoerceToDomain:
			fence_check_type(((CoerceToDomain *) node)->resulttype);
			break;
		case T_Const:
			check_literal((Const *) node, context->source);
			break;
		case T_SortGroupClause:
			check_ordering((SortGroupClause *) node);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, walk, context);
}

/*
 * A query or an expression.  The source tells what literals were.
 */
void
fence_check_expression(Node *node, const char *source)
{
	Walk		context = {source};

	(void) walk(node, &context);
}

/*
 * An expression that is planned by itself, by no hook's leave: also what is
 * inlined into it
 */
void
fence_check_lone_expression(Node *node, const char *source)
{
	fence_check_expression(node, source);
	fence_check_expression((Node *) expression_planner(copyObject((Expr *) node)), NULL);
}

/*
 * The function of a cast, as PL/pgSQL makes it in an assignment
 */
void
fence_check_cast(Oid from, Oid to)
{
	Oid			function = InvalidOid;
	CaseTestExpr *value;

	if (find_coercion_pathway(to, from, COERCION_PLPGSQL, &function) != COERCION_PATH_FUNC)
	{
		check_made_of_text(to);
		return;
	}
	value = makeNode(CaseTestExpr);
	value->typeId = from;
	value->typeMod = -1;
	value->collation = get_typcollation(from);
	fence_check_lone_expression((Node *) makeFuncExpr(function, to, list_make1(value), get_typcollation(to),
													  get_typcollation(from), COERCE_IMPLICIT_CAST), NULL);
}

static void walk_plan(Plan *plan, Walk *context);

static void
walk_plans(List *plans, Walk *context)
{
	ListCell   *cell;

	foreach(cell, plans)
		walk_plan((Plan *) lfirst(cell), context);
}

/*
 * What a node of a join's kind computes besides target list and conditions
 */
static void
walk_join(Join *join, Walk *context)
{
	(void) walk((Node *) join->joinqual, context);
	if (IsA(join, MergeJoin))
		(void) walk((Node *) ((MergeJoin *) join)->mergeclauses, context);
	else if (IsA(join, HashJoin))
	{
		(void) walk((Node *) ((HashJoin *) join)->hashclauses, context);
		(void) walk((Node *) ((HashJoin *) join)->hashkeys, context);
	}
}

static void
walk_plan(Plan *plan, Walk *context)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	(void) walk((Node *) plan->targetlist, context);
	(void) walk((Node *) plan->qual, context);
	switch (nodeTag(plan))
	{
		case T_Result:
			(void) walk(((Result *) plan)->resconstantqual, context);
			break;
		case T_Append:
			walk_plans(((Append *) plan)->appendplans, context);
			break;
		case T_MergeAppend:
			walk_plans(((MergeAppend *) plan)->mergeplans, context);
			break;
		case T_SubqueryScan:
			walk_plan(((SubqueryScan *) plan)->subplan, context);
			break;
		case T_FunctionScan:
			(void) walk((Node *) ((FunctionScan *) plan)->functions, context);
			break;
		case T_TableFuncScan:
			(void) walk((Node *) ((TableFuncScan *) plan)->tablefunc, context);
			break;
		case T_ValuesScan:
			(void) walk((Node *) ((ValuesScan *) plan)->values_lists, context);
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			walk_join((Join *) plan, context);
			break;
		case T_Memoize:
			(void) walk((Node *) ((Memoize *) plan)->param_exprs, context);
			break;
		case T_Hash:
			(void) walk((Node *) ((Hash *) plan)->hashkeys, context);
			break;
		case T_WindowAgg:
			(void) walk(((WindowAgg *) plan)->startOffset, context);
			(void) walk(((WindowAgg *) plan)->endOffset, context);
			(void) walk((Node *) ((WindowAgg *) plan)->runCondition, context);
			break;
		case T_Limit:
			(void) walk(((Limit *) plan)->limitOffset, context);
			(void) walk(((Limit *) plan)->limitCount, context);
			break;
		case T_CustomScan:
			(void) walk((Node *) ((CustomScan *) plan)->custom_exprs, context);
			walk_plans(((CustomScan *) plan)->custom_plans, context);
			break;
		default:
			break;				/* scans of tables are refused as such */
	}
	walk_plan(plan->lefttree, context);
	walk_plan(plan->righttree, context);
}

/*
 * A plan with all that it is made of
 */
void
fence_check_plan(PlannedStmt *plan, const char *source)
{
	Walk		context = {source};

	check_tables(plan->rtable);
	walk_plan(plan->planTree, &context);
	walk_plans(plan->subplans, &context);
}

/*
 * Was this plan looked through before?
 */
bool
fence_is_marked(List *items)
{
	ListCell   *cell;

	foreach(cell, items)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, cell);

		if (item->cacheId == MARK_CACHE && item->hashValue == MARK_HASH)
			return true;
	}
	return false;
}

/*
 * The items with the mark, in the current memory context
 */
List *
fence_mark(List *items)
{
	PlanInvalItem *item = makeNode(PlanInvalItem);

	item->cacheId = MARK_CACHE;
	item->hashValue = MARK_HASH;
	return lappend(items, item);
}
