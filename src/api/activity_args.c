/*-------------------------------------------------------------------------
 *
 * activity_args.c
 *	  The arguments that describe an activity, which several calls take.
 *
 *	  wf_activity(), wf_start_activity(), wf_map() and wf_compensate() have the
 *	  same options in the same order, from task_queue on.  What is wrong with a
 *	  call must be wrong at each replay, so all of them are checked each time;
 *	  the input is only read where the activity is new.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/activity_args.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/json.h"
#include "store/activity.h"
#include "store/activity_option.h"
#include "store/payload.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/* Places of arguments that are no options of the activity itself, from task_queue on */
#define ARG_TASK_QUEUE	0
#define ARG_MODE		1
#define ARG_SUMMARY		11

static int64
arg_span(FunctionCallInfo fcinfo, int arg, const char *name)
{
	Interval   *span = arg_interval(fcinfo, arg, name);

	return span ? durable_interval_usecs(span) : 0;
}

/*
 * The input of an activity: no input is an empty object
 */
Jsonb *
activity_input(FunctionCallInfo fcinfo, int arg)
{
	Jsonb	   *input = arg_jsonb(fcinfo, arg);
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
 * Read an argument into the activity
 */
static void
read_option(FunctionCallInfo fcinfo, int arg, const ActivityOption *option, Activity *a)
{
	void	   *value = (char *) a + option->offset;

	switch (option->kind)
	{
		case OPTION_SPAN:
			*(int64 *) value = arg_span(fcinfo, arg, option->name);
			break;
		case OPTION_RETRY:
			*(Jsonb **) value = arg_retry(fcinfo, arg);
			break;
		case OPTION_PRIORITY:
			*(int *) value = arg_priority(fcinfo, arg);
			break;
		case OPTION_KEY:
			*(text **) value = arg_fairness_key(fcinfo, arg);
			break;
		case OPTION_WEIGHT:
			*(double *) value = arg_weight(fcinfo, arg);
			break;
		case OPTION_ID:
			*(text **) value = arg_id(fcinfo, arg, option->name, false);
			break;
		case OPTION_CANCELLATION:
			*(Cancellation *) value = arg_choice(fcinfo, arg, option->name, cancellation_names, lengthof(cancellation_names));
			break;
	}
}

/*
 * A step of a turn has no use for all of the options
 */
static void
read_options(FunctionCallInfo fcinfo, int first, Activity *options)
{
	activity_init(options);
	for (const ActivityOption *o = activity_options; o->name; o++)
		read_option(fcinfo, first + o->arg, o, options);
}

/*
 * Those that wf_update_activity() is to change, into `values'.  Returns which.
 */
uint32
activity_changes(FunctionCallInfo fcinfo, Activity *values)
{
	uint32		given = 0;

	for (const ActivityOption *o = activity_options; o->name; o++)
		if (o->change_arg > 0 && !PG_ARGISNULL(o->change_arg))
		{
			read_option(fcinfo, o->change_arg, o, values);
			given |= OPTION_BIT(o);
		}
	return given;
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
 * Where is the activity to run?  `first' is the number of the argument
 * task_queue; without task queue and mode it is `usual'.
 */
ActivityPlace
activity_place(FunctionCallInfo fcinfo, int first, ActivityPlace usual)
{
	static const char *const modes[] = {"inline", "queued"};
	text	   *task_queue = arg_id(fcinfo, first + ARG_TASK_QUEUE, "task_queue", false);
	int			mode = PG_ARGISNULL(first + ARG_MODE) ? -1 :
		arg_choice(fcinfo, first + ARG_MODE, "mode", modes, lengthof(modes));

	if (task_queue && mode == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an activity with a task queue cannot be inline: \"%s\"", text_to_cstring(task_queue)),
				 errhint("A task queue without a mode is for external workers; mode => 'queued' is for SQL activities.")));
	if (mode == 0)
		return ACTIVITY_INLINE;
	if (mode == 1)
		return ACTIVITY_QUEUED;
	return task_queue ? ACTIVITY_EXTERNAL : usual;
}

/*
 * A step of this turn; function and input are the caller's to add
 */
void
activity_step(FunctionCallInfo fcinfo, int first, text *name, StepRequest *step)
{
	Activity	options;

	memset(step, 0, sizeof(StepRequest));
	read_options(fcinfo, first, &options);
	step->name = name;
	step->start_to_close = options.start_to_close;
	step->schedule_to_close = options.schedule_to_close;
	step->retry = options.retry;
	step->activity_id = options.activity_id;
	step->summary = arg_text(fcinfo, first + ARG_SUMMARY, "summary", false);
}

/*
 * An activity for a queue; the input is the caller's to add
 */
void
activity_task(FunctionCallInfo fcinfo, int first, text *name, bool external, TaskRequest *request)
{
	memset(request, 0, sizeof(TaskRequest));
	request->name = name;
	request->task_queue = arg_id(fcinfo, first + ARG_TASK_QUEUE, "task_queue", false);
	request->external = external;
	read_options(fcinfo, first, &request->options);
	complete_timeouts(&request->options, external);
	request->summary = arg_text(fcinfo, first + ARG_SUMMARY, "summary", false);
}
