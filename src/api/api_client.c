/*-------------------------------------------------------------------------
 *
 * api_client.c
 *	  What applications call: start, signal, result, cancel ...
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api_client.h"
#include "api/named_run.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "base/text.h"
#include "batch/drive.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/procedure.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "process/why.h"
#include "run/await.h"
#include "run/close.h"
#include "run/outside.h"
#include "run/start.h"
#include "shared/durability.h"
#include "shared/shmem.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/identity.h"
#include "store/mailbox.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/notify.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Arguments that hold the options in wf_start and in the others */
#define START_OPTIONS			2
#define SIGNAL_START_OPTIONS	4
#define EXECUTE_OPTIONS			3

/*
 * Tell once per session that nothing will run by itself
 */
static void
warn_if_not_preloaded(void)
{
	static bool warned = false;

	if (shared || warned || test_mode)
		return;
	warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("durable is not in shared_preload_libraries, so no worker will run this workflow"),
			 errhint("Add it and restart the server, or run workflows by CALL wf_work().")));
}

/*
 * Is the workflow id free, by the policy for closed runs?
 */
static void
check_closed(const Execution *e, OnClosed policy, const Found *last)
{
	if (!closed_forbids(policy, last->status))
		return;
	txn_wait_for_disk(false);
	ereport(ERROR,
			(errcode(ERRCODE_WF_ALREADY_RUNNING),
			 errmsg("workflow \"%s\" exists: its last run %s",
					text_to_cstring(e->workflow_id), status_name(last->status)),
			 errdetail("The call says on_closed => '%s'.",
					   policy == ON_CLOSED_REJECT ? "reject" : "allow_failed_only")));
}

/*
 * An open run is the answer to a start.  A request id is noted with it, so that
 * the call is answered the same after the run has closed; until our transaction
 * ends it does not.  False where it is closed, or the request was answered
 * meanwhile.
 */
static bool
use_existing(const Execution *e, const StartOptions *o, const Found *run)
{
	if (!o->request_id)
		return true;
	if (!execution_hold(&run->run_id))
		return false;
	txn_locked(run->owner, &run->run_id);
	return take_start_request(PointerGetDatum(e->namespace), PointerGetDatum(o->request_id), &run->run_id);
}

/*
 * A run has been inserted for a request.  Where the same request was answered by a
 * run that closed between our look and that, there would be two.
 */
static void
check_request_is_new(const Execution *e, const StartOptions *o)
{
	Found		other;

	if (o->request_id && find_earlier_request(PointerGetDatum(e->namespace), PointerGetDatum(o->request_id), &other))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("request \"%s\" was carried out by another session at the same time",
						text_to_cstring(o->request_id)),
				 errhint("Repeat the call, and it returns the run of that request.")));
}

/*
 * The workflow id is taken by an open run.  True where its run is the answer,
 * false where it is gone and the start can be tried again.
 */
static bool
settle_conflict(const Execution *e, const StartOptions *o, pg_uuid_t *run_id)
{
	Datum		namespace = PointerGetDatum(e->namespace);
	Found		found;

	if (o->request_id && find_request(namespace, PointerGetDatum(o->request_id), &found))
	{
		check_owner(e->owner, found.owner, text_to_cstring(o->request_id));
		*run_id = found.run_id;
		return true;
	}
	if (!find_open(namespace, PointerGetDatum(e->workflow_id), &found))
		return false;
	check_owner(e->owner, found.owner, text_to_cstring(e->workflow_id));
	*run_id = found.run_id;
	switch (o->on_running)
	{
		case ON_RUNNING_USE_EXISTING:
			return use_existing(e, o, &found);
		case ON_RUNNING_TERMINATE:
			(void) run_terminate(&found.run_id, cstring_to_text("terminated by a start of the same workflow id"));
			return false;
		default:
			txn_wait_for_disk(true);
			ereport(ERROR,
					(errcode(ERRCODE_WF_ALREADY_RUNNING),
					 errmsg("workflow \"%s\" is already running", text_to_cstring(e->workflow_id)),
					 errdetail("Its run is %s.",
							   uuid_to_cstring(&found.run_id)),
					 errhint("Say on_running => 'use_existing' or 'terminate_existing' to do otherwise.")));
	}
	return false;
}

