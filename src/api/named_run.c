/*-------------------------------------------------------------------------
 *
 * named_run.c
 *	  The run that a client call names, and the workflow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/compat.h"
#include "base/extension.h"
#include "call/callable_cache.h"
#include "call/running.h"
#include "miscadmin.h"
#include "shared/durability.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/*
 * A client call has no place in workflow code: its answer changes with time
 */
void
refuse_in_code(const char *call, const char *instead)
{
	if (current_turn && current_turn->frame.in_code)
		turn_refuse(ERRCODE_WF_FENCED, psprintf("%s is not allowed in workflow code", call), instead);
	/* beside the code there are only steps and the defaults of what it starts */
	if (current_turn && !running_attempt)
		ereport(ERROR,
				(errcode(ERRCODE_WF_FENCED),
				 errmsg("%s is not allowed in the default of a parameter that workflow code leaves out", call)));
}

/*
 * The run that a call names by workflow id and perhaps run id; errors where
 * there is none or it is not the caller's.  Needs no store scope.
 */
Found
named_run(FunctionCallInfo fcinfo, int id_arg, int run_id_arg, int namespace_arg)
{
	text	   *id = arg_id(fcinfo, id_arg, "id", true);
	text	   *namespace = arg_namespace(fcinfo, namespace_arg);
	Found		found;
	bool		ok;
	StoreScope	scope;

	store_begin_look(&scope);
	if (run_id_arg >= 0 && !PG_ARGISNULL(run_id_arg))
		ok = find_run_of(PointerGetDatum(namespace), PointerGetDatum(id), PG_GETARG_UUID_P(run_id_arg), &found);
	else
		ok = find_latest(PointerGetDatum(namespace), PointerGetDatum(id), &found);
	store_end(&scope);
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_WF_NOT_FOUND),
				 errmsg("workflow \"%s\" does not exist", text_to_cstring(id))));
	check_owner(GetUserId(), found.owner, text_to_cstring(id));
	if (found.status != STATUS_RUNNING)
		txn_wait_for_disk(false);
	return found;
}

/*
 * A function that the caller names as code of workflows
 */
void
check_may_run(Oid function)
{
	if (function_aclcheck(function, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, callable_get(function)->name);
	if (callable_get(function)->procedure)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is a procedure", callable_get(function)->name),
				 errhint("A workflow is a function.")));
}
