/*-------------------------------------------------------------------------
 *
 * api_workflow.c
 *	  What workflow code calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "callable.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "command.h"
#include "extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "json.h"
#include "options.h"
#include "payload.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static bool
outcome_unknown(const Turn *turn)
{
	return turn->next_command > turn->ncommands ||
		turn->commands[turn->next_command - 1].resolution < 0;
}

/* Arguments of wf_activity(), in order */
enum
{
	ARG_NAME, ARG_INPUT, ARG_TASK_QUEUE, ARG_MODE, ARG_START_TO_CLOSE, ARG_SCHEDULE_TO_CLOSE,
	ARG_SCHEDULE_TO_START, ARG_HEARTBEAT, ARG_RETRY, ARG_PRIORITY, ARG_FAIRNESS_KEY,
	ARG_FAIRNESS_WEIGHT, ARG_ACTIVITY_ID, ARG_SUMMARY, ARG_CANCELLATION
};

static int64
arg_span(FunctionCallInfo fcinfo, int arg, const char *name)
{
	Interval   *span = arg_interval(fcinfo, arg, name);

	return span ? durable_interval_usecs(span) : 0;
}

static Jsonb *
activity_input(FunctionCallInfo fcinfo)
{
	Jsonb	   *input = arg_jsonb(fcinfo, ARG_INPUT);
	JsonBuilder b;

	if (!input)
	{
		json_begin(&b);
		input = json_end(&b);
	}
	payload_check(input, "input");
	return input;
}

/*
 * The options of an activity; a step of this turn has no use for all of them
 */
static void
activity_options(FunctionCallInfo fcinfo, Activity *options)
{
	static const char *const cancellations[] = {"try_cancel", "wait", "abandon"};

	activity_init(options);
	options->start_to_close = arg_span(fcinfo, ARG_START_TO_CLOSE, "start_to_close");
	options->schedule_to_close = arg_span(fcinfo, ARG_SCHEDULE_TO_CLOSE, "schedule_to_close");
	options->schedule_to_start = arg_span(fcinfo, ARG_SCHEDULE_TO_START, "schedule_to_start");
	options->heartbeat = arg_span(fcinfo, ARG_HEARTBEAT, "heartbeat");
	options->retry = arg_retry(fcinfo, ARG_RETRY);
	options->priority = arg_priority(fcinfo, ARG_PRIORITY);
	options->fairness_key = arg_fairness_key(fcinfo, ARG_FAIRNESS_KEY);
	options->weight = arg_weight(fcinfo, ARG_FAIRNESS_WEIGHT);
	options->activity_id = arg_id(fcinfo, ARG_ACTIVITY_ID, "activity_id", false);
	options->cancellation = arg_choice(fcinfo, ARG_CANCELLATION, "cancellation", cancellations, lengthof(cancellations));
}

/*
 * An activity as a step of this turn
 */
static Jsonb *
run_inline(FunctionCallInfo fcinfo, Turn *turn, text *name)
{
	StepRequest step = {.name = name};
	Activity	options;

	/* what is wrong with the call must be wrong at each replay */
	activity_options(fcinfo, &options);
	step.start_to_close = options.start_to_close;
	step.schedule_to_close = options.schedule_to_close;
	step.retry = options.retry;
	step.activity_id = options.activity_id;
	step.summary = arg_text(fcinfo, ARG_SUMMARY, "summary", false);
	/* of a step whose outcome is known no more is needed */
	if (outcome_unknown(turn))
	{
		step.function = callable_resolve(text_to_cstring(step.name), true);
		step.input = activity_input(fcinfo);
	}
	return command_step(turn, &step);
}

/*
 * Timeouts that are not given follow from the others
 */
static void
complete_timeouts(Activity *options, bool external)
{
	if (options->start_to_close == 0)
		options->start_to_close = options->schedule_to_close;
	if (options->start_to_close == 0 && external)
		options->start_to_close = (int64) durable_default_start_to_close * USECS_PER_SEC;
	if (options->start_to_close > 0 && options->heartbeat > options->start_to_close)
		options->heartbeat = options->start_to_close;
}

/*
 * An activity that goes into a task queue
 */
static Jsonb *
run_queued(FunctionCallInfo fcinfo, Turn *turn, text *name, text *task_queue, bool external)
{
	TaskRequest request = {.name = name, .task_queue = task_queue, .external = external};

	activity_options(fcinfo, &request.options);
	complete_timeouts(&request.options, external);
	request.summary = arg_text(fcinfo, ARG_SUMMARY, "summary", false);
	if (outcome_unknown(turn))
		request.input = activity_input(fcinfo);
	return command_activity(turn, &request);
}

/* wf_activity(name, input, task_queue, mode ...) */
PG_FUNCTION_INFO_V1(wf_activity);
Datum
wf_activity(PG_FUNCTION_ARGS)
{
	static const char *const modes[] = {"inline", "queued"};
	Turn	   *turn = turn_in_code("wf_activity()");
	text	   *name = arg_id(fcinfo, ARG_NAME, "name", true);
	text	   *task_queue = arg_id(fcinfo, ARG_TASK_QUEUE, "task_queue", false);
	int			mode = PG_ARGISNULL(ARG_MODE) ? -1 : arg_choice(fcinfo, ARG_MODE, "mode", modes, lengthof(modes));
	Jsonb	   *result;

	if (task_queue && mode == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an activity with a task queue cannot be inline: \"%s\"", text_to_cstring(task_queue)),
				 errhint("A task queue without a mode is for external workers; mode => 'queued' is for SQL activities.")));
	result = task_queue || mode == 1 ? run_queued(fcinfo, turn, name, task_queue, mode != 1) :
		run_inline(fcinfo, turn, name);
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
	if (outcome_unknown(turn))
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
	command_sleep_until(turn, durable_add_interval(turn->now, span));
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
	PG_RETURN_TIMESTAMPTZ(turn_in_code("wf_now()")->now);
}

PG_FUNCTION_INFO_V1(wf_random);
Datum
wf_random(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(pg_prng_double(&turn_in_code("wf_random()")->random));
}

PG_FUNCTION_INFO_V1(wf_uuid);
Datum
wf_uuid(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_uuid()");
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	for (int i = 0; i < UUID_LEN; i += sizeof(uint64))
	{
		uint64		bits = pg_prng_uint64(&turn->random);

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
	turn->shielded = PG_GETARG_BOOL(0);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_cancel_requested);
Datum
wf_cancel_requested(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(command_cancel_requested(turn_in_code("wf_cancel_requested()")));
}
