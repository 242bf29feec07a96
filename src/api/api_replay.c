/*-------------------------------------------------------------------------
 *
 * api_replay.c
 *	  wf_replay: an exported history against a function, in any session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "call/callable_cache.h"
#include "code/rehearsal.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/execution.h"
#include "store/export.h"
#include "store/export_check.h"
#include "store/history.h"
#include "store/kinds.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/*
 * Tell of a command that was matched
 */
static void
print_command(Turn *turn, const Event *event)
{
	char	   *at = wait_location(GetErrorContextStack());

	ereport(NOTICE,
			(errmsg("event %d: %s%s%s%s%s", (int) (event - turn->history.events) + 1, event_type_name(event->type),
					event->name ? " " : "", event->name ? text_to_cstring(event->name) : "",
					at ? ", at " : "", at ? at : "")));
}

/*
 * Nothing to be told, but the code's own messages are to be seen
 */
static void
print_nothing(Turn *turn, const Event *event)
{
}

static const char *
status_of(const Turn *turn, PassEnd end)
{
	switch (end)
	{
		case PASS_COMPLETED:
			return "completed";
		case PASS_FAILED:
			return turn->cancelled ? "cancelled" : "failed";
		case PASS_WAIT:
		case PASS_STEP:
			return "waiting";
		case PASS_CONTINUED:
			return "continued_as_new";
		default:
			return "ended";
	}
}

static bool
same_json(Jsonb *a, Jsonb *b)
{
	return a && b ? compareJsonbContainers(&a->root, &b->root) == 0 : a == b;
}

static bool
same_failure(Jsonb *a, Jsonb *b)
{
	char	   *x = json_find_text(a, "message");
	char	   *y = json_find_text(b, "message");

	return x && y && strcmp(x, y) == 0;
}

/*
 * Did the code end otherwise than the run did?
 */
static bool
end_differs(const Turn *turn, PassEnd end, const Export *export)
{
	const Event *closing = &export->closing;
	JsonbValue *failure;

	switch (closing->type)
	{
		case EVENT_WORKFLOW_COMPLETED:
			return end != PASS_COMPLETED || !same_json(turn->result, closing->payload);
		case EVENT_WORKFLOW_FAILED:
			failure = json_find(closing->attributes, "failure");
			return end != PASS_FAILED || turn->cancelled || !failure ||
				!same_failure(turn->failure, JsonbValueToJsonb(failure));
		case EVENT_WORKFLOW_CANCELED:
			return !turn->cancelled;
		case EVENT_WORKFLOW_CONTINUED_AS_NEW:
			return end != PASS_CONTINUED;
		case EVENT_WORKFLOW_TIMED_OUT:
		case EVENT_WORKFLOW_TERMINATED:
			/* that came from outside, wherever the code was */
			return end == PASS_COMPLETED || end == PASS_FAILED;
		default:
			return false;
	}
}

/*
 * The history and the code do not fit
 */
static void
report_misfit(Turn *turn)
{
	Misfit		misfit = rehearse_misfit(turn);

	ereport(ERROR,
			(errcode(turn->problem->sqlerrcode),
			 errmsg_internal("%s", misfit.problem),
			 misfit.event ? errdetail("The code is at event %d.", misfit.event) : 0,
			 turn->problem->context ? errcontext("%s", turn->problem->context) : 0));
}

/*
 * The run closed itself, but the code is still at it
 */
static void
check_end(const Turn *turn, PassEnd end, const Export *export)
{
	if (!export->closed || (end != PASS_WAIT && end != PASS_STEP) ||
		(export->closing.type != EVENT_WORKFLOW_COMPLETED && export->closing.type != EVENT_WORKFLOW_FAILED &&
		 export->closing.type != EVENT_WORKFLOW_CANCELED && export->closing.type != EVENT_WORKFLOW_CONTINUED_AS_NEW))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WF_NONDETERMINISM),
			 errmsg("event %d is %s, but the code now goes on: %s", export->closing_id,
					event_type_name(export->closing.type),
					end == PASS_STEP ? psprintf("activity %s", text_to_cstring(turn->step.name)) :
					turn->wait.what ? turn->wait.what : "it waits"),
			 errdetail("The code is at event %d.", export->closing_id)));
}

static Jsonb *
summary(Turn *turn, PassEnd end, const Export *export)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "status", status_of(turn, end));
	json_add_int(&b, "events", turn->history.nevents + export->closed);
	json_add_int(&b, "commands", Min(turn->pass.next_command - 1, turn->history.ncommands));
	if (end == PASS_COMPLETED)
		json_add_jsonb(&b, "result", turn->result);
	if (end == PASS_FAILED)
		json_add_jsonb(&b, "failure", turn->failure);
	if (end == PASS_STEP)
		json_add_text(&b, "waiting_for", psprintf("activity %s", text_to_cstring(turn->step.name)));
	if (end == PASS_WAIT)
	{
		json_add_text(&b, "waiting_for", turn->wait.what);
		json_add_text(&b, "waiting_at", turn->wait.where);
	}
	json_add_text(&b, "input_differs", rehearse_difference(turn).problem);
	if (export->closed)
	{
		json_add_text(&b, "recorded_end", event_type_name(export->closing.type));
		if (end_differs(turn, end, export))
		{
			json_add_bool(&b, "result_differs", true);
			json_add_jsonb(&b, "recorded_result", export->closing.type == EVENT_WORKFLOW_COMPLETED ?
						   export->closing.payload : export->closing.attributes);
		}
	}
	return json_end(&b);
}

/* wf_replay(history, function, verbose) */
PG_FUNCTION_INFO_V1(wf_replay);
Datum
wf_replay(PG_FUNCTION_ARGS)
{
	Jsonb	   *history = arg_jsonb(fcinfo, 0);
	bool		verbose = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	Export		export;
	Execution	run;
	Turn		turn;
	Stage		stage;
	PassEnd		end;
	Oid			function;

	refuse_in_code("wf_replay()", NULL);
	if (!history || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", history ? "function" : "history")));
	function = PG_GETARG_OID(1);
	check_may_run(function);
	export_read(history, &export);
	export_run(&export, GetUserId(), &run);
	run.function = cstring_to_text(callable_get(function)->name);
	stage_begin(&stage, false);
	end = rehearse(&turn, &run, export.rows, export.nrows, &(Code) {function}, verbose ? print_command : print_nothing, true);
	stage_end(&stage);
	if (end == PASS_PROBLEM)
		report_misfit(&turn);
	check_end(&turn, end, &export);
	PG_RETURN_JSONB_P(summary(&turn, end, &export));
}
