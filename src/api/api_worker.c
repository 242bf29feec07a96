/*-------------------------------------------------------------------------
 *
 * api_worker.c
 *	  What external workers call, over any driver.
 *
 *	  An activity may be taken and ended by members of the role that owns its
 *	  run.  A token names an attempt; one that is over is refused, and then
 *	  nothing is changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "call/running.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "shared/durability.h"
#include "shared/stopevent.h"
#include "shared/taskqueue_id.h"
#include "store/activity.h"
#include "store/find.h"
#include "store/history.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/attempt.h"
#include "task/poll.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MAX_POLL		1000

static void
put_task(ReturnSetInfo *rsinfo, const Activity *a)
{
	Datum		values[12];
	bool		nulls[12] = {0};
	TimestampTz deadline = activity_deadline(a);
	Interval	heartbeat = {.time = a->heartbeat};
	Jsonb	   *input = task_input(a);

	values[0] = CStringGetTextDatum(task_token(a));
	values[1] = PointerGetDatum(a->name);
	values[2] = JsonbPGetDatum(input);
	nulls[2] = input == NULL;
	values[3] = PointerGetDatum(a->workflow_id);
	values[4] = UUIDPGetDatum(&a->run_id);
	values[5] = CStringGetTextDatum(activity_id_of(a));
	values[6] = Int32GetDatum(a->attempt);
	values[7] = PointerGetDatum(a->details);
	nulls[7] = a->details == NULL;
	values[8] = TimestampTzGetDatum(a->scheduled_at);
	values[9] = TimestampTzGetDatum(deadline);
	nulls[9] = deadline == DT_NOEND;
	values[10] = CStringGetTextDatum(idempotency_key(a));
	values[11] = IntervalPGetDatum(&heartbeat);
	nulls[11] = a->heartbeat == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* wf_poll_activities(task_queue, max, worker, wait, activities, namespace) */
PG_FUNCTION_INFO_V1(wf_poll_activities);
Datum
wf_poll_activities(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Poll		poll = {.role = GetUserId(), .context = CurrentMemoryContext};
	Interval   *wait;

	refuse_in_code("wf_poll_activities()", NULL);
	InitMaterializedSRF(fcinfo, rsinfo && rsinfo->expectedDesc ? MAT_SRF_USE_EXPECTED_DESC : 0);
	poll.task_queue = text_to_cstring(arg_id(fcinfo, 0, "task_queue", true));
	poll.max = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);
	if (poll.max < 1 || poll.max > MAX_POLL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"max\" must be between 1 and %d: %d", MAX_POLL, poll.max)));
	poll.worker = arg_id(fcinfo, 2, "worker", false);
	if (!poll.worker)
		poll.worker = cstring_to_text(psprintf("%s/%d", application_name && *application_name ? application_name : "session",
											   MyProcPid));
	wait = arg_interval(fcinfo, 3, "wait");
	poll.until = wait && durable_interval_usecs(wait) > 0 ? durable_monotonic() + durable_interval_usecs(wait) : 0;
	poll.names = PG_ARGISNULL(4) ? NULL : PG_GETARG_ARRAYTYPE_P(4);
	poll.namespace = text_to_cstring(arg_namespace(fcinfo, 5));
	poll_tasks(&poll);
	for (int i = 0; i < poll.count; i++)
		put_task(rsinfo, &poll.tasks[i]);
	/* as late as can be: meanwhile others may have had it written */
	if (poll.count > 0)
		txn_wait_for_disk(false);
	return (Datum) 0;
}

/* wf_listen(task_queue, namespace) */
PG_FUNCTION_INFO_V1(wf_listen);
Datum
wf_listen(PG_FUNCTION_ARGS)
{
	char	   *task_queue = text_to_cstring(arg_id(fcinfo, 0, "task_queue", true));

	refuse_in_code("wf_listen()", NULL);
	poll_listen(text_to_cstring(arg_namespace(fcinfo, 1)), task_queue);
	PG_RETURN_VOID();
}