/*
 * Start a run, or find the one that stands for it.  *seq is that of its start
 * message, 0 where there is none, START_EXISTING where the run was there before:
 * then the caller calls txn_wait_for_disk(), unless he writes something.  Returns
 * the run id.
 */
pg_uuid_t
start_workflow(text *name, Jsonb *input, const StartOptions *o, int64 *seq)
{
	Callable   *workflow = find_workflow(text_to_cstring(name));
	Oid			caller = GetUserId();
	ArrayType  *settings = settings_capture();
	MemoryContext context = CurrentMemoryContext;
	Execution	e;
	Found		last;
	pg_uuid_t	run_id;
	StoreScope	scope;

	if (!input)
	{
		JsonBuilder b;

		json_begin(&b);
		input = json_end(&b);
	}
	payload_check(input, "input");
	input = callable_complete_input(workflow, input);
	payload_check(input, "input");
	warn_if_not_preloaded();
	fill_execution(&e, name, workflow, o, caller, settings);
	*seq = 0;

	store_begin(&scope);
	if (o->request_id &&
		find_request(PointerGetDatum(o->namespace), PointerGetDatum(o->request_id), &last))
	{
		check_owner(e.owner, last.owner, text_to_cstring(o->request_id));
		run_id = last.run_id;
		*seq = START_EXISTING;
		store_end(&scope);
		return run_id;
	}
	for (;;)
	{
		TimestampTz not_before = o->start_delay ? durable_add_interval(e.started_at, o->start_delay) : 0;

		if (run_start(&e, input, not_before, seq))
		{
			check_request_is_new(&e, o);
			/* only now no run of this id can close any more */
			if (o->on_closed != ON_CLOSED_ALLOW &&
				find_closed(PointerGetDatum(e.namespace), PointerGetDatum(e.workflow_id), &last))
				check_closed(&e, o->on_closed, &last);
			run_id = e.run_id;
			if (!test_mode)
				warn_if_no_worker(caller);
			break;
		}
		if (settle_conflict(&e, o, &run_id))
		{
			*seq = START_EXISTING;
			break;
		}
		CHECK_FOR_INTERRUPTS();
		/* ids order the runs of a workflow: what closed meanwhile came before */
		fill_execution(&e, name, workflow, o, caller, settings);
	}
	store_end(&scope);
	MemoryContextSwitchTo(context);
	return run_id;
}

static Datum
uuid_datum(const pg_uuid_t *id)
{
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	*copy = *id;
	return UUIDPGetDatum(copy);
}

PG_FUNCTION_INFO_V1(wf_start);
Datum
wf_start(PG_FUNCTION_ARGS)
{
	StartOptions options;
	pg_uuid_t	run_id;
	int64		seq;

	refuse_in_code("wf_start()", "Use wf_child() or wf_start_child(), or start the other workflow in an activity.");
	start_options(fcinfo, START_OPTIONS, &options);
	txn_begin_relaxed();
	run_id = start_workflow(arg_id(fcinfo, 0, "workflow", true), arg_jsonb(fcinfo, 1), &options, &seq);
	txn_end_relaxed(TXN_PROMPT);
	if (seq == START_EXISTING)
		txn_wait_for_disk(true);
	return uuid_datum(&run_id);
}

void
already_closed(const char *id, RunStatus status)
{
	txn_wait_for_disk(false);
	ereport(ERROR,
			(errcode(ERRCODE_WF_ALREADY_CLOSED),
			 errmsg("workflow \"%s\" is already closed", id),
			 status != STATUS_RUNNING ? errdetail("Its status is %s.", status_name(status)) : 0));
}

/*
 * Is a signal to a closed run one that it was sent while it was open?
 */
static bool
took_signal(const pg_uuid_t *run_id, text *request_id)
{
	StoreScope	scope;
	bool		result;

	if (!request_id)
		return false;
	store_begin(&scope);
	result = mailbox_took_request(run_id, PointerGetDatum(request_id));
	store_end(&scope);
	return result;
}

