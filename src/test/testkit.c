/*-------------------------------------------------------------------------
 *
 * testkit.c
 *	  Driving the runs of a test, in its own transaction.
 *
 *	  1. What workers, activity workers and the scheduler do with a transaction
 *	  each is done here in the one of the caller, as the caller: a turn is a batch
 *	  of one run.  None of it is seen by others, and all of it is rolled back
 *	  (testmode.c).  Only steps are subtransactions: hundreds of them would slow
 *	  down each look at a row.  So nothing undoes a turn, and where a step sends
 *	  mail the turn goes on in another (batch.c), which sees what came.
 *
 *	  2. First come turns of runs with mail, then activities in queues
 *	  (testtask.c); and when nothing is left to do now, time passes
 *	  until the next thing falls due: a timer, an activity's next attempt or
 *	  timeout, the end of a mock that takes its time, a signal of the test.
 *
 *	  3. A turn that fails is the test's failure: its problem is raised instead of
 *	  recorded.  So is an activity that cannot be run here.
 *
 *	  4. Only runs of the test are looked at, and only those of the current role
 *	  have their code run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "batch/batch.h"
#include "batch/outbox.h"
#include "batch/write.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "miscadmin.h"
#include "run/await.h"
#include "run/outside.h"
#include "shared/watchdog.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "store/testrun.h"
#include "task/check.h"
#include "test/testkit.h"
#include "test/testtask.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef struct TestSignal
{
	TimestampTz at;
	Datum		namespace;
	text	   *id;
	text	   *signal;
	Jsonb	   *payload;
} TestSignal;

/* In memory of the test */
static List *signals = NIL;

static void
forget(void *arg)
{
	signals = NIL;
}

/*
 * Use memory of the test; the list goes with it
 */
static MemoryContext
use_test_memory(void)
{
	MemoryContext old = MemoryContextSwitchTo(test_mode_context());

	if (signals == NIL)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = forget;
		MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	}
	return old;
}

/*
 * The turn of a run failed: raise its problem
 */
static void
raise_problem(const Execution *e)
{
	char	   *sqlstate = json_find_text(e->turn_error, "sqlstate");
	char	   *message = json_find_text(e->turn_error, "message");
	char	   *hint = json_find_text(e->turn_error, "hint");
	char	   *context = json_find_text(e->turn_error, "context");
	int			code = sqlstate ? MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4]) :
		ERRCODE_INTERNAL_ERROR;

	ereport(ERROR,
			(errcode(code),
			 errmsg_internal("%s", message),
			 errdetail("A turn of workflow \"%s\" failed; outside of a test it would be stuck, and tried again.",
					   text_to_cstring(e->workflow_id)),
			 hint ? errhint("%s", hint) : 0,
			 context ? errcontext("%s", context) : 0));
}

static void
refuse_other_role(const Execution *e)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("workflow \"%s\" of role \"%s\" cannot be run by role \"%s\"", text_to_cstring(e->workflow_id),
					GetUserNameFromId(e->owner, false), GetUserNameFromId(GetUserId(), false)),
			 errhint("A test runs workflows as the role that starts them.")));
}

/*
 * One turn of a run that has mail.  True if it took any.
 */
static bool
do_turn(const pg_uuid_t *run_id)
{
	int			nestlevel = NewGUCNestLevel();
	Execution  *e;
	Batch		batch;

	settings_forget_applied();
	batch_init(&batch, GetUserId());
	batch_claim_run(&batch, run_id, false);
	if (batch.nruns > 0)
	{
		e = batch.runs[0].execution;
		if (e->owner != batch.owner)
			refuse_other_role(e);
		batch.runs[0].alone = false;	/* there is nobody else */
		batch_run(&batch);
		watchdog_stop();
		if (e->turn_failures > 0)
			raise_problem(e);
		if (!batch_write(&batch))
			elog(ERROR, "a run of a test has mail that it did not see");
	}
	AtEOXact_GUC(false, nestlevel);
	settings_forget_applied();
	return batch.nconsumed > 0;
}

/*
 * The same, leaving the session as it was if it fails
 */