/* wf_channel(task_queue, namespace) */
PG_FUNCTION_INFO_V1(wf_channel);
Datum
wf_channel(PG_FUNCTION_ARGS)
{
	char	   *task_queue = text_to_cstring(arg_id(fcinfo, 0, "task_queue", true));

	PG_RETURN_TEXT_P(cstring_to_text(task_queue_channel(task_queue_topic(text_to_cstring(arg_namespace(fcinfo, 1)),
																		   task_queue))));
}

static void
check_member(Oid caller, Oid owner, const text *workflow_id)
{
	check_owner(caller, owner, text_to_cstring(workflow_id));
}

static ActivityKey
arg_token(FunctionCallInfo fcinfo, int arg)
{
	char	   *token = text_to_cstring(arg_text(fcinfo, arg, "task_token", true));
	ActivityKey key;

	if (!task_token_parse(token, &key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a task token", token)));
	return key;
}

/*
 * Refuse tokens of attempts that are over
 */
static void
refuse_lost(const ActivityKey *keys, const bool *found, int count)
{
	JsonBuilder tokens;
	JsonBuilder b;
	int			lost = 0;

	/* whatever ended them: who is told so gives up his work */
	txn_wait_for_disk(true);
	json_array_begin(&tokens);
	for (int i = 0; i < count; i++)
		if (!found[i])
		{
			Activity	a = {.run_id = keys[i].run_id, .command = keys[i].command, .lease = keys[i].lease};

			json_array_add_text(&tokens, task_token(&a));
			lost++;
		}
	json_begin(&b);
	json_add_jsonb(&b, "tokens", json_array_end(&tokens));
	ereport(ERROR,
			(errcode(ERRCODE_WF_TASK_LOST),
			 count == 1 ? errmsg("the task is no longer yours") :
			 errmsg("%d of %d tasks are no longer yours", lost, count),
			 errdetail_internal("%s", json_to_cstring(json_end(&b))),
			 errhint("Its attempt timed out, was completed or cancelled, or its workflow is closed.")));
}

static int
compare_keys(const void *a, const void *b)
{
	const ActivityKey *x = a;
	const ActivityKey *y = b;
	int			order = memcmp(&x->run_id, &y->run_id, sizeof(pg_uuid_t));

	return order != 0 ? order : x->command < y->command ? -1 : x->command > y->command;
}

typedef struct Completion
{
	ActivityKey key;			/* first, for compare_keys() */
	Jsonb	   *result;
} Completion;

/*
 * Complete attempts, all or none.  They are taken in the order of their keys,
 * so that two calls cannot wait for each other.
 */
static void
complete(Completion *completions, int count)
{
	Oid			caller = GetUserId();
	MemoryContext context = CurrentMemoryContext;
	ActivityKey *keys = palloc(Max(count, 1) * sizeof(ActivityKey));
	bool	   *found = palloc0(Max(count, 1) * sizeof(bool));
	AttemptEnds ends;
	Activity   *taken;
	StoreScope	scope;
	int			n;

	qsort(completions, count, sizeof(Completion), compare_keys);
	for (int i = 0; i < count; i++)
	{
		keys[i] = completions[i].key;
		payload_check(completions[i].result, "result");
	}
	txn_begin_relaxed();
	store_begin(&scope);
	n = activity_take(keys, count, context, &taken);
	attempt_ends_init(&ends, context);
	STOP_EVENT(complete_taken);
	ends.single = n == 1;
	for (int i = 0; i < n; i++)
	{
		ActivityKey key = {taken[i].run_id, taken[i].command, taken[i].lease};
		Completion *completion = bsearch(&key, completions, count, sizeof(Completion), compare_keys);

		check_member(caller, taken[i].owner, taken[i].workflow_id);
		found[completion - completions] = true;
		attempt_completed(&ends, &taken[i], completion->result);
	}
	if (n < count)
		refuse_lost(keys, found, count);
	attempt_ends_write(&ends);
	STOP_EVENT(complete_written);
	store_end(&scope);
	txn_end_relaxed(TXN_PROMPT);
}

/* wf_complete_activity(task_token, result) */
PG_FUNCTION_INFO_V1(wf_complete_activity);
Datum
wf_complete_activity(PG_FUNCTION_ARGS)
{
	Completion	completion = {arg_token(fcinfo, 0), arg_jsonb(fcinfo, 1)};

	refuse_in_code("wf_complete_activity()", NULL);
	complete(&completion, 1);
	PG_RETURN_VOID();
}

/* wf_complete_activities(task_tokens[], results[]) */
PG_FUNCTION_INFO_V1(wf_complete_activities);
Datum
wf_complete_activities(PG_FUNCTION_ARGS)
{
	Datum	   *tokens;
	Datum	   *results;
	bool	   *token_nulls;
	bool	   *result_nulls;
	int			count;
	int			nresults;
	Completion *completions;

	refuse_in_code("wf_complete_activities()", NULL);
	(void) arg_text_array(fcinfo, 0, "task_tokens");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &tokens, &token_nulls, &count);
	(void) arg_text_array(fcinfo, 1, "results");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false, TYPALIGN_INT, &results, &result_nulls, &nresults);
	if (count != nresults)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d task tokens, but %d results", count, nresults)));
	completions = palloc(Max(count, 1) * sizeof(Completion));
	for (int i = 0; i < count; i++)
	{
		char	   *token = token_nulls[i] ? "" : TextDatumGetCString(tokens[i]);

		if (!task_token_parse(token, &completions[i].key))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not a task token", token)));
		completions[i].result = result_nulls[i] ? NULL : DatumGetJsonbP(results[i]);
	}
	complete(completions, count);
	PG_RETURN_VOID();
}

