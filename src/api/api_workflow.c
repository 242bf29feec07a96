/*-------------------------------------------------------------------------
 *
 * api_workflow.c
 *	  What workflow code calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/activity_args.h"
#include "api/options.h"
#include "base/json.h"
#include "call/callable_cache.h"
#include "call/convert.h"
#include "catalog/pg_type.h"
#include "command/command.h"
#include "command/continuation.h"
#include "command/info.h"
#include "command/signal_command.h"
#include "command/sleep_command.h"
#include "command/step_command.h"
#include "fmgr.h"
#include "funcapi.h"
#include "run/start.h"
#include "store/payload.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* wf_activity(name, input, task_queue, mode ...) */
PG_FUNCTION_INFO_V1(wf_activity);
Datum
wf_activity(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_activity()");
	text	   *name = arg_id(fcinfo, 0, "name", true);
	ActivityPlace place = activity_place(fcinfo, 2, ACTIVITY_INLINE);
	bool		is_new = turn_outcome_unknown(turn);
	Jsonb	   *result;

	if (place == ACTIVITY_INLINE)
	{
		StepRequest step;

		activity_step(fcinfo, 2, name, &step);
		/* of a step whose outcome is known no more is needed */
		if (is_new)
		{
			step.function = turn_resolve(turn, text_to_cstring(name));
			step.input = activity_input(fcinfo, 1);
		}
		result = command_step(turn, &step);
	}
	else
	{
		TaskRequest request;

		activity_task(fcinfo, 2, name, place == ACTIVITY_EXTERNAL, &request);
		if (is_new)
			request.input = activity_input(fcinfo, 1);
		result = command_activity(turn, &request);
	}
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/*
 * The arguments of a statement, for the history
 */
static Jsonb *
statement_as_json(const StepRequest *step)
{
	JsonBuilder args;
	JsonBuilder b;

	json_array_begin(&args);
	for (int i = 0; i < step->nargs; i++)
	{
		FmgrInfo	to_jsonb;

		init_to_jsonb(&to_jsonb, step->argtypes[i], CurrentMemoryContext);
		json_array_add(&args, step->nulls[i] == 'n' ? NULL : datum_to_json(&to_jsonb, step->args[i]));
	}
	json_begin(&b);
	json_add_text(&b, "query", step->sql);
	json_add_jsonb(&b, "args", json_array_end(&args));
	return json_end(&b);
}

/* wf_sql(query, VARIADIC args) */
PG_FUNCTION_INFO_V1(wf_sql);
Datum
wf_sql(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_sql()");
	StepRequest step = {0};
	bool	   *isnull;

	step.name = cstring_to_text("wf_sql");
	step.sql = text_to_cstring(arg_text(fcinfo, 0, "query", true));
	if (turn_outcome_unknown(turn))
	{
		step.nargs = PG_NARGS() < 2 ? 0 :
			extract_variadic_args(fcinfo, 1, true, &step.args, &step.argtypes, &isnull);
		if (step.nargs < 0)
			step.nargs = 0;
		step.nulls = palloc(step.nargs + 1);
		for (int i = 0; i < step.nargs; i++)
			step.nulls[i] = isnull[i] ? 'n' : ' ';
		step.input = statement_as_json(&step);
	}
	PG_RETURN_JSONB_P(command_step(turn, &step));
}

/* wf_sleep(interval) */
PG_FUNCTION_INFO_V1(wf_sleep);
Datum
wf_sleep(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_sleep()");
	Interval   *span = arg_interval(fcinfo, 0, "duration");

	if (!span)
		(void) arg_text(fcinfo, 0, "duration", true);
	command_sleep(turn, span);
	PG_RETURN_VOID();
}

/* wf_sleep_until(timestamptz) */
PG_FUNCTION_INFO_V1(wf_sleep_until);
Datum
wf_sleep_until(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_sleep_until()");

	if (PG_ARGISNULL(0))
		(void) arg_text(fcinfo, 0, "until", true);
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"until\" must be finite")));
	command_sleep_until(turn, PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_VOID();
}