/* wf_signal(id, signal, payload, run_id, request_id, namespace) */
PG_FUNCTION_INFO_V1(wf_signal);
Datum
wf_signal(PG_FUNCTION_ARGS)
{
	text	   *signal = arg_id(fcinfo, 1, "signal", true);
	Jsonb	   *payload = arg_jsonb(fcinfo, 2);
	text	   *request_id = arg_id(fcinfo, 4, "request_id", false);
	Found		run;
	bool		sent;

	refuse_in_code("wf_signal()", "Use wf_signal_external() instead.");
	payload_check(payload, "payload");
	do
	{
		StoreScope	scope;

		run = named_run(fcinfo, 0, 3, 5);
		if (run.status != STATUS_RUNNING && took_signal(&run.run_id, request_id))
			break;
		if (run.status != STATUS_RUNNING)
			already_closed(text_to_cstring(PG_GETARG_TEXT_PP(0)), run.status);
		store_begin(&scope);
		sent = run_signal(&run, signal, payload, request_id);
		store_end(&scope);
		CHECK_FOR_INTERRUPTS();
	} while (!sent);			/* it closed while we waited: look again */
	PG_RETURN_VOID();
}

/* wf_signal_with_start(workflow, id, signal, payload, input, ...options but id) */
PG_FUNCTION_INFO_V1(wf_signal_with_start);
Datum
wf_signal_with_start(PG_FUNCTION_ARGS)
{
	StartOptions options;
	text	   *name = arg_id(fcinfo, 0, "workflow", true);
	text	   *signal = arg_id(fcinfo, 2, "signal", true);
	Jsonb	   *payload = arg_jsonb(fcinfo, 3);
	pg_uuid_t	closed = {0};	/* the run of the round before */

	refuse_in_code("wf_signal_with_start()", "Signal the other workflow in an activity.");
	payload_check(payload, "payload");
	start_options(fcinfo, SIGNAL_START_OPTIONS, &options);
	options.id = arg_id(fcinfo, 1, "id", true);
	for (;;)
	{
		Found		run;
		int64		seq;
		StoreScope	scope;
		bool		sent;
		text	   *request_id = options.request_id;

		run.run_id = start_workflow(name, arg_jsonb(fcinfo, 4), &options, &seq);
		store_begin(&scope);
		sent = find_run(&run.run_id, &run) && run_signal(&run, signal, payload, request_id);
		store_end(&scope);
		if (sent || (seq == START_EXISTING && took_signal(&run.run_id, request_id)))
			return uuid_datum(&run.run_id);
		/* twice the same: it is the run of that request, and closed by now */
		if (uuid_equal(&closed, &run.run_id))
			already_closed(text_to_cstring(options.id), run.status);
		closed = run.run_id;
		CHECK_FOR_INTERRUPTS();
	}
}

/* wf_execute(workflow, input, INOUT result, ...options) */
PG_FUNCTION_INFO_V1(wf_execute);
Datum
wf_execute(PG_FUNCTION_ARGS)
{
	StartOptions options;
	Found		run = {.status = STATUS_RUNNING};
	Oid			owner = GetUserId();
	int64		seq;
	MemoryContext context = CurrentMemoryContext;

	refuse_in_code("wf_execute()", "Use wf_child() instead.");
	procedure_begin(fcinfo, "wf_execute()");
	durable_check_identity();
	start_options(fcinfo, EXECUTE_OPTIONS, &options);
	txn_begin_relaxed();
	run.run_id = start_workflow(arg_id(fcinfo, 0, "workflow", true), arg_jsonb(fcinfo, 1), &options, &seq);
	/* the caller is not told of it before its result */
	txn_end_relaxed(TXN_REPEATED);
	if (seq > 0)
		txn_keep_mail(owner, seq);
	SPI_commit();
	if (seq > 0)
	{
		/* should this session fail, others have to know of the mail */
		txn_keep_mail(owner, seq);
		durable_drive_run(owner, &run.run_id);
	}
	txn_settle();
	procedure_go_on();
	MemoryContextSwitchTo(context);
	return procedure_end(fcinfo, await_result(&run, options.id ? text_to_cstring(options.id) :
											  uuid_to_cstring(&run.run_id), PG_INT64_MAX));
}