/*
 * Lock the row of an attempt that the caller may end
 */
static void
lock_attempt(const ActivityKey *key, Oid caller, MemoryContext context, Activity *a)
{
	bool		found = activity_lock(key, true, context, a);

	if (!found)
		refuse_lost(key, &found, 1);
	check_member(caller, a->owner, a->workflow_id);
}

static void
end_attempt(const ActivityKey *key, const AttemptFailure *failure)
{
	Oid			caller = GetUserId();
	MemoryContext context = CurrentMemoryContext;
	AttemptEnds ends;
	Activity	a;
	StoreScope	scope;

	store_begin(&scope);
	lock_attempt(key, caller, context, &a);
	STOP_EVENT(fail_locked);
	if (failure->outcome == EVENT_ACTIVITY_CANCELED && !a.cancel_requested)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" was not asked to cancel itself", text_to_cstring(a.name)),
				 errhint("wf_fail_activity() with non_retryable ends it otherwise.")));
	attempt_ends_init(&ends, context);
	attempt_failed(&ends, &a, failure);
	attempt_ends_write(&ends);
	store_end(&scope);
}

static void
fail(FunctionCallInfo fcinfo, const ActivityKey *key, int first)
{
	AttemptFailure failure = {.outcome = EVENT_ACTIVITY_FAILED, .failure = arg_failure(fcinfo, first, 0)};

	end_attempt(key, &failure);
}

/* wf_fail_activity(task_token, type, message, details, non_retryable, next_retry_delay) */
PG_FUNCTION_INFO_V1(wf_fail_activity);
Datum
wf_fail_activity(PG_FUNCTION_ARGS)
{
	ActivityKey key = arg_token(fcinfo, 0);

	refuse_in_code("wf_fail_activity()", NULL);
	fail(fcinfo, &key, 1);
	PG_RETURN_VOID();
}

static void
cancelled(FunctionCallInfo fcinfo, const ActivityKey *key, int details_arg)
{
	AttemptFailure failure = {.outcome = EVENT_ACTIVITY_CANCELED, .failure = arg_jsonb(fcinfo, details_arg)};

	payload_check(failure.failure, "details");
	end_attempt(key, &failure);
}

/* wf_cancelled_activity(task_token, details) */
PG_FUNCTION_INFO_V1(wf_cancelled_activity);
Datum
wf_cancelled_activity(PG_FUNCTION_ARGS)
{
	ActivityKey key = arg_token(fcinfo, 0);

	refuse_in_code("wf_cancelled_activity()", NULL);
	cancelled(fcinfo, &key, 1);
	PG_RETURN_VOID();
}

