/*-------------------------------------------------------------------------
 *
 * saga.c
 *	  Compensations: what undoes the steps of a run that does not complete.
 *
 *	  1. wf_compensate() registers an activity.  That is state of the code like a
 *	  local variable: no event, and each pass builds the list anew.
 *
 *	  2. When an error leaves the code and the list is not empty, the pass is
 *	  followed by another (pass.c) in which the engine gives the commands: the
 *	  registered activities, the last one first, each awaited before the next.
 *	  They are commands like the code's own, numbered after them, so whatever
 *	  dies in the middle, the next turn replays the code up to its error and then
 *	  the compensations up to where they were.  compensation_started, recorded
 *	  once, says where the code's commands end: code that no longer fails there,
 *	  or gives others, is told from it.
 *
 *	  3. Nothing interrupts them: no cancellation, no timeout.  One that fails for
 *	  good is noted and the others still run; the failure that ends the run
 *	  carries what was noted.  The run's outcome is that of its code.
 *
 *	  4. A timeout closes a run without its code (batch.c), but not one that has
 *	  something to undo, or may have: Execution.compensates says what the list
 *	  was like when the code last left, and a result that the code has not seen
 *	  yet may be followed by a registration.  There the timeout becomes an event
 *	  of mail, and the code is left at the first wait that can see it, by an
 *	  error it cannot catch (PASS_TIMED_OUT).
 *
 *	  5. A turn that fails (nondeterminism, the fence, a limit) undoes nothing:
 *	  the run stays open until its code is mended.  Neither does termination, nor
 *	  continuing as new.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/text.h"
#include "command/command.h"
#include "command/saga.h"
#include "command/step_command.h"
#include "shared/stopevent.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/*
 * Without a policy of its own a compensation is retried until it succeeds,
 * inline or not: what is given up stays done
 */
static Jsonb *
endless_retry(void)
{
	JsonBuilder b;

	json_begin(&b);
	return json_end(&b);
}

/*
 * Copy a compensation to the pass's memory: the code will be gone
 */
void
saga_register(Turn *turn, const Compensation *compensation)
{
	MemoryContext old = MemoryContextSwitchTo(turn->pass_context);
	Compensation *c = palloc(sizeof(Compensation));

	*c = *compensation;
	if (c->queued)
	{
		TaskRequest *task = &c->task;

		task->name = varlena_copy(task->name);
		task->input = varlena_copy(task->input);
		task->task_queue = varlena_copy(task->task_queue);
		task->options.fairness_key = varlena_copy(task->options.fairness_key);
		task->options.activity_id = varlena_copy(task->options.activity_id);
		task->options.retry = varlena_copy(task->options.retry);
		task->summary = task->summary ? varlena_copy(task->summary) : cstring_to_text("compensation");
	}
	else
	{
		StepRequest *step = &c->step;

		step->name = varlena_copy(step->name);
		step->input = varlena_copy(step->input);
		step->activity_id = varlena_copy(step->activity_id);
		step->retry = step->retry ? varlena_copy(step->retry) : endless_retry();
		step->summary = step->summary ? varlena_copy(step->summary) : cstring_to_text("compensation");
	}
	turn->saga.compensations = lcons(c, turn->saga.compensations);
	MemoryContextSwitchTo(old);
}

/*
 * Forget what is registered
 */
void
saga_clear(Turn *turn)
{
	turn->saga.compensations = NIL;
}

/*
 * How a compensation failed, NULL where it did not
 */
static Jsonb *
failure_of(const Event *event, const Compensation *c)
{
	Jsonb	   *failure = event->attributes;
	JsonBuilder b;

	if (event->type == EVENT_ACTIVITY_COMPLETED)
		return NULL;
	/* of a cancelled one only details are recorded, if anything */
	if (event->type == EVENT_ACTIVITY_CANCELED || !failure)
		failure = failure_make("cancelled", ERRCODE_WF_CANCELLED, "activity cancelled", 0);
	json_begin(&b);
	json_add_text(&b, "activity", text_to_cstring(c->queued ? c->task.name : c->step.name));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}

/*
 * Run what is registered.  Leaves the code or the pass as any command does
 * until all have ended.  Returns how many there were.
 */
static int
run_all(Turn *turn)
{
	Saga	   *saga = &turn->saga;
	int			count = 0;

	saga->running = true;
	for (; saga->compensations != NIL; count++)
	{
		Compensation *c = linitial(saga->compensations);
		Command    *command;
		Jsonb	   *failure;
		MemoryContext old;

		saga->compensations = list_delete_first(saga->compensations);
		command = c->queued ? command_activity_end(turn, &c->task) : command_step_end(turn, &c->step);
		turn_see(turn, command->resolution);
		old = MemoryContextSwitchTo(turn->pass_context);
		failure = failure_of(&turn->history.events[command->resolution], c);
		if (failure)
			saga->failures = lappend(saga->failures, failure);
		MemoryContextSwitchTo(old);
	}
	saga->running = false;
	return count;
}

