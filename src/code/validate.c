/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Validators of updates.
 *
 *	  1. A validator runs before anything of the update is written, in the
 *	  session that asks for it; so an update that it rejects leaves no trace, and
 *	  no turn was taken for it.  It is not run again: what was admitted is valid.
 *
 *	  2. It is code of the run's owner in the caller's session.  So it runs as
 *	  the owner, under the restrictions of maintenance operations, with the run's
 *	  settings, in a read-only subtransaction that is always rolled back.  The
 *	  caller is a member of the owner, so he could run that code anyway.
 *
 *	  3. Whose validators hold?  Those that the owner of the workflow function
 *	  registered.  The run's owner runs that function's code, so he can run what
 *	  comes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/settings.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/held_locks.h"
#include "call/leftovers.h"
#include "code/validate.h"
#include "miscadmin.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "store/workflow_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * Does the function of this name belong to whom it did when it was registered?
 */
static bool
is_unchanged(const WorkflowType *type)
{
	Oid			function = callable_resolve(text_to_cstring(type->function), true);
	HeapTuple	tuple = OidIsValid(function) ? SearchSysCache1(PROCOID, ObjectIdGetDatum(function)) : NULL;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tuple))->proowner == type->owner;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Is there a validator for the update, as far as the tables tell?
 */
static bool
find_validator(const Found *run, const char *update, WorkflowType *type, ArrayType **settings)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;
	bool		found;
	bool		open;

	store_begin_look(&scope);
	found = workflow_type_of_run(&run->run_id, context, type) &&
		json_find_text(type->validators, update) != NULL;
	if (found)
		*settings = execution_settings(&run->run_id, context, &open);
	store_end(&scope);
	return found;
}

/*
 * The arguments of the validator: those of the update, and the workflow's id
 * where it has a parameter of that name
 */
static Jsonb *
complete_args(const Callable *validator, Jsonb *args, const char *workflow_id)
{
	bool		wanted = false;
	JsonBuilder b;

	for (int i = 0; i < validator->nargs; i++)
		wanted |= strcmp(validator->argnames[i], "workflow_id") == 0;
	if (!wanted || validator->whole_input || !JB_ROOT_IS_OBJECT(args) || json_find(args, "workflow_id"))
		return args;
	json_begin(&b);
	json_add_text(&b, "workflow_id", workflow_id);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(args), JsonbPGetDatum(json_end(&b))));
}

/*
 * Call it as the owner of the run; the (sub)transaction's abort undoes all of
 * this
 */
static Jsonb *
call_validator(const WorkflowType *type, const char *update, Oid owner, ArrayType *settings, Jsonb *args,
			   const char *workflow_id)
{
	Oid			save_userid;
	int			sec_context;
	Jsonb	   *result = NULL;

	settings_apply(settings);
	GetUserIdAndSecContext(&save_userid, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | SECURITY_RESTRICTED_OPERATION | SECURITY_LOCAL_USERID_CHANGE);
	XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_unchanged(type))
	{
		Callable   *validator = callable_get(callable_resolve(json_find_text(type->validators, update), false));

		result = callable_call(validator, complete_args(validator, args, workflow_id));
	}
	PopActiveSnapshot();
	return result;
}

/*
 * What the validator says by its result: NULL for yes, or why not
 */
static char *
objection(const char *update, Jsonb *result)
{
	JsonbValue	v;

	if (!result || !JB_ROOT_IS_SCALAR(result))
		return NULL;
	(void) JsonbExtractScalar(&result->root, &v);
	if (v.type == jbvString)
		return pnstrdup(v.val.string.val, v.val.string.len);
	if (v.type == jbvBool && !v.val.boolean)
		return psprintf("update \"%s\" is not valid", update);
	return NULL;
}

static void
reject(const char *update, const char *message, const ErrorData *error)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "type", "rejected");
	json_add_text(&b, "update", update);
	if (error)
		json_add_text(&b, "sqlstate", unpack_sql_state(error->sqlerrcode));
	ereport(ERROR,
			(errcode(ERRCODE_WF_UPDATE_REJECTED),
			 errmsg_internal("%s", message),
			 errdetail_internal("%s", json_to_cstring(json_end(&b))),
			 error && error->hint ? errhint("%s", error->hint) : 0));
}

/*
 * Raise WF014 where the update's validator says no
 */
void
validate_update(const Found *run, const char *workflow_id, const text *update, Jsonb *args)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resources = CurrentResourceOwner;
	int			depth = store_depth();
	char	   *update_name = text_to_cstring(update);
	ArrayType  *settings = NULL;
	WorkflowType type;
	HeldLocks	held;
	ErrorData  *volatile error = NULL;
	Jsonb	   *volatile result = NULL;
	char	   *message;

	if (!find_validator(run, update_name, &type, &settings))
		return;
	held_locks_note(&held);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = call_validator(&type, update_name, run->owner, settings, args, workflow_id);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	/* what a step's validator leaves is the step's */
	if (!leftovers_active())
		held_locks_release(&held);
	settings_forget_applied();
	store_forget(depth);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resources;

	/* a cancel by the user, a deadlock: no verdict */
	if (error && error_may_pass(error->sqlerrcode))
		ReThrowError(error);
	if (error)
		reject(update_name, error->message, error);
	message = objection(update_name, result);
	if (message)
		reject(update_name, message, NULL);
}
