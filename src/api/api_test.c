/*-------------------------------------------------------------------------
 *
 * api_test.c
 *	  What tests of workflows call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/testmode.h"
#include "fmgr.h"
#include "funcapi.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/payload.h"
#include "test/testkit.h"
#include "turn/mock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

static const char *const timeouts[] = {
	"start_to_close", "schedule_to_close", "schedule_to_start", "heartbeat"
};

static void
require_test(const char *call)
{
	refuse_in_code(call, NULL);
	test_mode_require(call);
}

/* wf_test_begin(start_at) */
PG_FUNCTION_INFO_V1(wf_test_begin);
Datum
wf_test_begin(PG_FUNCTION_ARGS)
{
	TimestampTz at;

	refuse_in_code("wf_test_begin()", NULL);
	testkit_check_place();
	if (PG_ARGISNULL(0) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"start_at\" must be a time")));
	at = PG_GETARG_TIMESTAMPTZ(0);
	durable_check_version();
	test_mode_begin(at);
	PG_RETURN_VOID();
}

/*
 * What a mock says must not contradict itself
 */
static void
check_mock(const Mock *mock)
{
	if ((mock->error != NULL) + (mock->result != NULL) + (mock->times_out != NULL) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a mock has one of \"result\", \"error\" and \"times_out\"")));
	if (!mock->error && (mock->message || mock->details || mock->non_retryable))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"message\", \"details\" and \"non_retryable\" go with \"error\"")));
	if (mock->times_out && mock->delay > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"delay\" does not go with \"times_out\"")));
	payload_check(mock->result, "result");
	payload_check(mock->details, "details");
}

static char *
arg_string(FunctionCallInfo fcinfo, int arg, const char *name)
{
	text	   *value = arg_text(fcinfo, arg, name, false);

	return value ? text_to_cstring(value) : NULL;
}

/*
 * wf_test_mock(activity, result, error, message, times, details, non_retryable,
 * delay, times_out, input)
 */
PG_FUNCTION_INFO_V1(wf_test_mock);
Datum
wf_test_mock(PG_FUNCTION_ARGS)
{
	Interval   *delay = arg_interval(fcinfo, 7, "delay");
	Mock		mock = {
		.activity = text_to_cstring(arg_id(fcinfo, 0, "activity", true)),
		.result = arg_jsonb(fcinfo, 1),
		.error = arg_string(fcinfo, 2, "error"),
		.message = arg_string(fcinfo, 3, "message"),
		.left = PG_ARGISNULL(4) ? -1 : PG_GETARG_INT32(4),
		.details = arg_jsonb(fcinfo, 5),
		.non_retryable = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6),
		.delay = delay ? durable_interval_usecs(delay) : 0,
		.input = arg_jsonb(fcinfo, 9)
	};

	require_test("wf_test_mock()");
	if (!PG_ARGISNULL(4) && PG_GETARG_INT32(4) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"times\" must be at least 1: %d", PG_GETARG_INT32(4))));
	if (mock.error && mock.error[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"error\" must not be empty"),
				 errhint("It is a SQLSTATE, or the type of a failure.")));
	if (!PG_ARGISNULL(8))
		mock.times_out = pstrdup(timeouts[arg_choice(fcinfo, 8, "times_out", timeouts, lengthof(timeouts))]);
	check_mock(&mock);
	mock_add(&mock);
	PG_RETURN_VOID();
}

/* wf_test_signal_at(after, id, signal, payload, namespace) */
PG_FUNCTION_INFO_V1(wf_test_signal_at);
Datum
wf_test_signal_at(PG_FUNCTION_ARGS)
{
	Interval   *after = arg_interval(fcinfo, 0, "after");
	text	   *id = arg_id(fcinfo, 1, "id", true);
	text	   *signal = arg_id(fcinfo, 2, "signal", true);
	Jsonb	   *payload = arg_jsonb(fcinfo, 3);
	text	   *namespace = arg_namespace(fcinfo, 4);

	require_test("wf_test_signal_at()");
	payload_check(payload, "payload");
	testkit_signal_at(after ? durable_add_interval(durable_now(), after) : durable_now(),
					  PointerGetDatum(namespace), id, signal, payload);
	PG_RETURN_VOID();
}

/* durable.test_result(run_id): run the test until this run has closed */
PG_FUNCTION_INFO_V1(durable_test_result);
Datum
durable_test_result(PG_FUNCTION_ARGS)
{
	Found		run = {.status = STATUS_RUNNING};
	Jsonb	   *result;

	require_test("wf_test_run()");
	run.run_id = *PG_GETARG_UUID_P(0);
	if (!test_mode_has_run(&run.run_id))
		ereport(ERROR,
				(errcode(ERRCODE_WF_NOT_FOUND),
				 errmsg("run %s was not started in this test", uuid_to_cstring(&run.run_id))));
	result = testkit_result(&run, DT_NOEND);
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_test_work() */
PG_FUNCTION_INFO_V1(wf_test_work);
Datum
wf_test_work(PG_FUNCTION_ARGS)
{
	require_test("wf_test_work()");
	testkit_work();
	PG_RETURN_VOID();
}

/* wf_test_advance(by) */
PG_FUNCTION_INFO_V1(wf_test_advance);
Datum
wf_test_advance(PG_FUNCTION_ARGS)
{
	Interval   *by = arg_interval(fcinfo, 0, "by");

	require_test("wf_test_advance()");
	if (by)
		testkit_advance(durable_add_interval(durable_now(), by));
	PG_RETURN_VOID();
}

/* wf_test_calls(activity) */
PG_FUNCTION_INFO_V1(wf_test_calls);
Datum
wf_test_calls(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *activity = text_to_cstring(arg_id(fcinfo, 0, "activity", true));
	ListCell   *cell;

	require_test("wf_test_calls()");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(cell, mock_calls(activity))
	{
		Datum		value = PointerGetDatum(lfirst(cell));
		bool		isnull = lfirst(cell) == NULL;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

/* wf_test_elapsed() */
PG_FUNCTION_INFO_V1(wf_test_elapsed);
Datum
wf_test_elapsed(PG_FUNCTION_ARGS)
{
	require_test("wf_test_elapsed()");
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(durable_now()),
							   TimestampTzGetDatum(test_mode_started_at()));
}
