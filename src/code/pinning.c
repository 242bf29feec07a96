/*-------------------------------------------------------------------------
 *
 * pinning.c
 *	  Which text of its function a run's turn calls, and as whom.
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
 *	  3. A clone is never more than its original is allowed to be when it is
 *	  called.  The run's owner needs EXECUTE on the function of that name, if there
 *	  is one.  A text that was SECURITY DEFINER, or of an untrusted language, had
 *	  rights of its owner; it has them while the function exists, belongs to that
 *	  owner still and is SECURITY DEFINER, or untrusted, still.  So REVOKE, DROP,
 *	  ALTER FUNCTION ... OWNER TO and ... SECURITY INVOKER take back earlier texts
 *	  too; CREATE OR REPLACE does not.  What has no rights is run as the run's
 *	  owner also where the function is gone: he could make one of that text.
 *
 *	  4. A text is one of an owner's where it has rights: handed to another owner,
 *	  it is another version.  Nobody's text gets the rights of who has the name
 *	  later.
 *
 *	  5. A run that is stuck for the sake of its code, with a text that is no
 *	  longer the current one, tries the current one: if that gives all commands
 *	  that are recorded, the run moves on to it, which an event tells.  So mending
 *	  the function mends the run.
 *
 *	  6. What may fail here (the text is no function any more, a type of its
 *	  arguments is gone, it is not allowed) is a problem of the turn, as if the
 *	  function were gone.
 *
 *	  7. While the row of a new version is not committed, others who need it wait
 *	  at its unique key.  So a turn that wrote one ends before it runs any code,
 *	  and is taken again when the row is there for good (batch.c); in a transaction
 *	  that stays open only an owner of the function writes one; a test writes none;
 *	  and who waits, does so not for long.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/testmode.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/clone.h"
#include "call/guarded.h"
#include "code/pass.h"
#include "code/pinning.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/store.h"
#include "store/version.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* Milliseconds to wait for others who write a version of the function, and where
 * it can be done without */
#define VERSION_LOCK_TIMEOUT	500
#define VERSION_LOCK_TIMEOUT_SHORT	20

/*
 * Write the row of a text that has none, unless others are faster
 */
static int32
register_version(const char *function, const CodeVersion *code, int timeout, bool *committed)
{
	int			lock_timeout = LockTimeout;
	MemoryContext context = CurrentMemoryContext;
	volatile int32 version = 0;

	LockTimeout = timeout;
	PG_TRY();
	{
		for (int i = 0; i < 3 && version == 0; i++)
		{
			/* another worker may have added it, or another text of that number */
			version_add(function, code);
			version = version_find(function, code, committed);
		}
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		LockTimeout = lock_timeout;
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("a version of workflow function %s is written by a transaction that is still open", function)));
	}
	PG_END_TRY();
	LockTimeout = lock_timeout;
	if (version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not register the version of workflow function %s", function)));
	return version;
}

/*
 * The number of a function's text, 0 where it has none.  `adds' asks whether it
 * is to get one then; it is kept once its row is there for good.
 */
static int32
find_version(Oid function, bool (*adds) (const CodeVersion *code), int timeout, bool *registered)
{
	Callable   *code = callable_get(function);
	CodeVersion current;
	StoreScope	scope;
	bool		committed = false;
	bool		added = false;
	int32		version;

	*registered = false;
	if (code->version != 0)
		return code->version;
	function_code(function, &current);
	added = adds(&current);
	store_begin(&scope);
	version = version_find(code->name, &current, &committed);
	if (version == 0 && added)
		version = register_version(code->name, &current, timeout, &committed);
	store_end(&scope);
	*registered = version != 0 && !committed;
	if (version != 0 && committed && code->valid)
		code->version = version;
	return version;
}

static bool
engine_adds(const CodeVersion *code)
{
	return !test_mode;
}

static bool
owner_adds(const CodeVersion *code)
{
	return has_privs_of_role(GetUserId(), code->owner);
}

static bool
nobody_adds(const CodeVersion *code)
{
	return false;
}

/*
 * The number of a function's text, for a caller whose transaction may stay open;
 * 0 where it has none and missing_ok
 */
int32
code_version(Oid function, bool missing_ok)
{
	bool		registered;
	int32		version = find_version(function, missing_ok ? nobody_adds : owner_adds, VERSION_LOCK_TIMEOUT, &registered);

	if (version == 0 && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the text that workflow function %s has now was not run yet", callable_get(function)->name),
				 errhint("Start a run of it, or have its owner call wf_migrate().")));
	return version;
}

static ErrorData *
not_allowed(char *message, char *hint)
{
	ErrorData  *problem = palloc0(sizeof(ErrorData));

	problem->sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
	problem->message = message;
	problem->hint = hint;
	return problem;
}

/*
 * May a role have the function run?  NULL, or why not.
 */
static ErrorData *
refused_execute(Oid function, Oid role)
{
	if (function_aclcheck(function, role) == ACLCHECK_OK)
		return NULL;
	return not_allowed(psprintf("permission denied for function %s", callable_get(function)->name),
					   psprintf("Grant EXECUTE on it to %s, and the run goes on.", GetUserNameFromId(role, false)));
}

static char *
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name ? name : psprintf("%u", role);
}

/*
 * May a role have the clone of a version run?  NULL, or why not: the essay's 3.
 */
