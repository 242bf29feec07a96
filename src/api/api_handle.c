/*-------------------------------------------------------------------------
 *
 * api_handle.c
 *	  Handles: what workflow code calls to do several things at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/activity_args.h"
#include "api/options.h"
#include "base/json.h"
#include "catalog/pg_type.h"
#include "command/command.h"
#include "command/handle.h"
#include "command/map.h"
#include "fmgr.h"
#include "store/payload.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/turn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* wf_handle is passed by value, as int8 */
#define PG_GETARG_HANDLE(n)		((Handle) PG_GETARG_INT64(n))
#define PG_RETURN_HANDLE(h)		PG_RETURN_INT64(h)

/*
 * The type's input: what its output says, as "activity 3"
 */
PG_FUNCTION_INFO_V1(durable_handle_in);
Datum
durable_handle_in(PG_FUNCTION_ARGS)
{
	char	   *string = PG_GETARG_CSTRING(0);

	for (HandleKind kind = HANDLE_ACTIVITY; kind <= HANDLE_SIGNAL; kind++)
	{
		const char *name = handle_kind_name(kind);
		size_t		len = strlen(name);
		char	   *end;
		long		number;

		if (strncmp(string, name, len) != 0 || string[len] != ' ')
			continue;
		number = strtol(string + len + 1, &end, 10);
		if (end != string + len + 1 && *end == '\0' && number > 0 && number <= PG_INT32_MAX)
			PG_RETURN_HANDLE(handle_make(kind, (int32) number));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", "wf_handle", string)));
}

PG_FUNCTION_INFO_V1(durable_handle_out);
Datum
durable_handle_out(PG_FUNCTION_ARGS)
{
	Handle		handle = PG_GETARG_HANDLE(0);
	const char *name = handle_kind_name(handle_kind(handle));

	PG_RETURN_CSTRING(psprintf("%s %d", name ? name : "?", handle_number(handle)));
}

/*
 * Handles run beside the code, so they cannot be steps of its turn
 */
static bool
is_external(FunctionCallInfo fcinfo, int first)
{
	ActivityPlace place = activity_place(fcinfo, first, ACTIVITY_QUEUED);

	if (place == ACTIVITY_INLINE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an activity that is not waited for at once cannot be inline"),
				 errhint("Leave out the mode: it is queued then, and SQL activity workers run it.")));
	return place == ACTIVITY_EXTERNAL;
}

/* wf_start_activity(name, input, task_queue, mode ...) */
PG_FUNCTION_INFO_V1(wf_start_activity);
Datum
wf_start_activity(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_start_activity()");
	text	   *name = arg_id(fcinfo, 0, "name", true);
	TaskRequest request;

	activity_task(fcinfo, 2, name, is_external(fcinfo, 2), &request);
	if (turn_outcome_unknown(turn))
		request.input = activity_input(fcinfo, 1);
	PG_RETURN_HANDLE(handle_make(HANDLE_ACTIVITY, command_start_activity(turn, &request)));
}

/* wf_start_timer(duration) */
PG_FUNCTION_INFO_V1(wf_start_timer);
Datum
wf_start_timer(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_start_timer()");
	Interval   *span = arg_interval(fcinfo, 0, "duration");

	if (!span)
		(void) arg_text(fcinfo, 0, "duration", true);
	PG_RETURN_HANDLE(handle_start_timer(turn, span));
}

/* wf_signal_handle(signal) */
PG_FUNCTION_INFO_V1(wf_signal_handle);
Datum
wf_signal_handle(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_signal_handle()");

	PG_RETURN_HANDLE(handle_of_signal(turn, arg_id(fcinfo, 0, "signal", true)));
}

static Handle
arg_handle(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		(void) arg_text(fcinfo, arg, "handle", true);
	return PG_GETARG_HANDLE(arg);
}

/*
 * The handles of an array; an array of none or NULL has none
 */
