/*-------------------------------------------------------------------------
 *
 * api_operator.c
 *	  What those who run the engine call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/named_run.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/extension.h"
#include "batch/drive.h"
#include "call/unwind.h"
#include "catalog/pg_authid.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fence/fence_rules.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "process/why.h"
#include "run/due.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/trouble.h"
#include "shared/txn.h"
#include "storage/proc.h"
#include "store/execution.h"
#include "store/identity.h"
#include "store/store.h"
#include "task/sqltask.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(durable_status_name);
Datum
durable_status_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(status_name((RunStatus) PG_GETARG_INT16(0))));
}

/*
 * May this session drive the engine?
 */
static void
check_driver(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (!context || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wf_work() cannot run inside a transaction block"),
				 errhint("It commits between turns; call it by itself.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wf_work() needs isolation level read committed")));
	if (GetUserId() != GetSessionUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("wf_work() runs workflows of the session's role only"),
				 errdetail("Code of role \"%s\" could reset the role to \"%s\".",
						   GetUserNameFromId(GetUserId(), false),
						   GetUserNameFromId(GetSessionUserId(), false)),
				 errhint("Connect as that role.")));
}

/*
 * wf_work(max_turns, max_time): take turns until nothing is left to do now
 */
PG_FUNCTION_INFO_V1(wf_work);
Datum
wf_work(PG_FUNCTION_ARGS)
{
	Oid			owner = GetUserId();
	int			max_turns = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
	Interval   *max_time = arg_interval(fcinfo, 1, "max_time");
	TimestampTz until = max_time ? GetCurrentTimestamp() + durable_interval_usecs(max_time) : DT_NOEND;
	int			turns = 0;
	int			tasks = 0;
	Queue	   *queue;
	Driver	   *driver;
	DriveResult result;

	if (max_turns < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"max_turns\" must not be negative: %d", max_turns)));
	refuse_in_code("wf_work()", NULL);
	check_driver(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	(void) durable_lock_installed();
	durable_check_version();
	durable_check_identity();
	queue = durable_queue(owner);
	if (!queue)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many roles and databases have workflows")));
	driver = driver_make(owner);
	queue_release_all(queue);
	if (!shared)
		queue_lower(queue, 0);
	do
	{
		Due			due;

		if (durable_lock_installed())
		{
			due_begin(&due, DT_NOBEGIN);
			(void) due_deal(&due);
		}
		SPI_commit();
		result = durable_drive(driver, &turns);
		if (result == DRIVE_IDLE)
			result = sqltask_drive_all(owner, &tasks);
		if (result == DRIVE_GONE)
		{
			durable_check_version();	/* say so */
			durable_check_identity();
		}
		if (result == DRIVE_FAILED)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("workflows cannot be run"),
					 errdetail("%s", trouble_why() ? trouble_why() : "The server's log tells why.")));
		CHECK_FOR_INTERRUPTS();
	} while ((result == DRIVE_BUSY || result == DRIVE_MORE) &&
			 (max_turns == 0 || turns < max_turns) && GetCurrentTimestamp() < until);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * wf_adopt(): this database takes over runs that came with a dump or a copy
 */
PG_FUNCTION_INFO_V1(wf_adopt);
Datum
wf_adopt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(durable_adopt_identity());
}

/* durable.why_nothing_runs(): what keeps everything in this database from being run */
PG_FUNCTION_INFO_V1(durable_why_nothing_runs);
Datum
durable_why_nothing_runs(PG_FUNCTION_ARGS)
{
	char	   *why = why_nothing_runs();

	if (!why)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(why));
}

/* durable.why_no_worker(owner, activities): what keeps a role's runs from being run */
PG_FUNCTION_INFO_V1(durable_why_no_worker);
Datum
durable_why_no_worker(PG_FUNCTION_ARGS)
{
	char	   *why = why_no_worker(PG_GETARG_OID(0), PG_GETARG_BOOL(1));

	if (!why)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(why));
}