static bool
take_turn(const pg_uuid_t *run_id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "durable test turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			depth = store_depth();
	bool		result;

	PG_TRY();
	{
		result = do_turn(run_id);
	}
	PG_CATCH();
	{
		watchdog_stop();
		current_turn = NULL;
		running_attempt = NULL;
		settings_forget_applied();
		store_forget(depth);
		leftovers_abort();
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

static bool
take_turns(void)
{
	pg_uuid_t  *open;
	int			nopen = test_mode_open_runs(&open);
	pg_uuid_t  *run_ids;
	int			n;
	bool		any = false;
	StoreScope	scope;
	MemoryContext context = CurrentMemoryContext;

	store_begin(&scope);
	n = testrun_with_mail(open, nopen, context, &run_ids);
	store_end(&scope);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		any |= take_turn(&run_ids[i]);
	}
	return any;
}

/*
 * Signals of the test that are due
 */
static void
send_signals(void)
{
	ListCell   *cell;

	foreach(cell, signals)
	{
		TestSignal *s = lfirst(cell);
		Found		run;
		bool		sent = false;
		Oid			caller = GetUserId();
		StoreScope	scope;

		if (s->at > durable_now())
			continue;
		signals = foreach_delete_current(signals, cell);
		store_begin(&scope);
		if (find_open(s->namespace, PointerGetDatum(s->id), &run) && run.owner == caller &&
			test_mode_has_run(&run.run_id))
			sent = run_signal(&run, s->signal, s->payload, NULL);
		store_end(&scope);
		if (!sent)
			ereport(ERROR,
					(errcode(ERRCODE_WF_NOT_FOUND),
					 errmsg("no workflow \"%s\" runs in this test when it is to be signalled", text_to_cstring(s->id)),
					 errdetail("wf_test_signal_at() was to send it signal \"%s\" at %s.",
							   text_to_cstring(s->signal), timestamptz_to_str(s->at))));
	}
}

static TimestampTz
next_deadline(const pg_uuid_t *open, int nopen)
{
	TimestampTz at;
	ListCell   *cell;
	StoreScope	scope;

	store_begin(&scope);
	at = Min(testrun_next_deadline(open, nopen), testtask_next_end());
	store_end(&scope);
	foreach(cell, signals)
		at = Min(at, ((TestSignal *) lfirst(cell))->at);
	return at;
}

/*
 * Let time pass until something falls due, and deal with it; false where
 * nothing does up to the target
 */
static bool
pass_time(TimestampTz target)
{
	pg_uuid_t  *open;
	int			nopen = test_mode_open_runs(&open);
	TimestampTz next = next_deadline(open, nopen);
	StoreScope	scope;

	if (next == DT_NOEND || next > target)
		return false;
	test_mode_set_clock(next);
	testtask_end_slow();
	store_begin(&scope);
	testrun_fire_timers(open, nopen, durable_now());
	activities_check_runs(open, nopen, durable_now());
	store_end(&scope);
	send_signals();
	return true;
}

/*
 * A turn or an attempt may be of a test, or real: then the worker could not
 * commit what else is in its batch
 */
void
testkit_check_place(void)
{
	if (current_turn || running_attempt)
		ereport(ERROR,
				(errcode(ERRCODE_WF_NOT_IN_WORKFLOW),
				 errmsg("the test kit cannot be called by a workflow or an activity")));
}

/*
 * Do all there is to do until time is at the target, or what is awaited is there
 */
static void
drive(TimestampTz target, bool (*is_there) (void *arg), void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "durable test", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		busy = true;

	testkit_check_place();
	while (busy)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		busy = take_turns();
		if (is_there && is_there(arg))
			break;
		busy = busy || testtask_run_all() || pass_time(target);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Do what is to be done now
 */
void
testkit_work(void)
{
	drive(durable_now(), NULL, NULL);
}

/*
 * Let time pass, with all that falls due
 */
void
testkit_advance(TimestampTz target)
{
	drive(target, NULL, NULL);
	test_mode_set_clock(target);
}

/*
 * Let time pass until something is there
 */
void
testkit_await(TimestampTz until, bool (*is_there) (void *arg), void *arg)
{
	if (!is_there(arg))
		drive(until, is_there, arg);
}

static bool
is_closed(void *run_id)
{
	return test_mode_closed(run_id);
}

/*
 * The run does not close: say what it waits for
 */
static void
refuse_to_wait(const RunPlace *place, TimestampTz until)
{
	ereport(ERROR,
			(errcode(ERRCODE_WF_TIMEOUT),
			 until == DT_NOEND ? errmsg("workflow \"%s\" waits for what never comes: %s", place->workflow_id,
										place->waiting_for ? place->waiting_for : "nothing") :
			 errmsg("workflow \"%s\" is still running after the timeout", place->workflow_id),
			 place->waiting_since ? errdetail("It waits for %s%s%s since %s.", place->waiting_for,
											  place->waiting_at ? ", at " : "", place->waiting_at ? place->waiting_at : "",
											  place->waiting_since) : 0,
			 until == DT_NOEND ? errhint("wf_test_signal_at() sends a signal when its time comes.") : 0));
}

/*
 * Drive the test until a run, and those that go on for it, have closed, with
 * time skipped; false where they do not, and then *place says where it is
 */
static bool
drive_to_end(Found *run, TimestampTz until, RunPlace *place)
{
	MemoryContext context = CurrentMemoryContext;

	for (;;)
	{
		pg_uuid_t	run_id = run->run_id;
		bool		found;
		StoreScope	scope;

		testkit_await(until, is_closed, &run_id);
		store_begin(&scope);
		found = find_run(&run_id, run) && testrun_place(&run_id, context, place);
		store_end(&scope);
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_WF_NOT_FOUND),
					 errmsg("run %s does not exist", uuid_to_cstring(&run_id))));
		if (run->status == STATUS_RUNNING)
			return false;
		if (!run->has_next)
			return true;
		run->run_id = run->next_run_id;
	}
}

/*
 * As await_closed()
 */
bool
testkit_closed(Found *run, TimestampTz until)
{
	RunPlace	place;

	return drive_to_end(run, until, &place);
}

/*
 * As await_result()
 */
Jsonb *
testkit_result(Found *run, TimestampTz until)
{
	RunPlace	place;

	if (!drive_to_end(run, until, &place))
		refuse_to_wait(&place, until);
	return await_result(run, place.workflow_id, PG_INT64_MAX);
}

/*
 * Send a signal when its time comes
 */
void
testkit_signal_at(TimestampTz at, Datum namespace, text *id, text *signal, Jsonb *payload)
{
	MemoryContext old = use_test_memory();
	TestSignal *s = palloc(sizeof(TestSignal));

	s->at = at;
	s->namespace = PointerGetDatum(PG_DETOAST_DATUM_COPY(namespace));
	s->id = DatumGetTextPCopy(PointerGetDatum(id));
	s->signal = DatumGetTextPCopy(PointerGetDatum(signal));
	s->payload = payload ? DatumGetJsonbPCopy(PointerGetDatum(payload)) : NULL;
	signals = lappend(signals, s);
	MemoryContextSwitchTo(old);
}
