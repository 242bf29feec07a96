/*-------------------------------------------------------------------------
 *
 * api_control.c
 *	  What operators do with workflows: pause, unpause, reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/named_run.h"
#include "api/options.h"
#include "base/compat.h"
#include "batch/reset.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "run/owner.h"
#include "run/pausing.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

/*
 * Change an open run, by a function of its id.  If the run closes while we wait
 * for it, another may have taken its place.
 */
static bool
change_run(FunctionCallInfo fcinfo, int run_id_arg, bool (*change) (const pg_uuid_t *run_id, text *reason), text *reason)
{
	for (;;)
	{
		Found		run = named_run(fcinfo, 0, run_id_arg, run_id_arg + 1);
		StoreScope	scope;
		bool		done;
		bool		open;

		if (run.status != STATUS_RUNNING)
			return false;
		store_begin(&scope);
		done = change(&run.run_id, reason);
		open = done || execution_is_open(&run.run_id);
		store_end(&scope);
		if (open)
			return done;
		CHECK_FOR_INTERRUPTS();
	}
}

/* wf_pause(id, reason, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_pause);
Datum
wf_pause(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_pause()", "Pause the other workflow in an activity.");
	PG_RETURN_BOOL(change_run(fcinfo, 2, run_pause, arg_text(fcinfo, 1, "reason", false)));
}

static bool
unpause(const pg_uuid_t *run_id, text *reason)
{
	return run_unpause(run_id);
}

/* wf_unpause(id, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_unpause);
Datum
wf_unpause(PG_FUNCTION_ARGS)
{
	refuse_in_code("wf_unpause()", "Unpause the other workflow in an activity.");
	PG_RETURN_BOOL(change_run(fcinfo, 1, unpause, NULL));
}

/*
 * What is sent again: an array of 'signal' and 'update'
 */
static void
reapply(FunctionCallInfo fcinfo, int arg, Reset *reset)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n = 0;

	if (!PG_ARGISNULL(arg))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *kind = nulls[i] ? "" : TextDatumGetCString(elements[i]);

		if (strcmp(kind, "signal") == 0)
			reset->signals = true;
		else if (strcmp(kind, "update") == 0)
			reset->updates = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized element \"%s\" of \"reapply\"", kind),
					 errhint("Valid values are: signal, update.")));
	}
}

/*
 * wf_reset(id, to_event, point, reason, reapply, run_id, namespace, code)
 */
PG_FUNCTION_INFO_V1(wf_reset);
Datum
wf_reset(PG_FUNCTION_ARGS)
{
	static const char *const points[] = {"first", "last", "last_failure", "last_continue_as_new"};
	static const char *const codes[] = {"current", "same"};
	Reset		reset = {.point = RESET_TO_EVENT, .caller = GetUserId(), .reason = arg_text(fcinfo, 3, "reason", false)};
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	bool		done;

	refuse_in_code("wf_reset()", "Reset the other workflow in an activity.");
	if (PG_ARGISNULL(1) == PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("either \"to_event\" or \"point\" must be given")));
	if (PG_ARGISNULL(1))
		reset.point = (ResetPoint) arg_choice(fcinfo, 2, "point", points, lengthof(points));
	else
		reset.to_event = PG_GETARG_INT64(1);
	reapply(fcinfo, 4, &reset);
	reset.same_code = arg_choice(fcinfo, 7, "code", codes, lengthof(codes)) == 1;
	do
	{
		Found		run = named_run(fcinfo, 0, 5, 6);
		StoreScope	scope;

		store_begin(&scope);
		done = run_reset(&run, &reset, result);
		store_end(&scope);
		CHECK_FOR_INTERRUPTS();
	} while (!done);			/* it closed while we waited: look again */
	PG_RETURN_UUID_P(result);
}

/* wf_change_owner(id, new_owner, run_id, namespace) */
PG_FUNCTION_INFO_V1(wf_change_owner);
Datum
wf_change_owner(PG_FUNCTION_ARGS)
{
	Oid			owner = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	bool		closed_meanwhile;
	bool		done;

	refuse_in_code("wf_change_owner()", "Give the other workflow away in an activity.");
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", owner)));
	do
	{
		Found		run = named_run(fcinfo, 0, 2, 3);
		StoreScope	scope;

		check_can_set_role(GetUserId(), owner);
		store_begin(&scope);
		done = run_change_owner(&run, owner, &closed_meanwhile);
		store_end(&scope);
		CHECK_FOR_INTERRUPTS();
	} while (closed_meanwhile);
	PG_RETURN_BOOL(done);
}