/*
 * A copy of the slots in use, with the pids of their processes: whose they are is
 * asked without a lock.
 */
static int
copy_slots(Slot *slots, int *pids)
{
	int			n = 0;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
		if (shared->slots[i].in_use)
		{
			slots[n] = shared->slots[i];
			pids[n] = slots[n].proc ? slots[n].proc->pid : 0;
			n++;
		}
	LWLockRelease(shared->directory);
	return n;
}

/*
 * durable.workers(): the engine's processes that the caller may see.  A
 * scheduler is nobody's, and everybody's of its database.
 */
PG_FUNCTION_INFO_V1(durable_workers);
Datum
durable_workers(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"scheduler", "worker", "activity_worker"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Slot	   *slots = palloc(MAX_SLOTS * sizeof(Slot));
	int		   *pids = palloc(MAX_SLOTS * sizeof(int));
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (!shared)
		return (Datum) 0;
	n = copy_slots(slots, pids);
	for (int i = 0; i < n; i++)
	{
		Slot	   *slot = &slots[i];
		bool		open = slot->kind == SLOT_SCHEDULER && slot->dbid == MyDatabaseId;
		Datum		values[7] = {0};
		bool		nulls[7] = {0};

		if (!open && !sees_processes_of(slot->kind == SLOT_SCHEDULER ? BOOTSTRAP_SUPERUSERID : slot->owner))
			continue;
		values[0] = CStringGetTextDatum(kinds[slot->kind]);
		values[1] = ObjectIdGetDatum(slot->dbid);
		values[2] = ObjectIdGetDatum(slot->owner);
		nulls[2] = slot->kind == SLOT_SCHEDULER;
		values[3] = Int32GetDatum(pids[i]);
		nulls[3] = slot->proc == NULL;
		values[4] = CStringGetTextDatum(!slot->proc ? "starting" : slot->idle ? "idle" : "busy");
		values[5] = Int64GetDatum(slot->turns);
		values[6] = TimestampTzGetDatum(slot->last_turn_at);
		nulls[6] = slot->last_turn_at == 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * durable.fence_rules(): which functions of pg_catalog workflow code may call
 */
PG_FUNCTION_INFO_V1(durable_fence_rules);
Datum
durable_fence_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const FenceRule *rule;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; (rule = fence_rule(i)) != NULL; i++)
	{
		Datum		values[6] = {0};
		bool		nulls[6] = {0};

		values[0] = CStringGetTextDatum(rule->names);
		values[1] = Int32GetDatum(rule->nargs);
		nulls[1] = rule->nargs == 0;
		values[2] = ObjectIdGetDatum(rule->argtype);
		nulls[2] = !OidIsValid(rule->argtype);
		values[3] = BoolGetDatum(rule->allowed);
		values[4] = CStringGetTextDatum(rule->why);
		nulls[5] = rule->instead == NULL;
		if (rule->instead)
			values[5] = CStringGetTextDatum(rule->instead);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * durable.identity_came(): a restored dump brings the identity of the runs in
 * it by COPY, after the scheduler has seen an empty table
 */
PG_FUNCTION_INFO_V1(durable_identity_came);
Datum
durable_identity_came(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("durable.identity_came() is a trigger function")));
	txn_identity_changed();
	if (!durable_identity_matches())
		txn_extension_changed();
	return PointerGetDatum(NULL);
}

/*
 * durable.replicated(): a run, or what there is one of in a database, is about to
 * be inserted by who applies changes of another one (session_replication_role);
 * our own statements say nothing new.  The latter is not for this database.
 */
PG_FUNCTION_INFO_V1(durable_replicated);
Datum
durable_replicated(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("durable.replicated() is a trigger function")));
	if (store_executing)
		return PointerGetDatum(trigger->tg_trigtuple);
	durable_note_replicated();
	if (strcmp(RelationGetRelationName(trigger->tg_relation), "execution") == 0)
		return PointerGetDatum(trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}