static ErrorData *
refused_clone(const char *function, int32 version, const Clone *clone, Oid role)
{
	Oid			live = callable_resolve(function, true);
	ErrorData  *problem = OidIsValid(live) ? refused_execute(live, role) : NULL;
	const char *what = clone->definer ? "SECURITY DEFINER" : "of an untrusted language";
	CodeVersion now = {0};
	char	   *why = NULL;

	if (problem || !(clone->definer || clone->untrusted))
		return problem;
	if (OidIsValid(live))
		function_rights(live, &now);
	if (!OidIsValid(live))
		why = "and that function does not exist any more";
	else if (now.owner != clone->owner)
		why = psprintf("and of owner %s, but it belongs to %s now", role_name(clone->owner), role_name(now.owner));
	else if (clone->definer ? !now.definer : !now.untrusted)
		why = "which it is not any more";
	if (!why)
		return NULL;
	return not_allowed(psprintf("version %d of workflow function %s was %s, %s", version, function, what, why),
					   pstrdup("Restore the function as it was, or move the run to another version by wf_migrate()."));
}

/*
 * What is called for a version: the workflow's own function while it has that
 * text, or a clone
 */
void
find_code(const char *function, int32 version, VersionCode *result)
{
	Oid			live = callable_resolve(function, true);
	bool		registered;

	*result = (VersionCode) {.function = function, .version = version};
	if (OidIsValid(live) && find_version(live, nobody_adds, 0, &registered) == version)
		result->live = live;
	else
	{
		result->clone = clone_find(function, version);
		if (!result->clone)
			result->clone = clone_make(function, version);
	}
}

/*
 * How it is called for a run of `role'; false where it may not be, and why
 */
bool
code_for_role(const VersionCode *found, Oid role, Code *code, char **why)
{
	const Clone *clone = found->clone;
	ErrorData  *problem = clone ? refused_clone(found->function, found->version, clone, role) :
		refused_execute(found->live, role);

	if (problem)
	{
		*why = problem->message;
		return false;
	}
	*code = clone ? (Code) {clone->oid, clone->name, clone->definer ? clone->owner : InvalidOid} : (Code) {found->live};
	return true;
}

typedef struct Lookup
{
	const char *function;
	int32		version;
	bool		spare;			/* the run has another version */
	bool		registered;
	Oid			live;
	const Clone *clone;
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
	lookup->version = find_version(lookup->live, engine_adds,
								   lookup->spare ? VERSION_LOCK_TIMEOUT_SHORT : VERSION_LOCK_TIMEOUT, &lookup->registered);
	return NULL;
}

static Jsonb *
look_for_clone(void *arg)
{
	Lookup	   *lookup = arg;

	lookup->clone = clone_make(lookup->function, lookup->version);
	(void) callable_get(lookup->clone->oid);
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
	turn->effects.subxids += end.wrote;
	if (end.error && end.error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && lookup->spare)
		return NULL;
	if (end.error && error_may_pass(end.error->sqlerrcode))
		ReThrowError(end.error);
	turn->registered |= lookup->registered;
	return end.error;
}

/*
 * The function of the workflow's name and the number of its text; InvalidOid
 * where there is none that can be called, and why, where there is one
 */
static Oid
find_live(Turn *turn, int32 *version, ErrorData **why)
{
	Lookup		lookup = {.function = text_to_cstring(turn->execution->function), .spare = turn->execution->version != 0};
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

static void
use_code(Turn *turn, const Code *code)
{
	turn->workflow = callable_get(code->function);
	turn->clone = code->clone ? pstrdup(code->clone) : NULL;
	turn->definer = code->definer;
}

static bool
use_clone(Turn *turn)
{
	Execution  *e = turn->execution;
	Lookup		lookup = {.function = text_to_cstring(e->function), .version = e->version};

	lookup.clone = clone_find(lookup.function, e->version);
	if (!lookup.clone || !callable_known(lookup.clone->oid))
		turn->problem = try_lookup(turn, look_for_clone, &lookup);
	if (!turn->problem)
		turn->problem = refused_clone(lookup.function, e->version, lookup.clone, e->owner);
	if (turn->problem)
		return false;
	use_code(turn, &(Code) {lookup.clone->oid, lookup.clone->name,
			 lookup.clone->definer ? lookup.clone->owner : InvalidOid});
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

	if (e->version == 0 && !OidIsValid(live))
	{
		turn->problem = why ? why : no_such_function(turn);
		return false;
	}
	if (e->version == 0)
		e->version = version;
	if (!OidIsValid(live) || version != e->version)
		return use_clone(turn);
	turn->problem = refused_execute(live, e->owner);
	if (turn->problem)
		return false;
	use_code(turn, &(Code) {live});
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
	turn_record(turn, EVENT_OPTIONS_UPDATED, 0, NULL, json_end(&b));
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
	Oid			definer = turn->definer;
	int32		version = 0;
	Oid			live;

	if (!is_of_code(problem))
		return false;
	live = find_live(turn, &version, &why);
	if (!OidIsValid(live) || version == 0 || version == turn->execution->version ||
		refused_execute(live, turn->execution->owner))
		return false;
	use_code(turn, &(Code) {live});
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
	turn->definer = definer;
	turn->problem = problem;
	return false;
}
