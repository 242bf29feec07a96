/*-------------------------------------------------------------------------
 *
 * activity_command.c
 *	  Activities that workflow code puts into a queue.
 *
 *	  A new one is recorded as scheduled, and a row for it is written with the
 *	  turn.  Its end and its cancellation: elsewhere.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/text.h"
#include "command/command.h"
#include "command/elsewhere.h"
#include "shared/taskqueue_id.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "task/task.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/mock.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

static char *
span_text(int64 usecs)
{
	Interval	span = {.time = usecs};

	return usecs == 0 ? NULL :
		DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(&span)));
}

static const char *
cancellation_name(Cancellation cancellation)
{
	static const char *const names[] = {"try_cancel", "wait", "abandon"};

	return names[cancellation];
}

/*
 * What the scheduled event says besides name and input
 */
static Jsonb *
describe(const TaskRequest *request)
{
	const Activity *o = &request->options;
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "mode", request->external ? "external" : "queued");
	json_add_text(&b, "task_queue", request->task_queue ? text_to_cstring(request->task_queue) : NULL);
	json_add_text(&b, "activity_id", o->activity_id ? text_to_cstring(o->activity_id) : NULL);
	json_add_text(&b, "summary", request->summary ? text_to_cstring(request->summary) : NULL);
	json_add_text(&b, "schedule_to_close", span_text(o->schedule_to_close));
	json_add_text(&b, "schedule_to_start", span_text(o->schedule_to_start));
	json_add_text(&b, "start_to_close", span_text(o->start_to_close));
	json_add_text(&b, "heartbeat", span_text(o->heartbeat));
	json_add_jsonb(&b, "retry", o->retry);
	if (o->priority > 0)
		json_add_int(&b, "priority", o->priority);
	json_add_text(&b, "fairness_key", o->fairness_key ? text_to_cstring(o->fairness_key) : NULL);
	if (o->weight > 0)
		json_add_text(&b, "fairness_weight", float8out_internal(o->weight));
	if (o->cancellation != CANCELLATION_TRY)
		json_add_text(&b, "cancellation", cancellation_name(o->cancellation));
	return json_end(&b);
}

