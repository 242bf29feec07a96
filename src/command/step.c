/*-------------------------------------------------------------------------
 *
 * step.c
 *	  Inline steps: the effect and its record in one transaction.
 *
 *	  1. A step runs between two passes of the code, in a subtransaction of its
 *	  own under the transaction that writes the history.  If it fails it is
 *	  rolled back alone.
 *
 *	  2. Leaving the code for each step means to run it again from its beginning
 *	  for each step.  Where a workflow's turns have lately run to the end in one
 *	  go, steps are taken in place instead: in subtransactions of the pass, which
 *	  is then not rolled back.  If the code waits or fails after all, the pass is
 *	  undone with its steps and the turn starts again the other way (pass.c).
 *
 *	  Either way a step is the owner's, under the run's settings.  So one in place
 *	  is taken as the role the pass began as, not as that of a SECURITY DEFINER
 *	  function up the stack; and where settings may be others by now, for a SET
 *	  clause up the stack or a SET in the code, it is not taken in place.
 *
 *	  3. Its row locks stay until the commit.  Where the transaction holds other
 *	  runs' work too, a step that meets a lock, a deadlock or a serialization
 *	  failure, or just takes its time, is undone and asks to be run alone.
 *
 *	  4. Alone, deferred constraints are checked when the step ends, so that a
 *	  violation is this step's failure and not that of the commit.
 *
 *	  5. A failure whose cause may pass is retried, every other one only by a
 *	  policy of the call.  The wait between attempts is a timer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/retry.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/convert.h"
#include "call/guarded.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "catalog/pg_type.h"
#include "command/external.h"
#include "command/step.h"
#include "executor/spi.h"
#include "fence/fence.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/tell.h"
#include "shared/watchdog.h"
#include "storage/proc.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/timer.h"
#include "turn/leave.h"
#include "turn/mock.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/*
 * Is it time for the next attempt of a step?  The row tells, not the message
 * that came when the time was over: that may have found the run busy.  It may
 * also have come by a clock that was set back since.  So where it is not time and
 * no timer is set, *timer says for when one is needed; else it is DT_NOBEGIN.
 */
bool
step_is_due(Turn *turn, int32 command, DueTime *timer)
{
	ActivityKey key = {turn->execution->run_id, command, 0};
	Activity	pending;
	StoreScope	scope;
	bool		due;

	*timer = (DueTime) {DT_NOBEGIN, DT_NOBEGIN};
	if (turn->effects.pending && turn->effects.pending->command == command)
		return false;
	store_begin(&scope);
	due = !activity_read(&key, CurrentMemoryContext, &pending) ||
		pending.next_attempt_at <= durable_now();
	/* begun when the activity was, so that setback.c moves both or none */
	if (!due && !timer_is_set(&key.run_id, MESSAGE_ACTIVITY_RETRY, command))
		*timer = (DueTime) {pending.next_attempt_at, pending.scheduled_at};
	store_end(&scope);
	return due;
}

/*
 * Does the step's function take long enough for others to notice?
 */
bool
step_is_slow(const StepRequest *step)
{
	return OidIsValid(step->function) && callable_usecs(step->function) > SLOW_STEP_USECS;
}

/*
 * The rows of a statement as a JSON array of objects
 */
static Jsonb *
run_statement(const StepRequest *step)
{
	FmgrInfo	to_jsonb;
	JsonBuilder b;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	Jsonb	   *result;
	int			rc;

	init_to_jsonb(&to_jsonb, RECORDOID, context);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute_with_args(step->sql, step->nargs, step->argtypes, step->args, step->nulls, false, 0);
	if (rc == SPI_ERROR_TRANSACTION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("transaction commands are not allowed in wf_sql()")));
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("statement cannot be run by wf_sql(): %s", SPI_result_code_string(rc))));

	old = MemoryContextSwitchTo(context);
	if (SPI_tuptable)
		BlessTupleDesc(SPI_tuptable->tupdesc);
	json_array_begin(&b);
	for (uint64 i = 0; SPI_tuptable && i < SPI_processed; i++)
		json_array_add(&b, datum_to_json(&to_jsonb, heap_copy_tuple_as_datum(SPI_tuptable->vals[i],
																			 SPI_tuptable->tupdesc)));
	result = json_array_end(&b);
	MemoryContextSwitchTo(old);
	SPI_finish();
	return result;
}

static Jsonb *
run_function(const StepRequest *step)
{
	Oid			function = OidIsValid(step->function) ? step->function :
		callable_resolve(text_to_cstring(step->name), false);
	Callable   *callable = callable_get(function);
	TimestampTz started = durable_steady();
	Jsonb	   *result = callable_call(callable, step->input);
	double		usecs = durable_steady() - started;

	callable->usecs = callable->usecs < 0 ? usecs : 0.8 * callable->usecs + 0.2 * usecs;
	return result;
}

