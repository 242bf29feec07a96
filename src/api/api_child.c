/*-------------------------------------------------------------------------
 *
 * api_child.c
 *	  Calls of workflow code that concern other workflows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api_child.h"
#include "api/options.h"
#include "base/json.h"
#include "call/running.h"
#include "command/child_command.h"
#include "command/external.h"
#include "command/handle.h"
#include "run/child.h"
#include "run/start.h"
#include "store/activity.h"
#include "store/history.h"
#include "store/payload.h"
#include "turn/leave.h"
#include "turn/turn.h"

/*
 * The arguments (workflow, input, id, parent_close_policy, on_closed,
 * execution_timeout, run_timeout, start_delay, retry, memo, search_attributes,
 * priority, fairness_key, fairness_weight, cancellation).  Of a child that is
 * recorded only what its record does not tell.
 */
void
child_request(FunctionCallInfo fcinfo, ChildRequest *request)
{
	static const char *const policies[] = {"terminate", "cancel", "abandon"};
	static const char *const closed[] = {"allow", "allow_failed_only", "reject"};
	/* a request is delivered with the turn, so it is requested when code goes on */
	static const char *const cancellations[] = {"try_cancel", "wait", "abandon", "wait_requested"};
	StartOptions *o = &request->options;
	int			cancellation;
	JsonBuilder b;

	memset(request, 0, sizeof(ChildRequest));
	request->workflow = arg_id(fcinfo, 0, "workflow", true);
	cancellation = arg_choice(fcinfo, 14, "cancellation", cancellations, lengthof(cancellations));
	request->cancellation = cancellation < 3 ? (Cancellation) cancellation : CANCELLATION_TRY;
	/* of a start that is known no more is needed */
	if (!command_child_is_new(current_turn, request->workflow))
		return;
	request->input = arg_jsonb(fcinfo, 1);
	if (!request->input)
	{
		json_begin(&b);
		request->input = json_end(&b);
	}
	payload_check(request->input, "input");
	request->policy = (ParentClosePolicy)
		arg_choice(fcinfo, 3, "parent_close_policy", policies, lengthof(policies));
	o->id = arg_id(fcinfo, 2, "id", false);
	o->on_closed = (OnClosed) arg_choice(fcinfo, 4, "on_closed", closed, lengthof(closed));
	o->execution_timeout = arg_interval(fcinfo, 5, "execution_timeout");
	o->run_timeout = arg_interval(fcinfo, 6, "run_timeout");
	o->start_delay = arg_interval(fcinfo, 7, "start_delay");
	o->retry = arg_retry(fcinfo, 8);
	o->memo = arg_object(fcinfo, 9, "memo");
	o->search_attributes = arg_object(fcinfo, 10, "search_attributes");
	o->priority = arg_priority(fcinfo, 11);
	o->fairness_key = arg_fairness_key(fcinfo, 12);
	o->weight = arg_weight(fcinfo, 13);
	payload_check(o->memo, "memo");
	payload_check(o->search_attributes, "search_attributes");
}

PG_FUNCTION_INFO_V1(wf_child);
Datum
wf_child(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_child()");
	ChildRequest request;
	Jsonb	   *result;

	child_request(fcinfo, &request);
	result = command_child(turn, &request);
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_start_child(the same) */
PG_FUNCTION_INFO_V1(wf_start_child);
Datum
wf_start_child(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_start_child()");
	ChildRequest request;

	child_request(fcinfo, &request);
	PG_RETURN_INT64(handle_make(HANDLE_CHILD, command_child_start(turn, &request)));
}

/* wf_signal_external(id, signal, payload, run_id) */
PG_FUNCTION_INFO_V1(wf_signal_external);
Datum
wf_signal_external(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_signal_external()");
	ExternalRequest request = {.initiated = EVENT_SIGNAL_EXTERNAL_INITIATED};

	request.workflow_id = arg_id(fcinfo, 0, "id", true);
	request.name = arg_id(fcinfo, 1, "signal", true);
	request.payload = arg_jsonb(fcinfo, 2);
	request.run_id = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3);
	payload_check(request.payload, "payload");
	/* SQL NULL is what a wait for a signal that did not come returns */
	if (!request.payload)
		request.payload = json_null();
	command_external(turn, &request);
	PG_RETURN_VOID();
}

/* wf_cancel_external(id, reason, run_id) */
PG_FUNCTION_INFO_V1(wf_cancel_external);
Datum
wf_cancel_external(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_cancel_external()");
	ExternalRequest request = {.initiated = EVENT_CANCEL_EXTERNAL_INITIATED};

	request.workflow_id = arg_id(fcinfo, 0, "id", true);
	request.name = arg_text(fcinfo, 1, "reason", false);
	request.run_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	command_external(turn, &request);
	PG_RETURN_VOID();
}
