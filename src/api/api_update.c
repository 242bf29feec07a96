/*-------------------------------------------------------------------------
 *
 * api_update.c
 *	  Updates: what clients, workflow code and those who register workflows call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "api/api_client.h"
#include "api/api_wait.h"
#include "api/named_run.h"
#include "api/options.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/testmode.h"
#include "base/text.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/procedure.h"
#include "call/running.h"
#include "code/validate.h"
#include "command/update_command.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "run/start.h"
#include "shared/durability.h"
#include "shared/shmem.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/update.h"
#include "store/workflow_type.h"
#include "tcop/utility.h"
#include "turn/leave.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "update/update_client.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

/* Arguments that hold the options in wf_update_with_start, see start_options() */
#define UPDATE_START_OPTIONS	5

PG_FUNCTION_INFO_V1(durable_update_state_name);
Datum
durable_update_state_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(update_state_name((UpdateState) PG_GETARG_INT16(0))));
}

/*
 * The arguments of an update: an empty object where there are none
 */
static Jsonb *
arg_args(FunctionCallInfo fcinfo, int arg)
{
	Jsonb	   *args = arg_jsonb(fcinfo, arg);

	if (!args)
	{
		JsonBuilder b;

		json_begin(&b);
		args = json_end(&b);
	}
	payload_check(args, "args");
	return args;
}

static text *
arg_update_id(FunctionCallInfo fcinfo, int arg)
{
	text	   *id = arg_id(fcinfo, arg, "update_id", false);

	return id ? id : cstring_to_text(uuid_to_cstring(DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0))));
}

/*
 * Can this session wait for an answer from this run?
 */
static void
check_may_wait(const Found *run, const char *workflow_id)
{
	if (run->status == STATUS_RUNNING && run->ours && !test_mode_has_run(&run->run_id))
		ereport(ERROR,
				(errcode(ERRCODE_WF_OWN_TRANSACTION),
				 errmsg("workflow \"%s\" was started in this transaction and cannot run before its commit", workflow_id),
				 errhint("Send the update with wait_for => 'admitted', commit, then ask for its answer by its update_id.")));
	if (current_turn && uuid_equal(&current_turn->execution->run_id, &run->run_id))
		ereport(ERROR,
				(errcode(ERRCODE_WF_FENCED),
				 errmsg("a step cannot wait for the workflow it is part of"),
				 errhint("Run the activity with mode => 'queued', or send the update with wait_for => 'admitted'.")));
}

/*
 * Can this session have an update committed by the scheduler?
 */
static void
check_may_send(void)
{
	PreventCommandDuringRecovery("wf_update()");
	PreventCommandIfReadOnly("wf_update()");
	if (!shared)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("wf_update() cannot wait, since durable is not in shared_preload_libraries"),
				 errhint("Send the update with wait_for => 'admitted', commit, then ask for its answer by its update_id.")));
}

/*
 * Request the update, unless it was requested before.  *run is the run that
 * the call names, and is looked up again where it closes meanwhile.
 */