/*
 * wf_listen_workflow(id, namespace): runs of an id that is not in use are the
 * caller's own once they come
 */
PG_FUNCTION_INFO_V1(wf_listen_workflow);
Datum
wf_listen_workflow(PG_FUNCTION_ARGS)
{
	text	   *id = arg_id(fcinfo, 0, "id", true);
	text	   *namespace = arg_namespace(fcinfo, 1);
	Oid			owner = GetUserId();
	Found		run;
	StoreScope	scope;
	bool		found;
	uint64		key;
	char	   *channel;

	refuse_in_code("wf_listen_workflow()", NULL);
	store_begin(&scope);
	found = find_latest(PointerGetDatum(namespace), PointerGetDatum(id), &run);
	store_end(&scope);
	if (found)
	{
		check_owner(owner, run.owner, text_to_cstring(id));
		owner = run.owner;
	}
	key = notify_key(owner, namespace, id);
	channel = notify_channel(key);
	notify_listen("wf_listen_workflow()", channel);
	return CStringGetTextDatum(channel);
}

/*
 * The ways to end a run: false where it is closed.  *acted: it was not asked to
 * before.
 */
static bool
cancel_run(const Found *run, text *reason, bool *acted)
{
	bool		asked;
	bool		open = run_cancel(run, reason, &asked);

	*acted = open && !asked;
	return open;
}

static bool
terminate_run(const Found *run, text *reason, bool *acted)
{
	return *acted = run_terminate(&run->run_id, reason);
}

/*
 * End a run in one of these ways.  If the run closes while we wait for it,
 * another may have taken its place.
 */
static bool
end_run(FunctionCallInfo fcinfo, bool (*end) (const Found *run, text *reason, bool *acted))
{
	text	   *reason = arg_text(fcinfo, 1, "reason", false);

	for (;;)
	{
		Found		run = named_run(fcinfo, 0, 2, 3);
		StoreScope	scope;
		bool		done;
		bool		acted;

		if (run.status != STATUS_RUNNING)
			return false;
		store_begin(&scope);
		done = end(&run, reason, &acted);
		store_end(&scope);
		if (done && !acted)
			txn_wait_for_disk(true);
		if (done)
			return acted;
		CHECK_FOR_INTERRUPTS();
	}
}

/* wf_cancel(id, reason, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_cancel);
Datum
wf_cancel(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_cancel()", "Use wf_cancel_external() instead.");
	PG_RETURN_BOOL(end_run(fcinfo, cancel_run));
}

/* wf_terminate(id, reason, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_terminate);
Datum
wf_terminate(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_terminate()", "Terminate the other workflow in an activity.");
	PG_RETURN_BOOL(end_run(fcinfo, terminate_run));
}

/*
 * wf_delete(id, run_id, namespace): terminates a run that is open, and deletes
 * all there is of it
 */
PG_FUNCTION_INFO_V1(wf_delete);
Datum
wf_delete(PG_FUNCTION_ARGS)
{
	Found		run;
	StoreScope	scope;

	refuse_in_code("wf_delete()", "Delete the other workflow in an activity.");
	run = named_run(fcinfo, 0, 1, 2);
	store_begin(&scope);
	if (run.status == STATUS_RUNNING)
		(void) run_terminate(&run.run_id, cstring_to_text("deleted"));
	execution_delete_closed(&run.run_id);
	store_end(&scope);
	PG_RETURN_BOOL(true);
}

/* durable.find_run(id, run_id, namespace): the run a call means */
PG_FUNCTION_INFO_V1(durable_find_run);
Datum
durable_find_run(PG_FUNCTION_ARGS)
{
	Found		run = named_run(fcinfo, 0, 1, 2);

	return uuid_datum(&run.run_id);
}
