/*-------------------------------------------------------------------------
 *
 * child_command.c
 *	  Children that workflow code starts.
 *
 *	  1. A new one is recorded as initiated, with the run id it will have, and its
 *	  row is written with the turn (child_start.c).  Whether it could start and
 *	  how it ended come by mail (child.c).
 *
 *	  2. What is wrong with the call (no such function, no right to run it, an
 *	  input that does not fit) is recorded as a start that failed, and raised as
 *	  one: so it is the same at every replay.
 *
 *	  3. Its end and its cancellation: elsewhere.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/text.h"
#include "call/callable_cache.h"
#include "call/guarded.h"
#include "command/child_command.h"
#include "command/command.h"
#include "command/continuation.h"
#include "command/elsewhere.h"
#include "run/child.h"
#include "run/start.h"
#include "shared/watchdog.h"
#include "store/execution.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

static Interval *
keep_interval(const Interval *span)
{
	Interval   *copy;

	if (!span)
		return NULL;
	copy = palloc(sizeof(Interval));
	*copy = *span;
	return copy;
}

/*
 * Is the start of a child of this workflow not recorded as the command that
 * comes next?  (Another command may be: a start with wrong arguments is an
 * error, which code may catch, and is to be one at every replay.)  Or is its input
 * needed all the same, for a check?
 */
bool
command_child_is_new(Turn *turn, const text *workflow)
{
	const Event *event;

	if (turn->compare || turn->pass.next_command > turn->history.ncommands)
		return true;
	event = &turn->history.events[turn->history.commands[turn->pass.next_command - 1].event];
	return event->type != EVENT_CHILD_INITIATED ||
		strcmp(text_to_cstring(event->name), text_to_cstring(workflow)) != 0;
}

/*
 * The options, in the current memory context, with what is inherited
 */
static StartOptions
keep_options(const Execution *parent, const StartOptions *o)
{
	StartOptions result = *o;

	result.id = varlena_copy(o->id);
	result.execution_timeout = keep_interval(o->execution_timeout);
	result.run_timeout = keep_interval(o->run_timeout);
	result.retry = varlena_copy(o->retry);
	result.memo = varlena_copy(o->memo);
	result.search_attributes = varlena_copy(o->search_attributes);
	result.priority = o->priority ? o->priority : parent->priority;
	result.fairness_key = o->fairness_key ? varlena_copy(o->fairness_key) : parent->fairness_key;
	result.weight = o->weight > 0 ? o->weight : o->fairness_key ? 0 : parent->weight;
	result.request_id = NULL;
	result.namespace = parent->namespace;
	return result;
}

typedef struct Check
{
	Turn	   *turn;
	const char *name;
	Jsonb	   *input;
	Callable   *workflow;
} Check;

static Jsonb *
check_call(void *arg)
{
	Check	   *check = arg;
	Identity	code = turn_as_owner(check->turn);
	Jsonb	   *input;

	check->workflow = find_workflow(check->name);
	input = command_new_input(check->turn, check->workflow, check->input);
	turn_as(code);
	return input;
}

/*
 * The function of a child and its input, or NULL and why it cannot be started
 */
static Callable *
find_child(Turn *turn, const ChildRequest *request, Jsonb **input, Jsonb **failure)
{
	Check		check = {turn, text_to_cstring(request->workflow), request->input, NULL};
	MemoryContext old;
	GuardedEnd	end;

	guarded_call(check_call, &check, turn->context, &end);
	watchdog_guard((int64) durable_turn_timeout * 1000, WATCHDOG_CODE);
	*input = end.result;
	if (!end.error)
		return check.workflow;
	if (end.error->sqlerrcode == ERRCODE_QUERY_CANCELED || error_may_pass(end.error->sqlerrcode) || turn->problem)
		ReThrowError(end.error);
	old = MemoryContextSwitchTo(turn->context);
	*failure = failure_from_error(end.error, 0);
	MemoryContextSwitchTo(old);
	return NULL;
}

