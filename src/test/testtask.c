/*-------------------------------------------------------------------------
 *
 * testtask.c
 *	  Activities in queues, in a test.
 *
 *	  1. What could be claimed is taken at once, by its mock or by calling its
 *	  function.  Fairness and limits of queues are left out: others have to do with
 *	  them, whom a test must not touch.
 *
 *	  2. How attempts begin and end is real (attempt.c), and so are retries and
 *	  timeouts; their times come with the test's clock (check.c).
 *
 *	  3. A mock that takes its time leaves the activity started until it is over.
 *	  If the activity has ended otherwise by then, its row is gone or has another
 *	  lease.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/guarded.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "miscadmin.h"
#include "shared/watchdog.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/testrun.h"
#include "task/attempt.h"
#include "task/task.h"
#include "test/testtask.h"
#include "turn/mock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* An activity that fails so often will do so for good */
#define MAX_ATTEMPTS	1000

/* An attempt that a mock lets take its time */
typedef struct SlowAttempt
{
	ActivityKey key;
	TimestampTz due;
	Mock	   *mock;
} SlowAttempt;

/* In memory of the test */
static List *slow_attempts = NIL;

static void
forget(void *arg)
{
	slow_attempts = NIL;
}

/*
 * Use memory of the test; the list goes with it
 */
static MemoryContext
use_test_memory(void)
{
	MemoryContext old = MemoryContextSwitchTo(test_mode_context());

	if (slow_attempts == NIL)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = forget;
		MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	}
	return old;
}

/*
 * guarded_call(), after which the session is as before
 */
static GuardedEnd
guarded(GuardedWork function, void *arg)
{
	GuardedEnd	end;

	guarded_call(function, arg, CurrentMemoryContext, &end);
	if (end.error)
	{
		watchdog_stop();
		current_turn = NULL;
	}
	settings_forget_applied();
	return end;
}

/*
 * Why this activity cannot be run, which has no mock
 */
static void
refuse_unmocked(const Activity *a)
{
	char	   *name = text_to_cstring(a->name);

	if (a->external)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" of workflow \"%s\" has no mock", name, text_to_cstring(a->workflow_id)),
				 errdetail("It is for workers outside the server, in task queue \"%s\".", text_to_cstring(a->task_queue)),
				 errhint("Say what is to become of it by wf_test_mock('%s', ...).", name)));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("activity \"%s\" of workflow \"%s\" is a procedure, and has no mock", name, text_to_cstring(a->workflow_id)),
			 errdetail("It could COMMIT, which a test must not."),
			 errhint("Say what is to become of it by wf_test_mock('%s', ...).", name)));
}

/*
 * Microseconds that an attempt may take, 0 for no limit
 */
static int64
time_left(const Activity *a)
{
	TimestampTz deadline = activity_deadline(a);

	return deadline == DT_NOEND ? 0 : Max(deadline - durable_now(), 1);
}

/*
 * The function of an activity, in the current subtransaction
 */
static Jsonb *
call_function(void *arg)
{
	Activity   *a = arg;
	RunningAttempt running = {.activity = a, .context = CurrentMemoryContext};
	Callable   *function;
	ArrayType  *settings;
	Jsonb	   *result;
	bool		open;
	int			nestlevel = NewGUCNestLevel();
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;

	store_begin(&scope);
	settings = execution_settings(&a->run_id, context, &open);
	store_end(&scope);
	settings_forget_applied();
	settings_apply(settings);
	function = callable_get(callable_resolve(text_to_cstring(a->name), false));
	if (function->procedure)
		refuse_unmocked(a);
	watchdog_start();
	watchdog_guard(time_left(a), WATCHDOG_STEP);
	running_attempt = &running;
	leftovers_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	result = callable_call(function, task_input(a));
	leftovers_end(LEFT_SHARED);
	PopActiveSnapshot();
	running_attempt = NULL;
	watchdog_stop();
	payload_check(result, "result");
	AtEOXact_GUC(false, nestlevel);
	return result;
}

static Jsonb *
call_mock(void *arg)
{
	return mock_outcome(arg);
}

/*
 * Is the activity a procedure?  Then it is not to be called at all.
 */
static bool
is_procedure(const Activity *a)
{
	Oid			function = callable_resolve(text_to_cstring(a->name), true);

	return OidIsValid(function) && callable_get(function)->procedure;
}

/*
 * The end of an attempt, as its timeout, or the error that ended it, tells
 */
static AttemptFailure
failure_of(const Activity *a, const GuardedEnd *end, const char *timeout)
{
	AttemptFailure failure = {.outcome = EVENT_ACTIVITY_FAILED};

	if (!timeout && end->watchdog == WATCHDOG_STEP)
		timeout = a->schedule_to_close > 0 && a->scheduled_at + a->schedule_to_close <= durable_now() ?
			"schedule_to_close" : "start_to_close";
	if (timeout)
	{
		failure.outcome = EVENT_ACTIVITY_TIMED_OUT;
		failure.failure = timeout_failure(a, timeout);
		failure.final = strncmp(timeout, "schedule", strlen("schedule")) == 0;
	}
	else
		failure.failure = failure_from_error(end->error, a->attempt);
	return failure;
}

