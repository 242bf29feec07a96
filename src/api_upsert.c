/*-------------------------------------------------------------------------
 *
 * api_upsert.c
 *	  What workflow code calls: memo and search attributes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "json.h"
#include "options.h"
#include "upsert.h"

static Jsonb *
arg_object(FunctionCallInfo fcinfo, const char *name)
{
	Jsonb	   *values = arg_jsonb(fcinfo, 0);

	if (!values)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	if (!JB_ROOT_IS_OBJECT(values))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a JSON object: %s", name, json_to_cstring(values))));
	return values;
}

PG_FUNCTION_INFO_V1(wf_upsert_search_attributes);
Datum
wf_upsert_search_attributes(PG_FUNCTION_ARGS)
{
	const char *call = "wf_upsert_search_attributes()";
	Turn	   *turn = turn_in_code(call);

	upsert_command(turn, EVENT_SEARCH_ATTRIBUTES_UPSERTED, call, arg_object(fcinfo, "search_attributes"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_upsert_memo);
Datum
wf_upsert_memo(PG_FUNCTION_ARGS)
{
	const char *call = "wf_upsert_memo()";
	Turn	   *turn = turn_in_code(call);

	upsert_command(turn, EVENT_MEMO_UPSERTED, call, arg_object(fcinfo, "memo"));
	PG_RETURN_VOID();
}