static void
request(FunctionCallInfo fcinfo, int run_id_arg, Found *run, const UpdateCall *call)
{
	Update		known;

	for (;;)
	{
		*run = named_run(fcinfo, 0, run_id_arg, run_id_arg + 1);
		if (call->stage != STAGE_ADMITTED)
			check_may_wait(run, call->workflow_id);
		if (update_call_find(run, call, &known))
		{
			if (call->stage != STAGE_ADMITTED && known.ours && !test_mode_has_run(&run->run_id))
				ereport(ERROR,
						(errcode(ERRCODE_WF_OWN_TRANSACTION),
						 errmsg("update \"%s\" was sent in this transaction and cannot be answered before its commit",
								text_to_cstring(call->update_id)),
						 errhint("Commit first, then ask for its answer.")));
			/* who waits for it had it sent by a commit that does not (errand.c) */
			if (call->stage == STAGE_ADMITTED)
				txn_wait_for_disk(true);
			return;
		}
		if (run->status != STATUS_RUNNING)
			already_closed(call->workflow_id, run->status);
		if (call->stage != STAGE_ADMITTED && !call->commits && !test_mode_has_run(&run->run_id))
			check_may_send();
		validate_update(run, call->workflow_id, call->update, call->args);
		if (update_call_send(run, call))
			return;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * The arguments id, update and args are the first three, update_id and wait_for
 * follow from `first' on
 */
static UpdateCall
update_call(FunctionCallInfo fcinfo, int first)
{
	static const char *const stages[] = {"admitted", "accepted", "completed"};
	UpdateCall	call = {0};

	call.workflow_id = text_to_cstring(arg_id(fcinfo, 0, "id", true));
	call.update = arg_id(fcinfo, 1, "update", true);
	call.args = arg_args(fcinfo, 2);
	call.update_id = arg_update_id(fcinfo, first);
	call.stage = (UpdateStage) arg_choice(fcinfo, first + 1, "wait_for", stages, lengthof(stages));
	return call;
}

/* wf_update(id, update, args, update_id, wait_for, timeout, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_update);
Datum
wf_update(PG_FUNCTION_ARGS)
{
	UpdateCall	call;
	Found		run;
	Jsonb	   *result;

	refuse_in_code("wf_update()", "Update the other workflow in an activity.");
	call = update_call(fcinfo, 3);
	call.until = deadline_of(fcinfo, 5, false);
	request(fcinfo, 6, &run, &call);
	if (test_mode_has_run(&run.run_id))
		call.until = deadline_of(fcinfo, 5, true);
	result = call.stage == STAGE_ADMITTED ? NULL : update_call_await(&run, &call);
	if (!result)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* wf_await_update(id, update, args, INOUT result, update_id, wait_for, timeout, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_await_update);
Datum
wf_await_update(PG_FUNCTION_ARGS)
{
	UpdateCall	call;
	Found		run;

	refuse_in_code("wf_await_update()", "Update the other workflow in an activity.");
	procedure_begin(fcinfo, "wf_await_update()");
	procedure_go_on();
	call = update_call(fcinfo, 4);
	call.until = deadline_of(fcinfo, 6, false);
	call.commits = true;
	request(fcinfo, 7, &run, &call);
	procedure_go_on();
	return procedure_end(fcinfo, call.stage == STAGE_ADMITTED ? NULL : update_call_await(&run, &call));
}

/*
 * Has this update been requested before, of the run that is open or was the last?
 * Then nothing is started.
 */
static bool
requested_before(const StartOptions *options, const UpdateCall *call)
{
	Found		run;
	Update		known;
	StoreScope	scope;
	bool		found;

	store_begin(&scope);
	found = find_latest(PointerGetDatum(options->namespace), PointerGetDatum(options->id), &run);
	store_end(&scope);
	if (!found || !has_privs_of_role(GetUserId(), run.owner) || !update_call_find(&run, call, &known))
		return false;
	txn_wait_for_disk(true);
	return true;
}

/* wf_update_with_start(workflow, id, update, args, input, update_id, ...options but id) */
PG_FUNCTION_INFO_V1(wf_update_with_start);
Datum
wf_update_with_start(PG_FUNCTION_ARGS)
{
	StartOptions options;
	text	   *name = arg_id(fcinfo, 0, "workflow", true);
	UpdateCall	call = {.stage = STAGE_ADMITTED};

	refuse_in_code("wf_update_with_start()", "Update the other workflow in an activity.");
	start_options(fcinfo, UPDATE_START_OPTIONS, &options);
	options.id = arg_id(fcinfo, 1, "id", true);
	call.workflow_id = text_to_cstring(options.id);
	call.update = arg_id(fcinfo, 2, "update", true);
	call.args = arg_args(fcinfo, 3);
	call.update_id = arg_update_id(fcinfo, 5);
	if (!PG_ARGISNULL(5) && requested_before(&options, &call))
		PG_RETURN_TEXT_P(call.update_id);
	for (;;)
	{
		Found		run;
		Update		known;
		StoreScope	scope;
		int64		seq;
		bool		found;

		run.run_id = start_workflow(name, arg_jsonb(fcinfo, 4), &options, &seq);
		store_begin(&scope);
		found = find_run(&run.run_id, &run);
		store_end(&scope);
		if (found && update_call_find(&run, &call, &known))
		{
			txn_wait_for_disk(true);
			break;
		}
		if (found && run.status == STATUS_RUNNING)
		{
			validate_update(&run, call.workflow_id, call.update, call.args);
			if (update_call_send(&run, &call))
				break;
		}
		/* with a request id, the run of that request may be closed by now */
		else if (options.request_id)
			already_closed(call.workflow_id, run.status);
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_TEXT_P(call.update_id);
}

/*
 * An update for workflow code: (update_id, name, args), all of them NULL where
 * there is none.  A NULL instead of that row has no columns in PL/pgSQL.
 */
static Datum
update_row(FunctionCallInfo fcinfo, Turn *turn, const UpdateRequest *update)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (update)
	{
		Event	   *event = &turn->history.events[update->event];

		values[0] = CStringGetTextDatum(update->id);
		values[1] = PointerGetDatum(event->name);
		values[2] = PointerGetDatum(turn_event_payload(event));
		nulls[0] = nulls[1] = false;
		nulls[2] = values[2] == 0;
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* wf_next_update(update, timeout) */
PG_FUNCTION_INFO_V1(wf_next_update);
Datum
wf_next_update(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_next_update()");
	text	   *name = arg_id(fcinfo, 0, "update", false);

	return update_row(fcinfo, turn, command_next_update(turn, name, arg_interval(fcinfo, 1, "timeout")));
}

/* wf_poll_update(update) */
PG_FUNCTION_INFO_V1(wf_poll_update);
Datum
wf_poll_update(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_poll_update()");

	return update_row(fcinfo, turn, command_poll_update(turn, arg_id(fcinfo, 0, "update", false)));
}

/* wf_reply(update_id, result) */
PG_FUNCTION_INFO_V1(wf_reply);
Datum
wf_reply(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_reply()");

	command_reply(turn, text_to_cstring(arg_id(fcinfo, 0, "update_id", true)), arg_jsonb(fcinfo, 1));
	PG_RETURN_VOID();
}

/* wf_reject(update_id, message) */
PG_FUNCTION_INFO_V1(wf_reject);
Datum
wf_reject(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_reject()");

	command_reject(turn, text_to_cstring(arg_id(fcinfo, 0, "update_id", true)),
				   text_to_cstring(arg_text(fcinfo, 1, "message", true)));
	PG_RETURN_VOID();
}

/*
 * Validators as given: functions by the names of their updates.  Returns the
 * same with the functions' full names.
 */
static Jsonb *
resolve_validators(Jsonb *given)
{
	JsonBuilder b;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *update = NULL;

	json_begin(&b);
	if (!given)
		return json_end(&b);
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"validators\" must be a JSON object"),
				 errdetail("Its keys are names of updates, its values names of functions.")));
	it = JsonbIteratorInit(&given->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			update = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
		{
			Callable   *validator;

			if (v.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("validator of update \"%s\" must be the name of a function", update)));
			validator = callable_get(callable_resolve(pnstrdup(v.val.string.val, v.val.string.len), false));
			if (validator->procedure || validator->retset)
				ereport(ERROR,
						(errcode(ERRCODE_WRONG_OBJECT_TYPE),
						 errmsg("validator %s is not a function that returns one value", validator->name),
						 errhint("It raises an error, or returns false or why the update is not valid.")));
			json_add_text(&b, update, validator->name);
		}
	}
	return json_end(&b);
}

static Oid
function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* wf_register_workflow(name, versioning, max_duration, validators, namespace) */
PG_FUNCTION_INFO_V1(wf_register_workflow);
Datum
wf_register_workflow(PG_FUNCTION_ARGS)
{
	static const char *const versionings[] = {"pinned"};
	Callable   *workflow = callable_get(callable_resolve(text_to_cstring(arg_id(fcinfo, 0, "name", true)), false));
	WorkflowType type = {.function = cstring_to_text(workflow->name)};
	StoreScope	scope;

	refuse_in_code("wf_register_workflow()", NULL);
	(void) arg_choice(fcinfo, 1, "versioning", versionings, lengthof(versionings));
	if (!PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"max_duration\" is not supported yet")));
	type.validators = resolve_validators(arg_jsonb(fcinfo, 3));
	type.namespace = arg_namespace(fcinfo, 4);
	type.owner = function_owner(workflow->oid);
	if (!has_privs_of_role(GetUserId(), type.owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FUNCTION, workflow->name);
	store_begin(&scope);
	workflow_type_set(&type);
	store_end(&scope);
	PG_RETURN_VOID();
}
