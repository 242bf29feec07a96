/*-------------------------------------------------------------------------
 *
 * fence_plpgsql.c
 *	  Expressions of PL/pgSQL that were planned before workflow code uses them.
 *
 *	  1. PL/pgSQL evaluates simple expressions without the executor's hooks, and
 *	  keeps their plans for the session and their executable form for the
 *	  transaction.  A helper that a step has called before would be evaluated in
 *	  workflow code with no hook called.
 *
 *	  2. So we are told of each statement (PLpgSQL_plugin) and look whether the
 *	  plans of its expressions are marked, that is, were made in workflow code
 *	  under the eyes of the other hooks.  One that is not is declared invalid, as
 *	  if somebody had altered what it uses: it is analysed and planned anew, in
 *	  workflow code, before it runs.  This happens once an expression and session.
 *
 *	  3. A statement whose plan is made for the values of its variables (custom)
 *	  has no plan that could be marked; then the mark is with the analysed query.
 *
 *	  4. There is one plugin in a session.  Whoever was there before, or came
 *	  after us, is called by us, with what PL/pgSQL fills in for a plugin.  We
 *	  register in processes that run workflow code only, and use no plugin_info,
 *	  so that it is the other's alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/compat.h"
#include "call/leftovers.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fence/fence.h"
#include "fence/fence_plpgsql.h"
#include "fence/fence_walk.h"
#include "fence/fence_words.h"
#include "plpgsql.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/portal.h"

static PLpgSQL_plugin **registered = NULL;
static PLpgSQL_plugin *other = NULL;
static PLpgSQL_plugin plugin;

/* Is the other being called?  It may call us in its turn. */
static bool passing_on = false;

static CachedPlanSource *
plan_source(PLpgSQL_expr *expr)
{
	List	   *sources = expr && expr->plan ? SPI_plan_get_plan_sources(expr->plan) : NIL;

	return list_length(sources) == 1 ? (CachedPlanSource *) linitial(sources) : NULL;
}

static bool
plan_is_marked(CachedPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->stmt_list)
		if (!fence_is_marked(lfirst_node(PlannedStmt, cell)->invalItems))
			return false;
	return true;
}

/*
 * Is there a plan, or an analysed query, that was not made in workflow code?
 * Declares the plan invalid.
 */
static bool
made_elsewhere(CachedPlanSource *source)
{
	/* not planned yet, or a utility statement: other hooks see it */
	if (!source || !source->is_valid || !source->resultDesc ||
		linitial_node(Query, source->query_list)->commandType == CMD_UTILITY)
		return false;
	if (source->gplan && source->gplan->is_valid)
	{
		if (plan_is_marked(source->gplan))
			return false;
		source->gplan->is_valid = false;
	}
	return !fence_is_marked(source->invalItems);
}

/*
 * Have an expression analysed and planned anew when it is evaluated, unless
 * that was done in workflow code
 */
static void
look_at_later(PLpgSQL_expr *expr)
{
	CachedPlanSource *source = plan_source(expr);

	if (made_elsewhere(source))
		source->is_valid = false;
}

/*
 * The same for one that is evaluated next, with the types that its variables
 * have now.  A simple expression has a plan to mark; what has none may be
 * marked after its analysis, which is done here.
 */
static void
look_at(PLpgSQL_expr *expr)
{
	CachedPlanSource *source = plan_source(expr);
	MemoryContext old;

	if (!made_elsewhere(source))
		return;
	source->is_valid = false;
	if (expr->expr_simple_expr)
		return;
	(void) CachedPlanGetTargetList(source, NULL);
	if (!source->query_context)
		return;
	old = MemoryContextSwitchTo(source->query_context);
	source->invalItems = fence_mark(source->invalItems);
	MemoryContextSwitchTo(old);
}

static void
look_at_all(List *exprs)
{
	ListCell   *cell;

	foreach(cell, exprs)
		look_at((PLpgSQL_expr *) lfirst(cell));
}

