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
#include "catalog/pg_type.h"
#include "clock.h"
#include "compat.h"
#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "extension.h"
#include "funcapi.h"
#include "failure.h"
#include "guc.h"
#include "json.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "payload.h"
#include "step.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "watchdog.h"

#define SLOW_STEP_USECS		10000.0
#define SHARED_STEP_USECS	100000
#define SHARED_LOCK_TIMEOUT	20	/* ms */

/* Temporal's defaults */
#define INITIAL_INTERVAL	USECS_PER_SEC
#define BACKOFF				2.0
#define MAX_INTERVAL_FACTOR 100

/*
 * Is it time for the next attempt of a step?  The row tells, not the message
 * that came when the time was over: that may have found the run busy.
 */
bool
step_is_due(Turn *turn, int32 command)
{
	PendingActivity pending;
	StoreScope	scope;
	bool		due;

	if (turn->pending && turn->pending->command == command)
		return false;
	store_begin(&scope);
	due = !pending_read(&turn->execution->run_id, command, &pending) ||
		pending.next_attempt_at <= durable_now();
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
	TimestampTz started = GetCurrentTimestamp();
	Jsonb	   *result = callable_call(callable, step->input);
	double		usecs = GetCurrentTimestamp() - started;

	callable->usecs = callable->usecs < 0 ? usecs : 0.8 * callable->usecs + 0.2 * usecs;
	return result;
}

/*
 * SET CONSTRAINTS ALL IMMEDIATE
 */
static void
check_constraints(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->constraints = NIL;
	stmt->deferred = false;
	AfterTriggerSetState(stmt);
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

/*
 * Microseconds this attempt may take, 0 for no limit
 */
static int64
attempt_limit(const StepRequest *step, TimestampTz scheduled_at)
{
	int64		left = left_to_close(step, scheduled_at);

	if (step->start_to_close == 0 || left == 0)
		return step->start_to_close + left;
	return Min(step->start_to_close, left);
}

/*
 * Do the step in the current subtransaction, watched.  Returns its result in
 * the turn's memory.  The caller restores LockTimeout.
 */
static Jsonb *
do_step(Turn *turn, TimestampTz scheduled_at)
{
	StepRequest *step = &turn->step;
	MemoryContext old;
	int			nestlevel = NewGUCNestLevel();
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
		watchdog_guard(attempt_limit(step, scheduled_at), WATCHDOG_STEP);
	PushActiveSnapshot(GetTransactionSnapshot());
	value = step->sql ? run_statement(step) : run_function(step);
	payload_check(value, "result");
	if (turn->mode.alone)
		check_constraints();
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

/*
 * Do the step in a subtransaction of its own.  Returns NULL and *result, or
 * the error.
 */
static ErrorData *
attempt_step(Turn *turn, TimestampTz scheduled_at, Jsonb **result, WatchdogReason *watchdog)
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	ErrorData  *volatile edata = NULL;
	int			lock_timeout = LockTimeout;
	int			depth = store_depth();

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(turn->context);
	PG_TRY();
	{
		*result = do_step(turn, scheduled_at);
		*watchdog = watchdog_release();
		turn->subxids += TransactionIdIsValid(GetCurrentTransactionIdIfAny());
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(turn->context);
		edata = CopyErrorData();
		FlushErrorState();
		*watchdog = watchdog_release();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	LockTimeout = lock_timeout;
	store_forget(depth);
	MemoryContextSwitchTo(old_context);
	CurrentResourceOwner = old_owner;
	return edata;
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

static double
policy_number(Jsonb *policy, const char *key, double otherwise)
{
	JsonbValue *v = json_find(policy, key);

	if (!v || v->type != jbvNumeric)
		return otherwise;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v->val.numeric)));
}

static double
policy_usecs(Jsonb *policy, const char *key, double otherwise)
{
	char	   *text = json_find_text(policy, key);

	if (!text)
		return otherwise;
	return durable_interval_usecs(DatumGetIntervalP(DirectFunctionCall3(interval_in,
																		CStringGetDatum(text),
																		ObjectIdGetDatum(InvalidOid),
																		Int32GetDatum(-1))));
}

/*
 * Microseconds until the attempt after `attempt', by the policy or the
 * defaults, -1 for no further attempt
 */
int64
retry_delay(Jsonb *policy, int attempt)
{
	double		initial = policy_usecs(policy, "initial_interval", INITIAL_INTERVAL);
	double		factor = policy_number(policy, "backoff", BACKOFF);
	double		limit = policy_usecs(policy, "max_interval", initial * MAX_INTERVAL_FACTOR);
	double		most = policy_number(policy, "max_attempts", 0);
	double		jitter = policy_number(policy, "jitter", 0);
	double		delay = initial;

	if (most > 0 && attempt >= most)
		return -1;
	for (int i = 1; i < attempt && delay < limit; i++)
		delay *= factor;
	delay = Min(delay, limit);
	delay *= 1 - jitter * pg_prng_double(&pg_global_prng_state);
	return (int64) delay;
}

