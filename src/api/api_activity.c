/*-------------------------------------------------------------------------
 *
 * api_activity.c
 *	  What the code of SQL activities calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/options.h"
#include "base/failure.h"
#include "call/running.h"
#include "fmgr.h"
#include "shared/watchdog.h"
#include "store/payload.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(wf_activity_info);
Datum
wf_activity_info(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(running_info(running_in_activity("wf_activity_info()")));
}

/* wf_heartbeat(details) */
PG_FUNCTION_INFO_V1(wf_heartbeat);
Datum
wf_heartbeat(PG_FUNCTION_ARGS)
{
	RunningAttempt *running = running_in_activity("wf_heartbeat()");
	Jsonb	   *details = arg_jsonb(fcinfo, 0);

	payload_check(details, "heartbeat details");
	running_heartbeat(running, details);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_heartbeat_details);
Datum
wf_heartbeat_details(PG_FUNCTION_ARGS)
{
	RunningAttempt *running = running_in_activity("wf_heartbeat_details()");

	if (!running->activity->details)
		PG_RETURN_NULL();
	/* a copy, since the next heartbeat frees it */
	PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(PointerGetDatum(running->activity->details))));
}

PG_FUNCTION_INFO_V1(wf_activity_cancelled);
Datum
wf_activity_cancelled(PG_FUNCTION_ARGS)
{
	RunningAttempt *running = running_in_activity("wf_activity_cancelled()");

	/* code that asks sees to it itself */
	watchdog_watch(NULL);
	PG_RETURN_BOOL(running_cancelled(running));
}

/* wf_fail(type, message, details, non_retryable, next_retry_delay) */
PG_FUNCTION_INFO_V1(wf_fail);
Datum
wf_fail(PG_FUNCTION_ARGS)
{
	(void) running_in_activity("wf_fail()");
	failure_throw(arg_failure(fcinfo, 0, 0));
	PG_RETURN_VOID();
}