/*
 * What declares variables gives them values, one after the other
 */
static void
look_at_block(PLpgSQL_execstate *estate, PLpgSQL_stmt_block *block)
{
	for (int i = 0; i < block->n_initvars; i++)
	{
		PLpgSQL_variable *variable = (PLpgSQL_variable *) estate->datums[block->initvarnos[i]];

		if (variable->dtype == PLPGSQL_DTYPE_VAR || variable->dtype == PLPGSQL_DTYPE_REC)
			look_at_later(variable->default_val);
		if (variable->dtype == PLPGSQL_DTYPE_VAR && ((PLpgSQL_var *) variable)->datatype->typtype == TYPTYPE_DOMAIN)
			fence_check_type(((PLpgSQL_var *) variable)->datatype->typoid);
	}
}

/*
 * An assignment casts, by functions that no hook is told of twice in a
 * transaction.  Of the server's own casts only that to timetz matters.
 */
static void
look_at_assignment(PLpgSQL_execstate *estate, PLpgSQL_stmt_assign *assign)
{
	PLpgSQL_datum *target = estate->datums[assign->varno];
	CachedPlanSource *source;
	Oid			from;
	Oid			to;

	look_at(assign->expr);
	source = plan_source(assign->expr);
	if (!source || !source->resultDesc || target->dtype != PLPGSQL_DTYPE_VAR)
		return;
	from = TupleDescAttr(source->resultDesc, 0)->atttypid;
	to = ((PLpgSQL_var *) target)->datatype->typoid;
	if (from != to && (from >= FirstNormalObjectId || to >= FirstNormalObjectId || to == TIMETZOID || to == TIMETZARRAYOID))
		fence_check_cast(from, to);
}

/*
 * A cursor that was opened outside gives rows that were read outside
 */
static void
look_at_fetch(PLpgSQL_execstate *estate, PLpgSQL_stmt_fetch *fetch)
{
	PLpgSQL_var *cursor = (PLpgSQL_var *) estate->datums[fetch->curvar];
	Portal		portal = cursor->isnull ? NULL : GetPortalByName(TextDatumGetCString(cursor->value));

	look_at(fetch->expr);
	if (PortalIsValid(portal))
		fence_check_cursor(portal);
}

static void
look_at_cursor(PLpgSQL_execstate *estate, int curvar)
{
	look_at_later(((PLpgSQL_var *) estate->datums[curvar])->cursor_explicit_expr);
}

static void
look_at_branches(PLpgSQL_stmt *stmt)
{
	ListCell   *cell;

	if (stmt->cmd_type == PLPGSQL_STMT_IF)
	{
		look_at(((PLpgSQL_stmt_if *) stmt)->cond);
		foreach(cell, ((PLpgSQL_stmt_if *) stmt)->elsif_list)
			look_at(((PLpgSQL_if_elsif *) lfirst(cell))->cond);
		return;
	}
	look_at(((PLpgSQL_stmt_case *) stmt)->t_expr);
	foreach(cell, ((PLpgSQL_stmt_case *) stmt)->case_when_list)
		look_at_later(((PLpgSQL_case_when *) lfirst(cell))->expr);
}

static void
look_at_raise(PLpgSQL_stmt_raise *raise)
{
	ListCell   *cell;

	look_at_all(raise->params);
	foreach(cell, raise->options)
		look_at(((PLpgSQL_raise_option *) lfirst(cell))->expr);
}

