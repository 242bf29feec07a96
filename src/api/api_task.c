/*-------------------------------------------------------------------------
 *
 * api_task.c
 *	  What operators do with task queues, and with activities in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/activity_args.h"
#include "api/named_run.h"
#include "api/options.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "shared/listener.h"
#include "shared/shmem.h"
#include "shared/tasknote.h"
#include "shared/taskqueue.h"
#include "shared/taskqueue_id.h"
#include "shared/waiter.h"
#include "store/find.h"
#include "store/limits.h"
#include "store/store.h"
#include "task/activity_options.h"
#include "task/task.h"
#include "utils/acl.h"
#include "utils/builtins.h"

static double
arg_rate(FunctionCallInfo fcinfo, int arg, const char *name)
{
	double		rate = PG_ARGISNULL(arg) ? 0 : PG_GETARG_FLOAT8(arg);

	if (!PG_ARGISNULL(arg) && !(rate > 0 && rate <= 1e9))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be more than 0 tasks a second: %g", name, rate)));
	return rate;
}

static int
arg_count(FunctionCallInfo fcinfo, int arg, const char *name)
{
	int			count = PG_ARGISNULL(arg) ? 0 : PG_GETARG_INT32(arg);

	if (!PG_ARGISNULL(arg) && count < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be at least 1: %d", name, count)));
	return count;
}

/*
 * wf_set_task_queue(task_queue, rate_limit, per_key_rate_limit, max_concurrent,
 * max_concurrent_per_key, fairness_weights, mode, owner, namespace)
 */
PG_FUNCTION_INFO_V1(wf_set_task_queue);
Datum
wf_set_task_queue(PG_FUNCTION_ARGS)
{
	static const char *const modes[] = {"external", "queued"};
	QueueLimits q = {.namespace = arg_namespace(fcinfo, 8)};
	TaskQueueName name;
	char	   *namespace = text_to_cstring(q.namespace);
	char	   *task_queue;
	TaskQueue  *queue;
	StoreScope	scope;

	refuse_in_code("wf_set_task_queue()", NULL);
	q.external = arg_choice(fcinfo, 6, "mode", modes, lengthof(modes)) == 0;
	q.task_queue = arg_id(fcinfo, 0, "task_queue", q.external);
	q.owner = PG_ARGISNULL(7) ? GetUserId() : PG_GETARG_OID(7);
	q.limits.rate = arg_rate(fcinfo, 1, "rate_limit");
	q.limits.per_key_rate = arg_rate(fcinfo, 2, "per_key_rate_limit");
	q.limits.concurrency = arg_count(fcinfo, 3, "max_concurrent");
	q.limits.per_key_concurrency = arg_count(fcinfo, 4, "max_concurrent_per_key");
	q.weights = arg_weights(fcinfo, 5);
	task_queue = q.task_queue ? text_to_cstring(q.task_queue) : NULL;
	if (!has_privs_of_role(GetUserId(), q.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for task queue \"%s\"", task_queue ? task_queue : ""),
				 errdetail("It belongs to role \"%s\".", GetUserNameFromId(q.owner, true))));
	name = (TaskQueueName) {
		task_queue_id(namespace, task_queue, q.owner, q.external),
		task_queue_topic(namespace, task_queue), q.owner, q.external
	};
	q.queue = name.id;
	store_begin(&scope);
	limits_write(&q);
	queue = task_queue_known(&name);
	note_queue_changed(queue);
	store_end(&scope);
	PG_RETURN_VOID();
}

/*
 * Change the activities of a workflow that a call names: by id (its second
 * argument), by type (its third), or all
 */
static Datum
change(FunctionCallInfo fcinfo, int run_id_arg, ActivityChange *change)
{
	Found		run = named_run(fcinfo, 0, run_id_arg, run_id_arg + 1);
	text	   *id = arg_id(fcinfo, 1, "activity_id", false);
	text	   *type = arg_id(fcinfo, 2, "activity", false);
	StoreScope	scope;
	int			count;

	change->activity_id = id ? text_to_cstring(id) : NULL;
	change->type = type ? text_to_cstring(type) : NULL;
	store_begin(&scope);
	count = change_activities(&run.run_id, change);
	store_end(&scope);
	PG_RETURN_INT32(count);
}

static bool
arg_flag(FunctionCallInfo fcinfo, int arg)
{
	return !PG_ARGISNULL(arg) && PG_GETARG_BOOL(arg);
}

/* wf_pause_activity(id, activity_id, activity, reason, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_pause_activity);
Datum
wf_pause_activity(PG_FUNCTION_ARGS)
{
	ActivityChange pause = {.kind = CHANGE_PAUSE, .reason = arg_text(fcinfo, 3, "reason", false)};

	refuse_in_code("wf_pause_activity()", NULL);
	return change(fcinfo, 4, &pause);
}

/*
 * wf_unpause_activity(id, activity_id, activity, reset_attempts,
 * reset_heartbeat, jitter, run_id, namespace)
 */
