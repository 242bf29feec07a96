/*-------------------------------------------------------------------------
 *
 * api_upsert.c
 *	  What workflow code calls: memo and search attributes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/options.h"
#include "command/upsert.h"
#include "fmgr.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/turn.h"

static Jsonb *
arg_values(FunctionCallInfo fcinfo, const char *name)
{
	Jsonb	   *values = arg_object(fcinfo, 0, name);

	if (!values)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	return values;
}

PG_FUNCTION_INFO_V1(wf_upsert_search_attributes);
Datum
wf_upsert_search_attributes(PG_FUNCTION_ARGS)
{
	const char *call = "wf_upsert_search_attributes()";
	Turn	   *turn = turn_in_code(call);

	upsert_command(turn, EVENT_SEARCH_ATTRIBUTES_UPSERTED, call, arg_values(fcinfo, "search_attributes"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_upsert_memo);
Datum
wf_upsert_memo(PG_FUNCTION_ARGS)
{
	const char *call = "wf_upsert_memo()";
	Turn	   *turn = turn_in_code(call);

	upsert_command(turn, EVENT_MEMO_UPSERTED, call, arg_values(fcinfo, "memo"));
	PG_RETURN_VOID();
}
