/*-------------------------------------------------------------------------
 *
 * pinning.c
 *	  Which text of its function a run's turn calls.
 *
 *	  1. Texts of a workflow function are numbered as they are first run
 *	  (version.c).  A run's first turn takes the function as it is, and from then
 *	  on the run is pinned to that version: execution.version.
 *
 *	  2. At each turn the function is found by name.  What is known of it is kept
 *	  until pg_proc changes, with the number of its text, so as a rule all this
 *	  costs is the comparison of two numbers.  If it has another text now, or is
 *	  gone, the turn calls a clone of the version (clone.c).
 *
 *	  3. A run that is stuck for the sake of its code, with a text that is no
 *	  longer the current one, tries the current one: if that gives all commands
 *	  that are recorded, the run moves on to it, which an event tells.  So mending
 *	  the function mends the run.
 *
 *	  4. What may fail here (the text is no function any more, a type of its
 *	  arguments is gone) is a problem of the turn, as if the function were gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "clone.h"
#include "command.h"
#include "extension.h"
#include "failure.h"
#include "guarded.h"
#include "json.h"
#include "miscadmin.h"
#include "pinning.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static Oid
owner_of(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	result = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The number of a function's text, which it gets where it has none.  It is
 * kept once its row is there for good.
 */
int32
code_version(Oid function)
{
	Callable   *code = callable_get(function);
	char	   *definition;
	StoreScope	scope;
	bool		committed = false;
	int32		version = 0;

	if (code->version != 0)
		return code->version;
	definition = function_definition(function);
	store_begin(&scope);
	for (int i = 0; i < 3 && version == 0; i++)
	{
		/* another worker may have added it, or another text of that number */
		version = version_find(code->name, definition, &committed);
		if (version == 0)
			version_add(code->name, definition, owner_of(function));
	}
	if (version == 0)
		version = version_find(code->name, definition, &committed);
	store_end(&scope);
	if (version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not register the version of workflow function %s", code->name)));
	if (committed && code->valid)
		code->version = version;
	return version;
}

/*
 * The function to call for a version: the workflow's own while it has that
 * text, or a clone that the current role may execute
 */
Oid
code_of_version(const char *function, int32 version)
{
	Oid			live = callable_resolve(function, true);
	const char *name;
	Oid			clone;

	if (OidIsValid(live) && code_version(live) == version)
		return live;
	clone = clone_find(function, version, GetUserId(), &name);
	return OidIsValid(clone) ? clone : clone_make(function, version, GetUserId());
}

typedef struct Lookup
{
	const char *function;
	int32		version;
	Oid			role;
	Oid			live;
	Oid			clone;
} Lookup;

static Jsonb *
look_at_live(void *arg)
{
	Lookup	   *lookup = arg;

	if (callable_get(lookup->live)->procedure)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("workflow \"%s\" is a procedure", lookup->function),
				 errhint("A workflow is a function.")));
	lookup->version = code_version(lookup->live);
	return NULL;
}

static Jsonb *
look_for_clone(void *arg)
{
	Lookup	   *lookup = arg;

	lookup->clone = clone_make(lookup->function, lookup->version, lookup->role);
	(void) callable_get(lookup->clone);
	return NULL;
}

/*
 * Do it in a subtransaction, and return the error; one that may pass is the
 * batch's, not the turn's
 */
static ErrorData *
try_lookup(Turn *turn, GuardedWork work, Lookup *lookup)
{
	GuardedEnd	end;

	turn->looked_up = true;
	guarded_call(work, lookup, turn->context, &end);
	turn->subxids += end.wrote;
	if (end.error && error_may_pass(end.error->sqlerrcode))
		ReThrowError(end.error);
	return end.error;
}

/*
 * The function of the workflow's name and the number of its text; InvalidOid
 * where there is none that can be called, and why, where there is one
 */
static Oid
find_live(Turn *turn, int32 *version, ErrorData **why)
{
	Lookup		lookup = {.function = text_to_cstring(turn->execution->function)};
	Callable   *code;

	*why = NULL;
	lookup.live = callable_resolve(lookup.function, true);
	if (!OidIsValid(lookup.live))
		return InvalidOid;
	code = callable_known(lookup.live);
	if (code && code->version != 0)
	{
		*version = code->version;
		return lookup.live;
	}
	*why = try_lookup(turn, look_at_live, &lookup);
	*version = lookup.version;
	return *why ? InvalidOid : lookup.live;
}

static ErrorData *
no_such_function(Turn *turn)
{
	ErrorData  *problem = palloc0(sizeof(ErrorData));

	problem->sqlerrcode = ERRCODE_UNDEFINED_FUNCTION;
	problem->message = psprintf("workflow function %s does not exist",
								text_to_cstring(turn->execution->function));
	problem->hint = pstrdup("Create it again, and the run goes on.");
	return problem;
}

static bool
use_clone(Turn *turn)
{
	Execution  *e = turn->execution;
	Lookup		lookup = {.function = text_to_cstring(e->function), .version = e->version, .role = e->owner};
	const char *name = NULL;

	lookup.clone = clone_find(lookup.function, e->version, e->owner, &name);
	if (!OidIsValid(lookup.clone) || !callable_known(lookup.clone))
	{
		turn->problem = try_lookup(turn, look_for_clone, &lookup);
		if (turn->problem)
			return false;
		(void) clone_find(lookup.function, e->version, e->owner, &name);
	}
	turn->workflow = callable_get(lookup.clone);
	turn->clone = name ? pstrdup(name) : NULL;
	return true;
}

/*
 * Find the code of a turn; false where there is none, and Turn.problem says so
 */
bool
pinned_code(Turn *turn)
{
	Execution  *e = turn->execution;
	ErrorData  *why;
	int32		version = 0;
	Oid			live = find_live(turn, &version, &why);

	turn->clone = NULL;
	if (e->version == 0 && !OidIsValid(live))
	{
		turn->problem = why ? why : no_such_function(turn);
		return false;
	}
	if (e->version == 0)
		e->version = version;
	if (!OidIsValid(live) || version != e->version)
		return use_clone(turn);
	turn->workflow = callable_get(live);
	return true;
}

/*
 * May a problem be mended by other code?
 */
static bool
is_of_code(const ErrorData *problem)
{
	return problem->sqlerrcode == ERRCODE_WF_NONDETERMINISM || problem->sqlerrcode == ERRCODE_WF_FENCED ||
		problem->sqlerrcode == ERRCODE_WF_LIMIT;
}

static void
record_move(Turn *turn, int32 version)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_int(&b, "from", turn->execution->version);
	json_add_int(&b, "version", version);
	command_record(turn, EVENT_OPTIONS_UPDATED, 0, NULL, json_end(&b));
	turn->execution->version = version;
}

/*
 * The turn met a problem.  Move the run to the current text of its function if
 * that is another one and fits its history; false where not.
 */
bool
pinned_move_on(Turn *turn)
{
	ErrorData  *problem = turn->problem;
	ErrorData  *why;
	Callable   *code = turn->workflow;
	const char *clone = turn->clone;
	int32		version = 0;
	Oid			live;

	if (!is_of_code(problem))
		return false;
	live = find_live(turn, &version, &why);
	if (!OidIsValid(live) || version == turn->execution->version)
		return false;
	turn->workflow = callable_get(live);
	turn->clone = NULL;
	turn->problem = NULL;
	if (turn_replay(turn) != PASS_PROBLEM)
	{
		turn->failure = NULL;
		turn->cancelled = false;
		record_move(turn, version);
		return true;
	}
	turn->workflow = code;
	turn->clone = clone;
	turn->problem = problem;
	return false;
}
