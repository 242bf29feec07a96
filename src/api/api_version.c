/*-------------------------------------------------------------------------
 *
 * api_version.c
 *	  Versions of workflow functions: what operators and deploys call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/compat.h"
#include "batch/migrate.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/clone.h"
#include "catalog/pg_proc.h"
#include "code/pinning.h"
#include "code/rehearsal.h"
#include "command/marker.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "store/execution.h"
#include "store/store.h"
#include "store/version.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static int32
arg_int(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	return PG_GETARG_INT32(arg);
}

/* wf_version(change, min, max) */
PG_FUNCTION_INFO_V1(wf_version);
Datum
wf_version(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_version()");
	text	   *change = arg_id(fcinfo, 0, "change", true);
	int32		min = arg_int(fcinfo, 1, "min");
	int32		max = arg_int(fcinfo, 2, "max");

	if (min < BEFORE_CHANGE || max < min)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("versions must be -1 or more, and \"max\" not less than \"min\": %d to %d", min, max)));
	PG_RETURN_INT32(command_version(turn, change, min, max));
}

/* wf_patched(id) */
PG_FUNCTION_INFO_V1(wf_patched);
Datum
wf_patched(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_patched()");

	PG_RETURN_BOOL(command_version(turn, arg_id(fcinfo, 0, "id", true), BEFORE_CHANGE, 1) != BEFORE_CHANGE);
}

/*
 * The name by which runs know the function of a workflow: that of the function
 * there is now, or as it was, where there is none
 */
static char *
workflow_function(const char *workflow, Oid *live)
{
	*live = callable_resolve(workflow, true);
	return OidIsValid(*live) ? callable_get(*live)->name : pstrdup(workflow);
}

static void
no_such_function(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("workflow function %s does not exist", name)));
}

/* Add a row: workflow_id, run_id, ok, event_id, problem, and of a check the severity */
static void
report_run(void *arg, const Execution *e, const Misfit *misfit)
{
	ReturnSetInfo *rsinfo = arg;
	bool		problem = misfit->problem != NULL;
	Datum		values[6] = {
		PointerGetDatum(e->workflow_id), UUIDPGetDatum(&e->run_id), BoolGetDatum(!problem || misfit->warning),
		Int64GetDatum(misfit->event), problem ? CStringGetTextDatum(misfit->problem) : (Datum) 0,
		CStringGetTextDatum(misfit->warning ? "warning" : "error")
	};
	bool		nulls[6] = {false, false, false, misfit->event == 0, !problem, !problem};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* wf_check_replay(workflow, function, namespace) */
PG_FUNCTION_INFO_V1(wf_check_replay);
Datum
wf_check_replay(PG_FUNCTION_ARGS)
{
	char	   *workflow = text_to_cstring(arg_text(fcinfo, 0, "workflow", true));
	Oid			live;
	char	   *function;
	Oid			code;

	refuse_in_code("wf_check_replay()", NULL);
	InitMaterializedSRF(fcinfo, 0);
	function = workflow_function(workflow, &live);
	code = PG_ARGISNULL(1) ? live : PG_GETARG_OID(1);
	if (!OidIsValid(code))
		no_such_function(function);
	check_may_run(code);
	check_runs(function, PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2), code, report_run, fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * The current version is for everybody who may run the function.  Others may
 * have been replaced for a reason: those are the owner's to give out.
 */
static void
check_may_choose(const char *function, int32 version)
{
	CodeVersion code;
	StoreScope	scope;
	bool		found;

	store_begin(&scope);
	found = version_read(function, version, CurrentMemoryContext, &code);
	store_end(&scope);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workflow function %s has no version %d", function, version),
				 errhint("wf_versions lists them.")));
	if (!has_privs_of_role(GetUserId(), code.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for version %d of workflow function %s", version, function),
				 errdetail("Only the owner of the function can choose a version that is not the current one.")));
}

/* wf_migrate(workflow, to_version, namespace) */
PG_FUNCTION_INFO_V1(wf_migrate);
Datum
wf_migrate(PG_FUNCTION_ARGS)
{
	char	   *workflow = text_to_cstring(arg_text(fcinfo, 0, "workflow", true));
	Oid			live;
	char	   *function;
	int32		current = 0;
	int32		version;

	refuse_in_code("wf_migrate()", NULL);
	InitMaterializedSRF(fcinfo, 0);
	function = workflow_function(workflow, &live);
	if (OidIsValid(live))
	{
		check_may_run(live);
		current = code_version(live, !PG_ARGISNULL(1));
	}
	else if (PG_ARGISNULL(1))
		no_such_function(function);
	version = PG_ARGISNULL(1) ? current : PG_GETARG_INT32(1);
	if (version != current)
		check_may_choose(function, version);
	migrate_runs(function, PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2), version, report_run, fcinfo->resultinfo);
	return (Datum) 0;
}

/* wf_maintain() */
PG_FUNCTION_INFO_V1(wf_maintain);
Datum
wf_maintain(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_maintain()", NULL);
	clone_drop_idle();
	PG_RETURN_VOID();
}

/*
 * durable.current_version(function).  Found as the owner of the extension, since
 * wf_versions asks for functions of schemas that are closed to its reader.
 */
PG_FUNCTION_INFO_V1(durable_current_version);
Datum
durable_current_version(PG_FUNCTION_ARGS)
{
	char	   *function = text_to_cstring(PG_GETARG_TEXT_PP(0));
	CodeVersion code;
	bool		committed;
	StoreScope	scope;
	Oid			live;
	int32		version = 0;

	store_begin(&scope);
	live = callable_resolve(function, true);
	if (OidIsValid(live) && get_func_prokind(live) == PROKIND_FUNCTION)
	{
		function_code(live, &code);
		version = version_find(function, &code, &committed);
	}
	store_end(&scope);
	if (version == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(version);
}