static Jsonb *
failures_as_json(List *failures)
{
	JsonBuilder b;
	ListCell   *cell;

	json_array_begin(&b);
	foreach(cell, failures)
		json_array_add(&b, lfirst(cell));
	return json_array_end(&b);
}

/*
 * By hand.  Failures are an error of this call then, and the code's to deal
 * with.
 */
void
saga_run(Turn *turn)
{
	Saga	   *saga = &turn->saga;
	int			count = run_all(turn);
	List	   *failures = saga->failures;
	char	   *first;
	JsonBuilder b;

	saga->failures = NIL;
	if (failures == NIL)
		return;
	first = json_find_text(linitial(failures), "message");
	json_begin(&b);
	json_add_text(&b, "message", psprintf("%d of %d compensations failed: %s", list_length(failures), count,
										  first ? first : "failed"));
	json_add_text(&b, "type", "compensation_failed");
	json_add_text(&b, "sqlstate", unpack_sql_state(ERRCODE_WF_ACTIVITY_FAILED));
	json_add_jsonb(&b, "compensation_failures", failures_as_json(failures));
	failure_raise(ERRCODE_WF_ACTIVITY_FAILED, json_end(&b));
}

/*
 * The code ended without a result: are there compensations to be run?
 */
bool
saga_begin(Turn *turn)
{
	Saga	   *saga = &turn->saga;
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	if (turn->pass.end == PASS_TIMED_OUT)
		turn->timeout = text_to_cstring(turn->history.events[saga->timeout].name);
	MemoryContextSwitchTo(old);
	if (saga->started < 0)
	{
		if (saga->compensations == NIL)
			return false;
		(void) turn_record(turn, EVENT_COMPENSATION_STARTED, 0, NULL,
							  turn->pass.end == PASS_TIMED_OUT ? failure_of_timeout(turn->timeout) : turn->failure);
	}
	STOP_EVENT(saga_begin);
	saga->outcome = turn->pass.end;
	saga->after_code = true;
	turn->pass.left = false;
	return true;
}

/*
 * Run them
 */
void
saga_after_code(Turn *turn)
{
	Saga	   *saga = &turn->saga;

	(void) run_all(turn);
	if (!turn_all_matched(turn))
		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is a compensation, but the code no longer registers it",
							 turn->history.commands[turn->pass.next_command - 1].event + 1),
					"Code that runs are in the middle of must register what it registered before; restore it, and the run goes on.");
	turn->pass.end = saga->outcome;
}

/*
 * Is there something to undo, as far as the code got?
 */
bool
saga_is_open(Turn *turn)
{
	return turn->saga.compensations != NIL || turn->saga.running || turn->saga.started >= 0;
}

/*
 * Has something been done that the code does not know yet?
 */
static bool
has_unseen_result(Turn *turn)
{
	int			row = turn->history.nrows - 1;

	while (row > 0 && !turn->history.rows[row - 1].ran)
		row--;
	for (int i = turn->history.rows[row].first; i < turn->history.nevents; i++)
		if (turn->history.events[i].type == EVENT_ACTIVITY_COMPLETED || turn->history.events[i].type == EVENT_CHILD_COMPLETED)
			return true;
	return row > 0 && turn->history.rows[row - 1].goes_on;
}

/*
 * A timeout is over and the mail is read: the run closes now, or its code is
 * to see it (then Turn.timeout is no longer set), or it comes too late
 */
void
saga_take_timeout(Turn *turn)
{
	Event		event = {.type = EVENT_WORKFLOW_TIMEOUT_REACHED, .at = turn->at};
	MemoryContext old;

	if (turn->saga.started < 0 && turn->saga.timeout < 0)
	{
		if (!turn->execution->compensates && !has_unseen_result(turn))
			return;
		old = MemoryContextSwitchTo(turn->context);
		event.name = cstring_to_text(turn->timeout);
		turn_add_event(turn, &event);
		MemoryContextSwitchTo(old);
	}
	turn->timeout = NULL;
}

/*
 * A timeout is over and the code cannot be run: with nothing to undo, the run
 * closes all the same
 */
bool
saga_gives_up(Turn *turn)
{
	if (turn->saga.timeout < 0 || turn->execution->compensates || saga_is_open(turn))
		return false;
	turn->timeout = text_to_cstring(turn->history.events[turn->saga.timeout].name);
	return true;
}

/*
 * The failure that ends the run, with those of its compensations
 */
Jsonb *
saga_failure(Turn *turn, Jsonb *failure)
{
	JsonBuilder b;

	if (turn->saga.failures == NIL || !failure)
		return failure;
	json_begin(&b);
	json_add_jsonb(&b, "compensation_failures", failures_as_json(turn->saga.failures));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}
