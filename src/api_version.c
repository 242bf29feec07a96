/*-------------------------------------------------------------------------
 *
 * api_version.c
 *	  Versions of workflow functions: what operators and deploys call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "callable.h"
#include "catalog/pg_proc.h"
#include "clone.h"
#include "fmgr.h"
#include "marker.h"
#include "named_run.h"
#include "options.h"
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

/* wf_maintain() */
PG_FUNCTION_INFO_V1(wf_maintain);
Datum
wf_maintain(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_maintain()", NULL);
	(void) clone_drop_idle();
	PG_RETURN_VOID();
}

/* durable.current_version(function) */
PG_FUNCTION_INFO_V1(durable_current_version);
Datum
durable_current_version(PG_FUNCTION_ARGS)
{
	char	   *function = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			live = callable_resolve(function, true);
	char	   *definition;
	bool		committed;
	StoreScope	scope;
	int32		version;

	if (!OidIsValid(live) || get_func_prokind(live) != PROKIND_FUNCTION)
		PG_RETURN_NULL();
	definition = function_definition(live);
	store_begin(&scope);
	version = version_find(function, definition, &committed);
	store_end(&scope);
	if (version == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(version);
}