static int64
described_span(Jsonb *attributes, const char *key)
{
	char	   *text = json_find_text(attributes, key);

	return !text ? 0 :
		durable_interval_usecs(DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
																	 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

static text *
described_text(Jsonb *attributes, const char *key)
{
	char	   *value = json_find_text(attributes, key);

	return value ? cstring_to_text(value) : NULL;
}

static double
described_number(Jsonb *attributes, const char *key)
{
	char	   *value = json_find_text(attributes, key);

	return value ? strtod(value, NULL) : 0;
}

/*
 * What describe() has made of a request; false where the event is that of a step
 */
bool
request_of_event(const Event *event, TaskRequest *request)
{
	Jsonb	   *d = event->attributes;
	char	   *mode = json_find_text(d, "mode");
	JsonbValue *retry = json_find(d, "retry");
	Activity   *o = &request->options;

	if (!mode)
		return false;
	memset(request, 0, sizeof(TaskRequest));
	activity_init(o);
	request->name = event->name;
	request->external = strcmp(mode, "external") == 0;
	request->task_queue = described_text(d, "task_queue");
	o->activity_id = described_text(d, "activity_id");
	o->schedule_to_close = described_span(d, "schedule_to_close");
	o->schedule_to_start = described_span(d, "schedule_to_start");
	o->start_to_close = described_span(d, "start_to_close");
	o->heartbeat = described_span(d, "heartbeat");
	o->retry = retry ? JsonbValueToJsonb(retry) : NULL;
	o->priority = (int) described_number(d, "priority");
	o->fairness_key = described_text(d, "fairness_key");
	o->weight = described_number(d, "fairness_weight");
	for (Cancellation c = CANCELLATION_TRY; c <= CANCELLATION_ABANDON; c++)
	{
		char	   *cancellation = json_find_text(d, "cancellation");

		if (cancellation && strcmp(cancellation, cancellation_name(c)) == 0)
			o->cancellation = c;
	}
	return true;
}

/*
 * The row of a new activity, in the current memory context.  Its input is that of the
 * event, and comes to it when the turn is written: a large one is set aside.
 */
Activity *
activity_of_request(Execution *e, const TaskRequest *request, int32 command)
{
	Activity   *a = palloc(sizeof(Activity));
	const Activity *o = &request->options;
	char	   *namespace;
	char	   *queue_name;

	*a = *o;
	a->run_id = e->run_id;
	a->command = command;
	a->owner = e->owner;
	a->workflow_id = e->workflow_id;
	a->name = varlena_copy(request->name);
	a->activity_id = varlena_copy(o->activity_id);
	a->task_queue = varlena_copy(request->task_queue);
	a->external = request->external;
	queue_name = request->task_queue ? text_to_cstring(request->task_queue) : NULL;
	namespace = text_to_cstring(e->namespace);
	a->queue = task_queue_id(namespace, queue_name, e->owner, request->external);
	a->topic = task_queue_topic(namespace, queue_name);
	a->priority = o->priority ? o->priority : e->priority ? e->priority : DEFAULT_PRIORITY;
	a->fairness_key = o->fairness_key ? varlena_copy(o->fairness_key) : e->fairness_key;
	a->weight = o->weight > 0 ? o->weight : e->weight;
	a->retry = varlena_copy(o->retry);
	a->scheduled_at = durable_now();
	return a;
}

/*
 * Schedule a new activity
 */
static void
schedule(Turn *turn, const TaskRequest *request, int32 command)
{
	MemoryContext old;
	int			index;

	command_check_limits(turn);
	index = turn_record(turn, EVENT_ACTIVITY_SCHEDULED, command, request->name, describe(request));
	old = MemoryContextSwitchTo(turn->context);
	turn->history.events[index].payload = varlena_copy(request->input);
	turn->effects.scheduled = lappend(turn->effects.scheduled, activity_of_request(turn->execution, request, command));
	MemoryContextSwitchTo(old);
}

/*
 * There is no function of that name: the activity fails at once
 */
static void
fail_missing(Turn *turn, const TaskRequest *request, int32 command)
{
	Jsonb	   *failure = failure_make("sql_error", ERRCODE_UNDEFINED_FUNCTION,
									   psprintf("function \"%s\" does not exist", text_to_cstring(request->name)), 0);
	int			index;
	MemoryContext old;

	command_check_limits(turn);
	index = turn_record(turn, EVENT_ACTIVITY_SCHEDULED, command, request->name, describe(request));
	old = MemoryContextSwitchTo(turn->context);
	turn->history.events[index].payload = varlena_copy(request->input);
	MemoryContextSwitchTo(old);
	(void) turn_record(turn, EVENT_ACTIVITY_FAILED, command, NULL,
						  failure_with_retry_state(failure, "non_retryable_failure"));
}

/*
 * A recorded activity that has not ended must be one of a queue still
 */
static void
check_mode(Turn *turn, const Command *command)
{
	Event	   *event = &turn->history.events[command->event];

	if (json_find(event->attributes, "mode") == NULL)
		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is a step of the workflow, but the code now puts it into a queue",
							 command->event + 1),
					"Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on.");
}

/*
 * Start an activity in a queue, or find it in the history; returns the number
 * of its command
 */
int32
command_start_activity(Turn *turn, const TaskRequest *request)
{
	char	   *name = text_to_cstring(request->name);
	Command    *command;
	int32		number;

	command_raise_if_cancelled(turn);
	command = turn_match(turn, EVENT_ACTIVITY_SCHEDULED, "activity", name);
	number = turn->pass.next_command - 1;
	if (!command)
	{
		if (!request->external && !OidIsValid(turn_resolve(turn, name)) && !mock_exists(name))
			fail_missing(turn, request, number);
		else
			schedule(turn, request, number);
		command = &turn->history.commands[number - 1];
	}
	else
		match_input(turn, command, request->input);
	if (command->resolution < 0)
		check_mode(turn, command);
	command->cancellation = request->options.cancellation;
	return number;
}

/*
 * An activity in a queue that has ended
 */
Command *
command_activity_end(Turn *turn, const TaskRequest *request)
{
	int32		number = command_start_activity(turn, request);

	return elsewhere_await(turn, number, psprintf("activity %s", text_to_cstring(request->name)));
}

/*
 * An activity in a queue: returns its result or raises its failure
 */
Jsonb *
command_activity(Turn *turn, const TaskRequest *request)
{
	return command_activity_outcome(turn, command_activity_end(turn, request));
}
