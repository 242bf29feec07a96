/*-------------------------------------------------------------------------
 *
 * api_wait.c
 *	  What applications call to wait for a workflow's end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api_wait.h"
#include "api/named_run.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/testmode.h"
#include "call/procedure.h"
#include "fmgr.h"
#include "funcapi.h"
#include "run/await.h"
#include "store/execution.h"
#include "store/find.h"
#include "test/testkit.h"
#include "utils/builtins.h"

/*
 * Until when a call waits: by durable_monotonic(), or in a test by its clock
 */
int64
deadline_of(FunctionCallInfo fcinfo, int arg, bool in_test)
{
	Interval   *timeout = arg_interval(fcinfo, arg, "timeout");

	if (!timeout)
		return PG_INT64_MAX;
	return (in_test ? durable_now() : durable_monotonic()) + durable_interval_usecs(timeout);
}

/*
 * Nobody else sees what this transaction has started
 */
static void
refuse_own(const Found *run, const char *id)
{
	if (run->status == STATUS_RUNNING && run->ours)
		ereport(ERROR,
				(errcode(ERRCODE_WF_OWN_TRANSACTION),
				 errmsg("workflow \"%s\" was started in this transaction and cannot run before its commit", id),
				 errhint("Commit first, then ask for the result.")));
}

/* wf_result(id, timeout, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_result);
Datum
wf_result(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(arg_id(fcinfo, 0, "id", true));
	Found		run;
	Jsonb	   *result;

	refuse_in_code("wf_result()", "Wait for the other workflow in an activity.");
	run = named_run(fcinfo, 0, 2, 3);
	if (test_mode_has_run(&run.run_id))
		result = testkit_result(&run, deadline_of(fcinfo, 1, true));
	else
	{
		refuse_own(&run, id);
		result = await_result(&run, id, deadline_of(fcinfo, 1, false));
	}
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_wait(id, timeout, INOUT run_id, OUT status, OUT result, OUT failure, namespace) */
PG_FUNCTION_INFO_V1(wf_wait);
Datum
wf_wait(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(arg_id(fcinfo, 0, "id", true));
	Found		run;
	Outcome		outcome = {0};
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {0};
	bool		closed;

	refuse_in_code("wf_wait()", "Wait for the other workflow in an activity.");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	run = named_run(fcinfo, 0, 2, 3);
	if (test_mode_has_run(&run.run_id))
		closed = testkit_closed(&run, deadline_of(fcinfo, 1, true));
	else
	{
		refuse_own(&run, id);
		closed = await_closed(&run, id, deadline_of(fcinfo, 1, false));
	}
	if (closed)
		await_outcome(&run, id, &outcome);
	values[0] = UUIDPGetDatum(&run.run_id);
	values[1] = CStringGetTextDatum(status_name(run.status));
	values[2] = JsonbPGetDatum(outcome.result);
	nulls[2] = outcome.result == NULL;
	values[3] = JsonbPGetDatum(outcome.failure);
	nulls[3] = outcome.failure == NULL;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* wf_await_result(id, INOUT result, timeout, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_await_result);
Datum
wf_await_result(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(arg_id(fcinfo, 0, "id", true));
	Found		run;

	refuse_in_code("wf_await_result()", "Wait for the other workflow in an activity.");
	procedure_begin(fcinfo, "wf_await_result()");
	procedure_go_on();
	run = named_run(fcinfo, 0, 3, 4);
	return procedure_end(fcinfo, await_result(&run, id, deadline_of(fcinfo, 2, false)));
}
