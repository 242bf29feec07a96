/*-------------------------------------------------------------------------
 *
 * api_saga.c
 *	  What workflow code calls: compensations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/activity_args.h"
#include "api/options.h"
#include "command/saga.h"
#include "fmgr.h"
#include "turn/leave.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * The function of a compensation must be there when it is registered, not
 * only when it is needed; a missing one is a deploy to be completed
 */
static Oid
find_function(Turn *turn, text *name)
{
	Oid			function = turn_resolve(turn, text_to_cstring(name));

	if (!OidIsValid(function))
		turn_refuse(ERRCODE_UNDEFINED_FUNCTION,
					psprintf("function \"%s\" of a compensation does not exist", text_to_cstring(name)),
					"Create it, and the run goes on.");
	return function;
}

/* wf_compensate(activity, input, task_queue, mode ...) */
PG_FUNCTION_INFO_V1(wf_compensate);
Datum
wf_compensate(PG_FUNCTION_ARGS)
{
	Turn	   *turn = turn_in_code("wf_compensate()");
	text	   *name = arg_id(fcinfo, 0, "activity", true);
	ActivityPlace place = activity_place(fcinfo, 2, ACTIVITY_INLINE);
	Compensation c;

	memset(&c, 0, sizeof(c));
	c.queued = place != ACTIVITY_INLINE;
	if (c.queued)
	{
		activity_task(fcinfo, 2, name, place == ACTIVITY_EXTERNAL, &c.task);
		c.task.input = activity_input(fcinfo, 1);
		if (place == ACTIVITY_QUEUED)
			(void) find_function(turn, name);
	}
	else
	{
		activity_step(fcinfo, 2, name, &c.step);
		c.step.input = activity_input(fcinfo, 1);
		c.step.function = find_function(turn, name);
	}
	saga_register(turn, &c);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_run_compensations);
Datum
wf_run_compensations(PG_FUNCTION_ARGS)
{
	saga_run(turn_in_code("wf_run_compensations()"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(wf_clear_compensations);
Datum
wf_clear_compensations(PG_FUNCTION_ARGS)
{
	saga_clear(turn_in_code("wf_clear_compensations()"));
	PG_RETURN_VOID();
}