PG_FUNCTION_INFO_V1(wf_unpause_activity);
Datum
wf_unpause_activity(PG_FUNCTION_ARGS)
{
	ActivityChange unpause = {
		.kind = CHANGE_UNPAUSE, .reset_attempts = arg_flag(fcinfo, 3), .reset_heartbeat = arg_flag(fcinfo, 4),
		.jitter = arg_interval(fcinfo, 5, "jitter")
	};

	refuse_in_code("wf_unpause_activity()", NULL);
	return change(fcinfo, 6, &unpause);
}

/*
 * wf_reset_activity(id, activity_id, activity, reset_heartbeat, keep_paused,
 * jitter, run_id, namespace)
 */
PG_FUNCTION_INFO_V1(wf_reset_activity);
Datum
wf_reset_activity(PG_FUNCTION_ARGS)
{
	ActivityChange reset = {
		.kind = CHANGE_RESET, .reset_attempts = true, .reset_heartbeat = arg_flag(fcinfo, 3),
		.keep_paused = arg_flag(fcinfo, 4), .jitter = arg_interval(fcinfo, 5, "jitter")
	};

	refuse_in_code("wf_reset_activity()", NULL);
	return change(fcinfo, 6, &reset);
}

/*
 * wf_update_activity(id, activity_id, activity, start_to_close,
 * schedule_to_close, schedule_to_start, heartbeat, retry, priority, run_id,
 * namespace)
 */
PG_FUNCTION_INFO_V1(wf_update_activity);
Datum
wf_update_activity(PG_FUNCTION_ARGS)
{
	ActivityChange update = {.kind = CHANGE_OPTIONS};

	update.given = activity_changes(fcinfo, &update.values);
	refuse_in_code("wf_update_activity()", NULL);
	return change(fcinfo, 9, &update);
}

PG_FUNCTION_INFO_V1(durable_task_queue_topic);
Datum
durable_task_queue_topic(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT64(task_queue_topic(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									 PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

PG_FUNCTION_INFO_V1(durable_task_queue_id);
Datum
durable_task_queue_id(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	PG_RETURN_INT64(task_queue_id(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								  PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
								  PG_GETARG_OID(2), PG_GETARG_BOOL(3)));
}

static void
set_span(Datum *value, bool *isnull, double usecs)
{
	Interval   *span = palloc0(sizeof(Interval));

	*isnull = usecs < 0;
	span->time = (TimeOffset) usecs;
	*value = IntervalPGetDatum(span);
}

/*
 * durable.task_queue_stats(id, topic): all NULL where the queue is another's
 */
PG_FUNCTION_INFO_V1(durable_task_queue_stats);
Datum
durable_task_queue_stats(PG_FUNCTION_ARGS)
{
	TaskQueue  *queue = task_queue_find(PG_GETARG_INT64(0));
	double		p50 = -1;
	double		p99 = -1;
	int64		notified;
	TupleDesc	desc;
	Datum		values[5] = {0};
	bool		nulls[5] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (queue && !sees_processes_of(queue->owner))
	{
		memset(nulls, true, sizeof(nulls));
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
	}
	if (queue)
		task_queue_percentiles(queue, &p50, &p99);
	values[0] = Int32GetDatum(waiting_workers(PG_GETARG_INT64(1), &notified));
	set_span(&values[1], &nulls[1], p50);
	set_span(&values[2], &nulls[2], p99);
	values[3] = Int64GetDatum(queue ? queue->claimed : 0);
	values[4] = Int64GetDatum(notified);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * A name in the encoding of another database: of what is not ASCII nobody knows
 * what it is here
 */
static void
make_ascii(char *name)
{
	for (; *name; name++)
		if (IS_HIGHBIT_SET(*name))
			*name = '?';
}

/*
 * durable.external_workers(): those the caller may see; whose they are is asked
 * without a lock
 */
PG_FUNCTION_INFO_V1(durable_external_workers);
Datum
durable_external_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Poller	   *pollers = palloc(MAX_POLLERS * sizeof(Poller));

	InitMaterializedSRF(fcinfo, 0);
	if (!shared)
		return (Datum) 0;
	shared_lock(shared->waiting, LW_SHARED);
	memcpy(pollers, shared->pollers, MAX_POLLERS * sizeof(Poller));
	LWLockRelease(shared->waiting);
	for (int i = 0; i < MAX_POLLERS; i++)
	{
		Poller	   *poller = &pollers[i];
		Datum		values[7];
		bool		nulls[7] = {0};

		if (!OidIsValid(poller->dbid) || !sees_processes_of(poller->role))
			continue;
		if (poller->dbid != MyDatabaseId)
		{
			make_ascii(poller->name);
			make_ascii(poller->task_queue);
		}
		values[0] = ObjectIdGetDatum(poller->dbid);
		values[1] = ObjectIdGetDatum(poller->role);
		values[2] = CStringGetTextDatum(poller->name);
		values[3] = CStringGetTextDatum(poller->task_queue);
		values[4] = Int32GetDatum(poller->pid);
		values[5] = Int64GetDatum(poller->tasks);
		values[6] = TimestampTzGetDatum(poller->seen_at);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* durable.polled_since(topic, since) */
PG_FUNCTION_INFO_V1(durable_polled_since);
Datum
durable_polled_since(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(topic_polled_since(PG_GETARG_INT64(0), PG_GETARG_TIMESTAMPTZ(1)));
}