static void
refuse_endless(const Activity *a)
{
	char	   *message = json_find_text(a->last_failure, "message");

	if (a->attempt >= MAX_ATTEMPTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("activity \"%s\" of workflow \"%s\" has failed %d times: %s", text_to_cstring(a->name),
						text_to_cstring(a->workflow_id), a->attempt, message ? message : "?"),
				 errhint("A retry policy with max_attempts, or schedule_to_close, makes an end of it.")));
}

/*
 * An attempt ends: write what comes of it
 */
static void
write_end(Activity *a, const GuardedEnd *end, const char *timeout)
{
	AttemptFailure failure;
	AttemptEnds ends;
	StoreScope	scope;

	store_begin(&scope);
	attempt_ends_init(&ends, CurrentMemoryContext);
	if (end->error || timeout)
	{
		failure = failure_of(a, end, timeout);
		if (timeout && strcmp(timeout, "schedule_to_start") == 0)
		{
			a->lease = 0;		/* it never started */
			a->attempt--;
		}
		attempt_failed(&ends, a, &failure);
	}
	else
	{
		attempt_completed(&ends, a, end->result);
		attempt_remove(&ends, a);
	}
	attempt_ends_write(&ends);
	store_end(&scope);
}

static void
end_mocked(Activity *a, Mock *mock)
{
	GuardedEnd	end = {0};

	if (mock->error)
		end = guarded(call_mock, mock);
	else
		end.result = mock->result;
	write_end(a, &end, mock->times_out);
}

/*
 * When a mock ends its attempt, which has just begun: a timeout as the
 * activity's options have it
 */
static TimestampTz
end_of_mocked(const Activity *a, const Mock *mock)
{
	TimestampTz now = durable_now();

	if (!mock->times_out)
		return now + mock->delay;
	if (strcmp(mock->times_out, "start_to_close") == 0)
		return now + a->start_to_close;
	if (strcmp(mock->times_out, "heartbeat") == 0)
		return now + a->heartbeat;
	if (strcmp(mock->times_out, "schedule_to_start") == 0)
		return now + a->schedule_to_start;
	return Max(now, a->scheduled_at + a->schedule_to_close);
}

/*
 * A mock that takes its time: the activity shows as started meanwhile
 */
static void
begin_slow(Activity *a, Mock *mock, TimestampTz due)
{
	MemoryContext old;
	SlowAttempt *slow;
	StoreScope	scope;

	store_begin(&scope);
	activity_write_start(a);
	store_end(&scope);
	old = use_test_memory();
	slow = palloc(sizeof(SlowAttempt));
	*slow = (SlowAttempt) {{a->run_id, a->command, a->lease}, due, mock};
	slow_attempts = lappend(slow_attempts, slow);
	MemoryContextSwitchTo(old);
}

static void
run_task(Activity *a)
{
	Mock	   *mock;
	GuardedEnd	end;
	Jsonb	   *input = task_input(a);
	TimestampTz due;

	if (a->owner != GetUserId())
		return;					/* as its run */
	refuse_endless(a);
	mock = mock_call(a->name, input);
	if (!mock && (a->external || is_procedure(a)))
		refuse_unmocked(a);
	attempt_start(a, cstring_to_text("test"), durable_now());
	if (mock)
	{
		due = end_of_mocked(a, mock);
		if (due > durable_now())
			begin_slow(a, mock, due);
		else
			end_mocked(a, mock);
		return;
	}
	end = guarded(call_function, a);
	if (end.error && end.error->sqlerrcode == ERRCODE_QUERY_CANCELED && end.watchdog == WATCHDOG_NONE)
		ReThrowError(end.error);
	write_end(a, &end, NULL);
}

/*
 * Run what is in queues.  True if there was anything.
 */
bool
testtask_run_all(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "durable test tasks", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	pg_uuid_t  *open;
	int			nopen = test_mode_open_runs(&open);
	Activity   *tasks;
	int			n;
	StoreScope	scope;

	store_begin(&scope);
	n = testrun_tasks(open, nopen, context, &tasks);
	store_end(&scope);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		run_task(&tasks[i]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n > 0;
}

/*
 * Mocks that took their time, and whose time is over
 */
void
testtask_end_slow(void)
{
	ListCell   *cell;
	List	   *due = NIL;

	foreach(cell, slow_attempts)
	{
		SlowAttempt *slow = lfirst(cell);

		if (slow->due > durable_now())
			continue;
		due = lappend(due, slow);
		slow_attempts = foreach_delete_current(slow_attempts, cell);
	}
	foreach(cell, due)
	{
		SlowAttempt *slow = lfirst(cell);
		Activity	a;
		MemoryContext context = CurrentMemoryContext;
		bool		found;
		StoreScope	scope;

		store_begin(&scope);
		found = activity_read(&slow->key, context, &a);
		store_end(&scope);
		if (found)
			end_mocked(&a, slow->mock);
	}
}

/*
 * When the next of these ends, DT_NOEND for never
 */
TimestampTz
testtask_next_end(void)
{
	TimestampTz at = DT_NOEND;
	ListCell   *cell;

	foreach(cell, slow_attempts)
		at = Min(at, ((SlowAttempt *) lfirst(cell))->due);
	return at;
}
