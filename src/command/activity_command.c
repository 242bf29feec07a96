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
#include "store/activity_option.h"
#include "store/execution.h"
#include "store/history.h"
#include "task/task.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/mock.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * What the scheduled event says besides name and input
 */
static Jsonb *
describe(const TaskRequest *request)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "mode", request->external ? "external" : "queued");
	json_add_text(&b, "task_queue", request->task_queue ? text_to_cstring(request->task_queue) : NULL);
	json_add_text(&b, "summary", request->summary ? text_to_cstring(request->summary) : NULL);
	options_describe(&b, &request->options);
	return json_end(&b);
}

/*
 * What describe() has made of a request; false where the event is that of a step
 */
bool
request_of_event(const Event *event, TaskRequest *request)
{
	Jsonb	   *d = event->attributes;
	char	   *mode = json_find_text(d, "mode");
	char	   *task_queue = json_find_text(d, "task_queue");

	if (!mode)
		return false;
	memset(request, 0, sizeof(TaskRequest));
	activity_init(&request->options);
	request->name = event->name;
	request->external = strcmp(mode, "external") == 0;
	request->task_queue = task_queue ? cstring_to_text(task_queue) : NULL;
	options_of_description(d, &request->options);
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