static Datum
heartbeat(FunctionCallInfo fcinfo, const ActivityKey *key, int details_arg)
{
	Oid			caller = GetUserId();
	Jsonb	   *details = arg_jsonb(fcinfo, details_arg);
	HeartbeatReply reply;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {0};
	StoreScope	scope;
	bool		found;

	payload_check(details, "heartbeat details");
	txn_begin_relaxed();
	store_begin(&scope);
	found = activity_heartbeat(key, durable_now(), details, &reply);
	if (!found)
		refuse_lost(key, &found, 1);
	STOP_EVENT(heartbeat_written);
	check_owner(caller, reply.owner, reply.workflow_id);
	store_end(&scope);
	txn_end_relaxed(TXN_FORGETTABLE);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	/* nor does he go on after this */
	if (reply.cancel_requested || reply.paused)
		txn_wait_for_disk(true);
	values[0] = BoolGetDatum(reply.cancel_requested);
	values[1] = BoolGetDatum(reply.paused);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* wf_heartbeat_activity(task_token, details) */
PG_FUNCTION_INFO_V1(wf_heartbeat_activity);
Datum
wf_heartbeat_activity(PG_FUNCTION_ARGS)
{
	ActivityKey key = arg_token(fcinfo, 0);

	refuse_in_code("wf_heartbeat_activity()", NULL);
	return heartbeat(fcinfo, &key, 1);
}

/*
 * The attempt that runs of an activity of a workflow: arguments id and
 * activity_id are the first two
 */
static ActivityKey
named_attempt(FunctionCallInfo fcinfo, int run_id_arg)
{
	Found		run = named_run(fcinfo, 0, run_id_arg, run_id_arg + 1);
	char	   *activity_id = text_to_cstring(arg_id(fcinfo, 1, "activity_id", true));
	ActivityKey key = {.run_id = run.run_id};
	Activity   *rows;
	StoreScope	scope;
	int			n;

	store_begin(&scope);
	n = activity_read_run(&run.run_id, CurrentMemoryContext, &rows);
	for (int i = 0; i < n; i++)
		if (rows[i].lease != 0 && strcmp(activity_id_of(&rows[i]), activity_id) == 0)
		{
			key.command = rows[i].command;
			key.lease = rows[i].lease;
		}
	store_end(&scope);
	if (key.lease == 0)
	{
		txn_wait_for_disk(true);
		ereport(ERROR,
				(errcode(ERRCODE_WF_TASK_LOST),
				 errmsg("no activity \"%s\" of workflow \"%s\" is running", activity_id,
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	}
	return key;
}

/* wf_complete_activity_by_id(id, activity_id, result, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_complete_activity_by_id);
Datum
wf_complete_activity_by_id(PG_FUNCTION_ARGS)
{
	Completion	completion = {.result = arg_jsonb(fcinfo, 2)};

	refuse_in_code("wf_complete_activity_by_id()", NULL);
	completion.key = named_attempt(fcinfo, 3);
	complete(&completion, 1);
	PG_RETURN_VOID();
}

/* wf_fail_activity_by_id(id, activity_id, type ... next_retry_delay, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_fail_activity_by_id);
Datum
wf_fail_activity_by_id(PG_FUNCTION_ARGS)
{
	ActivityKey key;

	refuse_in_code("wf_fail_activity_by_id()", NULL);
	key = named_attempt(fcinfo, 7);
	fail(fcinfo, &key, 2);
	PG_RETURN_VOID();
}

/* wf_cancelled_activity_by_id(id, activity_id, details, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_cancelled_activity_by_id);
Datum
wf_cancelled_activity_by_id(PG_FUNCTION_ARGS)
{
	ActivityKey key;

	refuse_in_code("wf_cancelled_activity_by_id()", NULL);
	key = named_attempt(fcinfo, 3);
	cancelled(fcinfo, &key, 2);
	PG_RETURN_VOID();
}

/* wf_heartbeat_activity_by_id(id, activity_id, details, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_heartbeat_activity_by_id);
Datum
wf_heartbeat_activity_by_id(PG_FUNCTION_ARGS)
{
	ActivityKey key;

	refuse_in_code("wf_heartbeat_activity_by_id()", NULL);
	key = named_attempt(fcinfo, 3);
	return heartbeat(fcinfo, &key, 2);
}