static const char *
policy_name(ParentClosePolicy policy)
{
	return policy == CLOSE_TERMINATE ? "terminate" : policy == CLOSE_CANCEL ? "cancel" : "abandon";
}

static int
record_initiated(Turn *turn, const ChildRequest *request, int32 number, Jsonb *input, const Execution *child)
{
	MemoryContext old;
	JsonBuilder b;
	int			index;

	json_begin(&b);
	if (child)
	{
		json_add_text(&b, "workflow_id", text_to_cstring(child->workflow_id));
		json_add_text(&b, "run_id", uuid_to_cstring(&child->run_id));
	}
	else if (request->options.id)
		json_add_text(&b, "workflow_id", text_to_cstring(request->options.id));
	json_add_text(&b, "parent_close_policy", policy_name(request->policy));
	index = turn_record(turn, EVENT_CHILD_INITIATED, number, request->workflow, json_end(&b));
	old = MemoryContextSwitchTo(turn->context);
	turn->history.events[index].payload = varlena_copy(input);
	MemoryContextSwitchTo(old);
	return index;
}

/*
 * Start a new child.  What belongs to it is made in the turn's memory.
 */
static void
start(Turn *turn, const ChildRequest *request, int32 number)
{
	Execution  *parent = turn->execution;
	Jsonb	   *failure = NULL;
	Jsonb	   *input;
	Callable   *workflow;
	StartOptions options;
	ChildStart *child;
	Execution  *e;
	MemoryContext old;

	command_check_limits(turn);
	workflow = find_child(turn, request, &input, &failure);
	if (!workflow)
	{
		(void) record_initiated(turn, request, number, request->input, NULL);
		(void) turn_record(turn, EVENT_CHILD_START_FAILED, number, NULL, failure);
		return;
	}
	old = MemoryContextSwitchTo(turn->context);
	options = keep_options(parent, &request->options);
	child = palloc(sizeof(ChildStart));
	e = &child->execution;
	fill_execution(e, varlena_copy(request->workflow), workflow, &options, parent->owner, parent->settings);
	e->parent_run_id = &parent->run_id;
	e->parent_command = number;
	e->parent_close_policy = request->policy;
	e->parent_workflow_id = parent->workflow_id;
	child->on_closed = options.on_closed;
	child->not_before = options.start_delay ? durable_add_interval(e->started_at, options.start_delay) : 0;
	run_prepare(e, child->not_before);
	turn->effects.children = lappend(turn->effects.children, child);
	MemoryContextSwitchTo(old);
	child->event = record_initiated(turn, request, number, input, e);
}

/*
 * Start a child, or find that it was started; returns the command's number
 */
int32
command_child_start(Turn *turn, const ChildRequest *request)
{
	Command    *command;
	int32		number;

	command_raise_if_cancelled(turn);
	command = turn_match(turn, EVENT_CHILD_INITIATED, "child workflow", text_to_cstring(request->workflow));
	if (command)
		match_input(turn, command, request->input);
	else
		start(turn, request, turn->pass.next_command - 1);
	number = turn->pass.next_command - 1;
	turn->history.commands[number - 1].cancellation = request->cancellation;
	return number;
}

/*
 * The result of a child that has ended, or its failure as an error
 */
Jsonb *
command_child_outcome(Turn *turn, Command *command)
{
	Event	   *event = &turn->history.events[command->resolution];

	turn_see(turn, command->resolution);
	/* cancelled with its parent: that is what the code is to be told */
	if (event->type == EVENT_CHILD_CANCELED && command_pending_cancel(turn) < turn->pass.horizon)
		command_raise_cancelled(turn, NULL);
	if (event->type != EVENT_CHILD_COMPLETED)
		failure_raise(ERRCODE_WF_CHILD_FAILED, event->attributes);
	return turn_event_payload(event);
}

/*
 * A child: returns its result or raises its failure
 */
Jsonb *
command_child(Turn *turn, const ChildRequest *request)
{
	int32		number = command_child_start(turn, request);

	return command_child_outcome(turn, elsewhere_await(turn, number,
													   psprintf("child workflow %s", text_to_cstring(request->workflow))));
}