/* wf_wait_signal(signal, timeout) */
PG_FUNCTION_INFO_V1(wf_wait_signal);
Datum
wf_wait_signal(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_wait_signal()");
	text	   *signal = arg_id(fcinfo, 0, "signal", true);
	Jsonb	   *payload = command_wait_signal(turn, signal, arg_interval(fcinfo, 1, "timeout"));

	if (!payload)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(payload);
}

/* wf_poll_signal(signal) */
PG_FUNCTION_INFO_V1(wf_poll_signal);
Datum
wf_poll_signal(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_poll_signal()");
	Jsonb	   *payload = command_poll_signal(turn, arg_id(fcinfo, 0, "signal", true));

	if (!payload)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(payload);
}

PG_FUNCTION_INFO_V1(wf_now);
Datum
wf_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(turn_in_code("wf_now()")->pass.now);
}

PG_FUNCTION_INFO_V1(wf_random);
Datum
wf_random(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(pg_prng_double(&turn_in_code("wf_random()")->pass.random));
}

PG_FUNCTION_INFO_V1(wf_uuid);
Datum
wf_uuid(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_uuid()");
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	for (int i = 0; i < UUID_LEN; i += sizeof(uint64))
	{
		uint64		bits = pg_prng_uint64(&turn->pass.random);

		memcpy(&id->data[i], &bits, sizeof(bits));
	}
	id->data[6] = (id->data[6] & 0x0F) | 0x40;
	id->data[8] = (id->data[8] & 0x3F) | 0x80;
	PG_RETURN_UUID_P(id);
}

PG_FUNCTION_INFO_V1(wf_info);
Datum
wf_info(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(command_info(turn_in_code("wf_info()")));
}

/* wf_set(key, value) */
PG_FUNCTION_INFO_V1(wf_set);
Datum
wf_set(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_set()");

	command_publish(turn, arg_id(fcinfo, 0, "key", true), arg_jsonb(fcinfo, 1));
	PG_RETURN_VOID();
}

/* wf_shield(on) */
PG_FUNCTION_INFO_V1(wf_shield);
Datum
wf_shield(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_shield()");

	if (PG_ARGISNULL(0))
		(void) arg_text(fcinfo, 0, "on", true);
	turn->pass.shielded = PG_GETARG_BOOL(0);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_cancel_requested);
Datum
wf_cancel_requested(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(command_cancel_requested(turn_in_code("wf_cancel_requested()")));
}

/*
 * The input and function of a new run, which must fit each other
 */
static void
continuation_of(FunctionCallInfo fcinfo, Turn *turn, Continuation *c)
{
	Jsonb	   *input;
	Callable   *workflow = turn->workflow;
	Identity	code;

	c->input = arg_jsonb(fcinfo, 0);
	c->workflow = arg_id(fcinfo, 1, "workflow", false);
	payload_check(c->input, "input");
	code = turn_as_owner(turn);
	if (c->workflow)
	{
		workflow = find_workflow(text_to_cstring(c->workflow));
		c->function = cstring_to_text(workflow->name);
	}
	input = c->input ? c->input : turn->input_id ? payload_load(turn->input_id) : turn->input;
	if (c->input || c->workflow)
		c->input = command_new_input(turn, workflow, input);
	turn_as(code);
}

/*
 * wf_continue_as_new(input, workflow, run_timeout, retry, memo,
 * search_attributes, priority, fairness_key, fairness_weight)
 */
PG_FUNCTION_INFO_V1(wf_continue_as_new);
Datum
wf_continue_as_new(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_continue_as_new()");
	Continuation c = {0};

	continuation_of(fcinfo, turn, &c);
	c.run_timeout = arg_interval(fcinfo, 2, "run_timeout");
	c.retry = arg_retry(fcinfo, 3);
	c.memo = arg_object(fcinfo, 4, "memo");
	c.search_attributes = arg_object(fcinfo, 5, "search_attributes");
	c.priority = arg_priority(fcinfo, 6);
	c.fairness_key = arg_fairness_key(fcinfo, 7);
	c.weight = arg_weight(fcinfo, 8);
	command_continue_as_new(turn, &c);
	PG_RETURN_VOID();
}