/*
 * Microseconds until schedule_to_close, from now, 0 where there is none
 */
static int64
left_to_close(const StepRequest *step, TimestampTz scheduled_at)
{
	if (step->schedule_to_close == 0)
		return 0;
	return Max(scheduled_at + step->schedule_to_close - durable_now(), 1);
}

static int64
shorter(int64 a, int64 b)
{
	return a == 0 ? b : b == 0 ? a : Min(a, b);
}

/*
 * Microseconds this attempt may take by what the code says, 0 for no limit
 */
static int64
own_limit(const StepRequest *step, TimestampTz scheduled_at)
{
	return shorter(step->start_to_close, left_to_close(step, scheduled_at));
}

/*
 * The same with the limit of all steps
 */
static int64
attempt_limit(const StepRequest *step, TimestampTz scheduled_at)
{
	return shorter(own_limit(step, scheduled_at), (int64) durable_step_timeout * 1000);
}

/*
 * The failure of an attempt that took too long: by its own limit, or by that of
 * all steps
 */
static Jsonb *
time_is_over(const StepRequest *step, TimestampTz scheduled_at, int attempt)
{
	bool		closes = left_to_close(step, scheduled_at) == 1;
	bool		own = step->start_to_close > 0 && step->start_to_close <= (int64) durable_step_timeout * 1000;
	const char *which = closes ? "schedule_to_close" : "start_to_close";

	return failure_make(which, ERRCODE_WF_ACTIVITY_TIMED_OUT,
						closes || own || durable_step_timeout == 0 || test_mode ?
						psprintf("activity %s timed out: %s", text_to_cstring(step->name), which) :
						psprintf("activity %s ran over durable.step_timeout (%d ms); with mode => 'queued' it may take longer",
								 text_to_cstring(step->name), durable_step_timeout),
						attempt);
}

/*
 * The activity of a step: its function, or in a test what stands in for it
 */
static Jsonb *
run_activity(const StepRequest *step, TimestampTz scheduled_at)
{
	const Mock *mock = test_mode ? mock_call(step->name, step->input) : NULL;
	int64		limit = own_limit(step, scheduled_at);

	if (!mock)
		return run_function(step);
	if (mock->times_out || (limit > 0 && mock->delay > limit))
	{
		test_mode_set_clock(durable_now() + limit);
		watchdog_bite(WATCHDOG_STEP);
	}
	test_mode_set_clock(durable_now() + mock->delay);
	return mock_outcome(mock);
}

/*
 * A step as a row of durable.activity, or of durable.attempt
 */
static void
step_as_activity(Turn *turn, TimestampTz scheduled_at, int attempt, Activity *a)
{
	const Execution *e = turn->execution;

	activity_init(a);
	a->run_id = e->run_id;
	a->command = turn->step.command;
	a->owner = e->owner;
	a->workflow_id = e->workflow_id;
	a->name = turn->step.name;
	a->activity_id = turn->step.activity_id;
	a->inline_step = true;
	a->priority = e->priority;
	a->scheduled_at = scheduled_at;
	a->attempt = attempt;
}

/*
 * Do the step in the current subtransaction, watched, and end that level of
 * settings.  Returns its result in the turn's memory.  The caller restores
 * LockTimeout.
 */
static Jsonb *
do_step(Turn *turn, TimestampTz scheduled_at, int attempt, int nestlevel)
{
	StepRequest *step = &turn->step;
	Activity	activity;
	RunningAttempt running = {.activity = &activity, .context = turn->step_context};
	MemoryContext old;
	Jsonb	   *value;
	Jsonb	   *result = NULL;

	MemoryContextReset(turn->step_context);
	old = MemoryContextSwitchTo(turn->step_context);
	if (turn->mode.shared && !turn->mode.alone)
	{
		/* the variable itself: setting the GUC would cost as much as the step */
		LockTimeout = SHARED_LOCK_TIMEOUT;
		watchdog_guard(SHARED_STEP_USECS, WATCHDOG_BATCH);
	}
	else
	{
		LockTimeout = turn->mode.lock_timeout;
		watchdog_guard(attempt_limit(step, scheduled_at), WATCHDOG_STEP);
	}
	step_as_activity(turn, scheduled_at, attempt, &activity);
	activity.started_at = durable_now();
	activity.start_to_close = step->start_to_close;
	activity.schedule_to_close = step->schedule_to_close;
	running_attempt = &running;
	hand_step(step->name);
	leftovers_begin();
	STOP_EVENT(step_begin);
	PushActiveSnapshot(GetTransactionSnapshot());
	value = step->sql ? run_statement(step) : run_activity(step, scheduled_at);
	STOP_EVENT(step_done);
	running_attempt = NULL;
	hand_step(NULL);
	payload_check(value, "result");
	if (turn->mode.alone)
		check_constraints();
	leftovers_end(turn->mode.alone ? LEFT_ALONE : LEFT_SHARED);
	PopActiveSnapshot();
	AtEOXact_GUC(false, nestlevel);
	if (value)
	{
		result = MemoryContextAlloc(turn->context, VARSIZE(value));
		memcpy(result, value, VARSIZE(value));
	}
	MemoryContextSwitchTo(old);
	return result;
}

