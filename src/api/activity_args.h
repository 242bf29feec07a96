/*-------------------------------------------------------------------------
 *
 * activity_args.h
 *	  The arguments that describe an activity, which several calls take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ACTIVITY_ARGS_H
#define DURABLE_ACTIVITY_ARGS_H

#include "fmgr.h"
#include "store/activity.h"
#include "turn/turn.h"

typedef enum ActivityPlace
{
	ACTIVITY_INLINE,			/* a step of the turn */
	ACTIVITY_QUEUED,			/* for SQL activity workers */
	ACTIVITY_EXTERNAL
} ActivityPlace;

extern ActivityPlace activity_place(FunctionCallInfo fcinfo, int first, ActivityPlace usual);
extern Jsonb *activity_input(FunctionCallInfo fcinfo, int arg);
extern void activity_step(FunctionCallInfo fcinfo, int first, text *name, StepRequest *step);
extern void activity_task(FunctionCallInfo fcinfo, int first, text *name, bool external, TaskRequest *request);
extern uint32 activity_changes(FunctionCallInfo fcinfo, Activity *values);

#endif							/* DURABLE_ACTIVITY_ARGS_H */
