/*-------------------------------------------------------------------------
 *
 * api_control.c
 *	  What operators do with workflows: pause, unpause.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "named_run.h"
#include "options.h"
#include "pausing.h"

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