typedef struct StepWork
{
	Turn	   *turn;
	TimestampTz scheduled_at;
	int			attempt;
} StepWork;

static Jsonb *
do_step_work(void *arg)
{
	StepWork   *work = arg;

	return do_step(work->turn, work->scheduled_at, work->attempt, NewGUCNestLevel());
}

static void
record_event(Turn *turn, Event *event)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	event->command = turn->step.command;
	event->payload_id = payload_set_aside(&turn->execution->run_id, &event->payload);
	turn_add_event(turn, event);
	MemoryContextSwitchTo(old);
}

static void
record_scheduled(Turn *turn, TimestampTz at)
{
	StepRequest *step = &turn->step;
	Event		event = {.type = EVENT_ACTIVITY_SCHEDULED, .at = at, .name = step->name, .payload = step->input};

	if (step->recorded)
		return;
	if (step->summary || step->activity_id)
	{
		JsonBuilder b;
		MemoryContext old = MemoryContextSwitchTo(turn->context);

		json_begin(&b);
		json_add_text(&b, "activity_id", step->activity_id ? text_to_cstring(step->activity_id) : NULL);
		json_add_text(&b, "summary", step->summary ? text_to_cstring(step->summary) : NULL);
		event.attributes = json_end(&b);
		MemoryContextSwitchTo(old);
	}
	record_event(turn, &event);
	step->recorded = true;
}

static void
log_attempt(Turn *turn, EventType outcome, Jsonb *failure, int attempt, TimestampTz scheduled_at, TimestampTz started_at)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	FailedAttempt *failed = palloc(sizeof(FailedAttempt));

	step_as_activity(turn, scheduled_at, attempt, &failed->activity);
	failed->activity.started_at = started_at;
	failed->outcome = outcome;
	failed->at = durable_now();
	failed->failure = failure;
	turn->effects.attempts = lappend(turn->effects.attempts, failed);
	MemoryContextSwitchTo(old);
}

/*
 * Arrange for the next attempt; false where there is none
 */
static bool
schedule_retry(Turn *turn, int sqlstate, WatchdogReason watchdog, Jsonb *failure, int attempt, TimestampTz scheduled_at)
{
	StepRequest *step = &turn->step;
	TimestampTz now = durable_now();
	int64		asked = failure_retry_delay(failure);
	int64		delay;

	if (!step->retry && asked < 0 && (watchdog == WATCHDOG_STEP || !error_may_pass(sqlstate)))
		return false;
	if (failure_is_final(failure) || failure_listed(failure, step->retry) || retry_exhausted(step->retry, attempt))
		return false;
	delay = asked >= 0 ? asked : failure_limit_delay(failure, retry_delay(step->retry, attempt));
	if (step->schedule_to_close > 0 && now + delay > scheduled_at + step->schedule_to_close)
		return false;

	tell_retried(turn->execution->workflow_id, &turn->execution->run_id, step->name, attempt, failure);
	record_scheduled(turn, scheduled_at);
	turn->effects.pending = MemoryContextAlloc(turn->context, sizeof(Activity));
	step_as_activity(turn, scheduled_at, attempt, turn->effects.pending);
	turn->effects.pending->next_attempt_at = now + delay;
	turn->effects.pending->last_failure = failure;
	return true;
}

static void
record_failure(Turn *turn, ErrorData *edata, WatchdogReason watchdog, Jsonb *failure, TimestampTz scheduled_at)
{
	Event		event = {.type = EVENT_ACTIVITY_FAILED, .at = durable_now(), .attributes = failure};

	if (watchdog == WATCHDOG_STEP)
		event.type = EVENT_ACTIVITY_TIMED_OUT;
	record_scheduled(turn, scheduled_at);
	record_event(turn, &event);
}

/*
 * Which attempt it was that completed, where it was not the first
 */
static Jsonb *
attempt_attributes(Turn *turn, int attempt, TimestampTz started_at)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	JsonBuilder b;
	Jsonb	   *result;

	json_begin(&b);
	json_add_int(&b, "attempt", attempt);
	json_add_time(&b, "started_at", started_at);
	result = json_end(&b);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Run the step the code asked for
 */