static Handle *
arg_handles(FunctionCallInfo fcinfo, int arg, int *count)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	Handle	   *handles;

	*count = 0;
	if (PG_ARGISNULL(arg))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(arg);
	deconstruct_array(array, ARR_ELEMTYPE(array), sizeof(Handle), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, count);
	handles = palloc(Max(*count, 1) * sizeof(Handle));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("handles must not be null: element %d", i + 1)));
		handles[i] = DatumGetInt64(elements[i]);
	}
	return handles;
}

/* wf_await(handle) */
PG_FUNCTION_INFO_V1(wf_await);
Datum
wf_await(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_await()");
	Jsonb	   *result = handle_await(turn, arg_handle(fcinfo, 0));

	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_await_all(handles, settle) */
PG_FUNCTION_INFO_V1(wf_await_all);
Datum
wf_await_all(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_await_all()");
	int			count;
	Handle	   *handles = arg_handles(fcinfo, 0, &count);
	Jsonb	  **results = palloc(Max(count, 1) * sizeof(Jsonb *));
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(count, 1) * sizeof(bool));
	int			lower = 1;

	handle_await_all(turn, handles, count, !PG_ARGISNULL(1) && PG_GETARG_BOOL(1), results);
	for (int i = 0; i < count; i++)
	{
		values[i] = JsonbPGetDatum(results[i]);
		nulls[i] = results[i] == NULL;
	}
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(JSONBOID));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &count, &lower, JSONBOID, -1, false, TYPALIGN_INT));
}

/* wf_await_any(handles) */
PG_FUNCTION_INFO_V1(wf_await_any);
Datum
wf_await_any(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_await_any()");
	int			count;
	Handle	   *handles = arg_handles(fcinfo, 0, &count);

	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to wait for: no handles")));
	PG_RETURN_INT32(handle_await_any(turn, handles, count) + 1);
}

/* wf_done(handle) */
PG_FUNCTION_INFO_V1(wf_done);
Datum
wf_done(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_done()");

	PG_RETURN_BOOL(handle_is_done(turn, arg_handle(fcinfo, 0)));
}

/* wf_cancel_handle(handle) */
PG_FUNCTION_INFO_V1(wf_cancel_handle);
Datum
wf_cancel_handle(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_cancel_handle()");

	handle_cancel(turn, arg_handle(fcinfo, 0));
	PG_RETURN_VOID();
}

/*
 * The elements of a JSON array, each as a document of its own
 */
static Jsonb **
array_elements(Jsonb *array, int *count)
{
	Jsonb	  **elements;

	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a JSON array", "inputs")));
	*count = JB_ROOT_COUNT(array);
	elements = palloc(Max(*count, 1) * sizeof(Jsonb *));
	for (int i = 0; i < *count; i++)
	{
		elements[i] = JsonbValueToJsonb(getIthJsonbValueFromContainer(&array->root, i));
		payload_check(elements[i], "input");
	}
	return elements;
}

/* wf_map(activity, inputs, max_parallel, task_queue, mode ...) */
PG_FUNCTION_INFO_V1(wf_map);
Datum
wf_map(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_map()");
	text	   *name = arg_id(fcinfo, 0, "activity", true);
	int			window = PG_ARGISNULL(2) ? PG_INT32_MAX : PG_GETARG_INT32(2);
	JsonBuilder b;
	Jsonb	  **inputs;
	Jsonb	  **results;
	TaskRequest request;
	int			count;

	if (window < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be at least 1: %d", "max_parallel", window)));
	activity_task(fcinfo, 3, name, is_external(fcinfo, 3), &request);
	if (PG_ARGISNULL(1))
		(void) arg_text(fcinfo, 1, "inputs", true);
	inputs = array_elements(PG_GETARG_JSONB_P(1), &count);
	results = palloc(Max(count, 1) * sizeof(Jsonb *));
	handle_map(turn, &request, inputs, count, Min(window, Max(count, 1)), results);

	json_array_begin(&b);
	for (int i = 0; i < count; i++)
		json_array_add(&b, results[i] ? DatumGetJsonbP(JsonbPGetDatum(results[i])) : NULL);
	PG_RETURN_JSONB_P(json_array_end(&b));
}