static void
look_at_loop(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	switch (stmt->cmd_type)
	{
		case PLPGSQL_STMT_WHILE:
			look_at(((PLpgSQL_stmt_while *) stmt)->cond);
			break;
		case PLPGSQL_STMT_FORI:
			look_at(((PLpgSQL_stmt_fori *) stmt)->lower);
			look_at(((PLpgSQL_stmt_fori *) stmt)->upper);
			look_at(((PLpgSQL_stmt_fori *) stmt)->step);
			break;
		case PLPGSQL_STMT_FORS:
			look_at(((PLpgSQL_stmt_fors *) stmt)->query);
			break;
		case PLPGSQL_STMT_FORC:
			look_at_cursor(estate, ((PLpgSQL_stmt_forc *) stmt)->curvar);
			look_at(((PLpgSQL_stmt_forc *) stmt)->argquery);
			break;
		case PLPGSQL_STMT_DYNFORS:
			look_at(((PLpgSQL_stmt_dynfors *) stmt)->query);
			look_at_all(((PLpgSQL_stmt_dynfors *) stmt)->params);
			break;
		case PLPGSQL_STMT_FOREACH_A:
			look_at(((PLpgSQL_stmt_foreach_a *) stmt)->expr);
			break;
		default:
			break;
	}
}

static void
look_at_return(PLpgSQL_stmt *stmt)
{
	switch (stmt->cmd_type)
	{
		case PLPGSQL_STMT_RETURN:
			look_at(((PLpgSQL_stmt_return *) stmt)->expr);
			break;
		case PLPGSQL_STMT_RETURN_NEXT:
			look_at(((PLpgSQL_stmt_return_next *) stmt)->expr);
			break;
		case PLPGSQL_STMT_RETURN_QUERY:
			look_at(((PLpgSQL_stmt_return_query *) stmt)->query);
			look_at(((PLpgSQL_stmt_return_query *) stmt)->dynquery);
			look_at_all(((PLpgSQL_stmt_return_query *) stmt)->params);
			break;
		default:
			break;
	}
}

static void
look_at_query(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	switch (stmt->cmd_type)
	{
		case PLPGSQL_STMT_EXECSQL:
			look_at(((PLpgSQL_stmt_execsql *) stmt)->sqlstmt);
			break;
		case PLPGSQL_STMT_DYNEXECUTE:
			look_at(((PLpgSQL_stmt_dynexecute *) stmt)->query);
			look_at_all(((PLpgSQL_stmt_dynexecute *) stmt)->params);
			break;
		case PLPGSQL_STMT_OPEN:
			look_at_cursor(estate, ((PLpgSQL_stmt_open *) stmt)->curvar);
			look_at(((PLpgSQL_stmt_open *) stmt)->argquery);
			look_at(((PLpgSQL_stmt_open *) stmt)->query);
			look_at(((PLpgSQL_stmt_open *) stmt)->dynquery);
			look_at_all(((PLpgSQL_stmt_open *) stmt)->params);
			break;
		case PLPGSQL_STMT_FETCH:
			look_at_fetch(estate, (PLpgSQL_stmt_fetch *) stmt);
			break;
		case PLPGSQL_STMT_PERFORM:
			look_at(((PLpgSQL_stmt_perform *) stmt)->expr);
			break;
		case PLPGSQL_STMT_CALL:
			look_at(((PLpgSQL_stmt_call *) stmt)->expr);
			break;
		default:
			break;
	}
}

/*
 * The expressions that a statement evaluates itself; those in it have their
 * own turn
 */
static void
look_at_statement(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	switch (stmt->cmd_type)
	{
		case PLPGSQL_STMT_BLOCK:
			look_at_block(estate, (PLpgSQL_stmt_block *) stmt);
			break;
		case PLPGSQL_STMT_ASSIGN:
			look_at_assignment(estate, (PLpgSQL_stmt_assign *) stmt);
			break;
		case PLPGSQL_STMT_IF:
		case PLPGSQL_STMT_CASE:
			look_at_branches(stmt);
			break;
		case PLPGSQL_STMT_EXIT:
			look_at(((PLpgSQL_stmt_exit *) stmt)->cond);
			break;
		case PLPGSQL_STMT_RAISE:
			look_at_raise((PLpgSQL_stmt_raise *) stmt);
			break;
		case PLPGSQL_STMT_ASSERT:
			look_at(((PLpgSQL_stmt_assert *) stmt)->cond);
			look_at(((PLpgSQL_stmt_assert *) stmt)->message);
			break;
		case PLPGSQL_STMT_RETURN:
		case PLPGSQL_STMT_RETURN_NEXT:
		case PLPGSQL_STMT_RETURN_QUERY:
			look_at_return(stmt);
			break;
		case PLPGSQL_STMT_WHILE:
		case PLPGSQL_STMT_FORI:
		case PLPGSQL_STMT_FORS:
		case PLPGSQL_STMT_FORC:
		case PLPGSQL_STMT_DYNFORS:
		case PLPGSQL_STMT_FOREACH_A:
			look_at_loop(estate, stmt);
			break;
		default:
			look_at_query(estate, stmt);
			break;
	}
}

