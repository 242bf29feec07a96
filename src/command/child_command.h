/*-------------------------------------------------------------------------
 *
 * child_command.h
 *	  Children that workflow code starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CHILD_COMMAND_H
#define DURABLE_CHILD_COMMAND_H

#include "run/child.h"
#include "run/start.h"
#include "store/activity.h"
#include "store/execution.h"
#include "turn/turn.h"

typedef struct ChildRequest
{
	text	   *workflow;
	Jsonb	   *input;			/* this and the options are not needed of one that is recorded */
	StartOptions options;
	ParentClosePolicy policy;
	Cancellation cancellation;	/* what a cancelled workflow does */
} ChildRequest;

/* A child whose start is written with the turn */
typedef struct ChildStart
{
	Execution	execution;
	int			event;			/* of the parent, has the input */
	TimestampTz not_before;		/* 0: at once */
	OnClosed	on_closed;
} ChildStart;

extern bool command_child_is_new(Turn *turn, const text *workflow);
extern int32 command_child_start(Turn *turn, const ChildRequest *request);
extern Jsonb *command_child_outcome(Turn *turn, Command *command);
extern Jsonb *command_child(Turn *turn, const ChildRequest *request);

#endif							/* DURABLE_CHILD_COMMAND_H */