StepEnd
step_run(Turn *turn)
{
	TimestampTz started_at = durable_now();
	TimestampTz scheduled_at = started_at;
	GuardedEnd	end;
	Jsonb	   *failure;
	ErrorData  *edata;
	MemoryContext old;
	int			attempt = 1;

	if (turn->step.external)
		return external_step(turn);
	turn->effects.steps++;
	if (turn->step.recorded)
	{
		ActivityKey key = {turn->execution->run_id, turn->step.command, 0};
		Activity	before;
		StoreScope	scope;

		store_begin(&scope);
		if (activity_read(&key, CurrentMemoryContext, &before))
		{
			scheduled_at = before.scheduled_at;
			attempt = before.attempt + 1;
		}
		store_end(&scope);
	}
	guarded_call(do_step_work, &(StepWork) {turn, scheduled_at, attempt}, turn->context, &end);
	turn->effects.subxids += end.wrote;
	STOP_EVENT(step_out);
	edata = end.error;
	if (!edata)
	{
		Event		event = {.type = EVENT_ACTIVITY_COMPLETED, .at = durable_now(), .payload = end.result};

		if (attempt > 1)
			event.attributes = attempt_attributes(turn, attempt, started_at);
		record_scheduled(turn, scheduled_at);
		record_event(turn, &event);
		STOP_EVENT(step_recorded);
		turn->effects.pending_done = attempt > 1 ? turn->step.command : turn->effects.pending_done;
		return STEP_DONE;
	}
	if (turn->mode.shared && !turn->mode.alone && wants_to_be_alone(edata->sqlerrcode, end.watchdog))
		return STEP_ALONE;
	/* the batch is undone, and the step was never tried */
	if (end.watchdog == WATCHDOG_GIVE_WAY)
		ReThrowError(edata);
	if (leftovers_want_alone())
		return STEP_ALONE;
	leftovers_check_refused();
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED && end.watchdog == WATCHDOG_NONE && !in_background_worker())
		ReThrowError(edata);

	old = MemoryContextSwitchTo(turn->context);
	failure = end.watchdog == WATCHDOG_STEP ? time_is_over(&turn->step, scheduled_at, attempt) :
		failure_from_error(edata, attempt);
	MemoryContextSwitchTo(old);
	log_attempt(turn, end.watchdog == WATCHDOG_STEP ? EVENT_ACTIVITY_TIMED_OUT : EVENT_ACTIVITY_FAILED,
				failure, attempt, scheduled_at, started_at);
	STOP_EVENT(step_failed);
	if (schedule_retry(turn, edata->sqlerrcode, end.watchdog, failure, attempt, scheduled_at))
	{
		STOP_EVENT(step_backs_off);
		return STEP_BACKOFF;
	}
	record_failure(turn, edata, end.watchdog, failure, scheduled_at);
	turn->effects.pending_done = attempt > 1 ? turn->step.command : turn->effects.pending_done;
	return STEP_DONE;
}

/*
 * Begin a level of settings for a step in place, if they are what they were
 * when the pass began: no function up the stack has a SET clause, and nothing
 * in this transaction has set anything.  0 where they may be others.
 */
static int
begin_settings(Turn *turn)
{
	int			nestlevel = NewGUCNestLevel();

	if (nestlevel == turn->frame.settings_level + 1 && !settings_were_set())
		return nestlevel;
	AtEOXact_GUC(false, nestlevel);
	return 0;
}

/*
 * Run the step right where the code asked for it, as a part of the pass; false
 * where the code has to leave for it.  An error takes the pass along: no code
 * at this nesting level can catch it, and the turn starts anew (pass.c).
 */
bool
step_in_place(Turn *turn)
{
	TimestampTz scheduled_at;
	Event		event = {.type = EVENT_ACTIVITY_COMPLETED};
	int			depth = store_depth();
	int			nestlevel;
	Identity	code;

	if (!turn->frame.in_place || GetCurrentTransactionNestLevel() != turn->frame.level ||
		turn->effects.steps >= MAX_STEPS_IN_PLACE || turn->step.recorded || step_is_slow(&turn->step) ||
		(nestlevel = begin_settings(turn)) == 0)
		return false;
	fence_end(turn);
	turn_mute(turn);
	turn->effects.steps++;
	turn->frame.stepping = true;
	turn->frame.lock_timeout = LockTimeout;
	XactReadOnly = false;
	scheduled_at = durable_now();
	code = turn_as_owner(turn);
	event.payload = do_step(turn, scheduled_at, 1, nestlevel);
	STOP_EVENT(step_in_place);
	turn_as(code);
	CommandCounterIncrement();
	XactReadOnly = true;
	LockTimeout = turn->frame.lock_timeout;
	turn->frame.stepping = false;
	store_forget(depth);
	(void) watchdog_release();
	event.at = durable_now();
	record_scheduled(turn, scheduled_at);
	record_event(turn, &event);
	fence_begin(turn);
	watchdog_guard((int64) durable_turn_timeout * 1000, WATCHDOG_CODE);
	return true;
}