static void
pass_on_statement(void (*callback) (PLpgSQL_execstate *, PLpgSQL_stmt *), PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	if (!callback || passing_on)
		return;
	passing_on = true;
	PG_TRY();
	{
		callback(estate, stmt);
	}
	PG_FINALLY();
	{
		passing_on = false;
	}
	PG_END_TRY();
}

static void
pass_on_function(void (*callback) (PLpgSQL_execstate *, PLpgSQL_function *), PLpgSQL_execstate *estate,
				 PLpgSQL_function *function)
{
	if (!callback || passing_on)
		return;
	passing_on = true;
	PG_TRY();
	{
		callback(estate, function);
	}
	PG_FINALLY();
	{
		passing_on = false;
	}
	PG_END_TRY();
}

/*
 * A step has no cursors but its own
 */
static void
look_at_step(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	PLpgSQL_var *cursor = NULL;

	if (stmt->cmd_type == PLPGSQL_STMT_FETCH)
		cursor = (PLpgSQL_var *) estate->datums[((PLpgSQL_stmt_fetch *) stmt)->curvar];
	else if (stmt->cmd_type == PLPGSQL_STMT_CLOSE)
		cursor = (PLpgSQL_var *) estate->datums[((PLpgSQL_stmt_close *) stmt)->curvar];
	if (cursor && !cursor->isnull)
		leftovers_check_cursor(TextDatumGetCString(cursor->value));
}

static void
statement_begins(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	if (fence_stands())
	{
		words_forbid();
		look_at_statement(estate, stmt);
	}
	else if (leftovers_active())
		look_at_step(estate, stmt);
	if (other)
		pass_on_statement(other->stmt_beg, estate, stmt);
}

static void
statement_ends(PLpgSQL_execstate *estate, PLpgSQL_stmt *stmt)
{
	pass_on_statement(other->stmt_end, estate, stmt);
}

/*
 * The other gets what PL/pgSQL fills in for the plugin it knows
 */
static void
function_set_up(PLpgSQL_execstate *estate, PLpgSQL_function *function)
{
	other->error_callback = plugin.error_callback;
	other->assign_expr = plugin.assign_expr;
	other->assign_value = plugin.assign_value;
	other->eval_datum = plugin.eval_datum;
	other->cast_value = plugin.cast_value;
	pass_on_function(other->func_setup, estate, function);
}

static void
function_begins(PLpgSQL_execstate *estate, PLpgSQL_function *function)
{
	pass_on_function(other->func_beg, estate, function);
}

static void
function_ends(PLpgSQL_execstate *estate, PLpgSQL_function *function)
{
	pass_on_function(other->func_end, estate, function);
}

/*
 * Be told of PL/pgSQL's statements, in this process, from now on.  Called
 * often: another may have taken the place.
 */
void
fence_watch_plpgsql(void)
{
	if (!registered)
		registered = (PLpgSQL_plugin **) find_rendezvous_variable("PLpgSQL_plugin");
	if (*registered == &plugin)
		return;
	other = *registered;
	plugin.func_setup = other ? function_set_up : NULL;
	plugin.func_beg = other ? function_begins : NULL;
	plugin.func_end = other ? function_ends : NULL;
	plugin.stmt_beg = statement_begins;
	plugin.stmt_end = other ? statement_ends : NULL;
	*registered = &plugin;
}