/*
 * Arrange for the next attempt; false where there is none
 */
static bool
schedule_retry(Turn *turn, int sqlstate, WatchdogReason watchdog, Jsonb *failure, int attempt, TimestampTz scheduled_at)
{
	StepRequest *step = &turn->step;
	TimestampTz now = durable_now();
	int64		delay;

	if (!step->retry && (watchdog == WATCHDOG_STEP || !error_may_pass(sqlstate)))
		return false;
	if (failure_listed(failure, step->retry))
		return false;
	delay = retry_delay(step->retry, attempt);
	if (delay < 0)
		return false;
	if (step->schedule_to_close > 0 && now + delay > scheduled_at + step->schedule_to_close)
		return false;

	record_scheduled(turn, scheduled_at);
	turn->pending = MemoryContextAllocZero(turn->context, sizeof(PendingActivity));
	turn->pending->run_id = turn->execution->run_id;
	turn->pending->command = step->command;
	turn->pending->name = step->name;
	turn->pending->attempt = attempt;
	turn->pending->scheduled_at = scheduled_at;
	turn->pending->next_attempt_at = now + delay;
	turn->pending->last_failure = failure;
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
 * Does the failure come from sharing the transaction with others?
 */
static bool
wants_to_be_alone(int sqlstate, WatchdogReason watchdog)
{
	return watchdog == WATCHDOG_BATCH || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED || sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/*
 * Run the step the code asked for
 */
StepEnd
step_run(Turn *turn)
{
	PendingActivity before = {0};
	TimestampTz scheduled_at = durable_now();
	WatchdogReason watchdog = WATCHDOG_NONE;
	Jsonb	   *result = NULL;
	Jsonb	   *failure;
	ErrorData  *edata;
	MemoryContext old;
	int			attempt = 1;

	turn->steps++;
	if (turn->step.recorded)
	{
		StoreScope	scope;

		store_begin(&scope);
		if (pending_read(&turn->execution->run_id, turn->step.command, &before))
			scheduled_at = before.scheduled_at;
		attempt = before.attempt + 1;
		store_end(&scope);
	}
	edata = attempt_step(turn, scheduled_at, &result, &watchdog);
	if (!edata)
	{
		Event		event = {.type = EVENT_ACTIVITY_COMPLETED, .at = durable_now(), .payload = result};

		record_scheduled(turn, scheduled_at);
		record_event(turn, &event);
		turn->pending_done = attempt > 1 ? turn->step.command : turn->pending_done;
		return STEP_DONE;
	}
	if (turn->mode.shared && !turn->mode.alone && wants_to_be_alone(edata->sqlerrcode, watchdog))
		return STEP_ALONE;
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED && watchdog == WATCHDOG_NONE && !in_background_worker())
		ReThrowError(edata);

	old = MemoryContextSwitchTo(turn->context);
	if (watchdog == WATCHDOG_STEP)
	{
		const char *which = left_to_close(&turn->step, scheduled_at) == 1 ? "schedule_to_close" : "start_to_close";

		failure = failure_make(which, ERRCODE_WF_ACTIVITY_TIMED_OUT,
							   psprintf("activity %s timed out: %s", text_to_cstring(turn->step.name), which),
							   attempt);
	}
	else
		failure = failure_from_error(edata, attempt);
	MemoryContextSwitchTo(old);
	if (schedule_retry(turn, edata->sqlerrcode, watchdog, failure, attempt, scheduled_at))
		return STEP_BACKOFF;
	record_failure(turn, edata, watchdog, failure, scheduled_at);
	turn->pending_done = attempt > 1 ? turn->step.command : turn->pending_done;
	return STEP_DONE;
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

	if (!turn->in_place || GetCurrentTransactionNestLevel() != turn->pass_level ||
		turn->steps >= MAX_STEPS_IN_PLACE || turn->step.recorded || step_is_slow(&turn->step))
		return false;
	turn->in_code = false;
	turn_mute(turn);
	turn->steps++;
	turn->stepping = true;
	turn->lock_timeout = LockTimeout;
	XactReadOnly = false;
	scheduled_at = durable_now();
	event.payload = do_step(turn, scheduled_at);
	CommandCounterIncrement();
	XactReadOnly = true;
	LockTimeout = turn->lock_timeout;
	turn->stepping = false;
	store_forget(depth);
	(void) watchdog_release();
	event.at = durable_now();
	record_scheduled(turn, scheduled_at);
	record_event(turn, &event);
	turn->in_code = true;
	watchdog_guard((int64) durable_turn_timeout * 1000, WATCHDOG_CODE);
	return true;
}
