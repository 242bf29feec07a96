/*-------------------------------------------------------------------------
 *
 * child_command.h
 *	  Children that workflow code starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CHILD_COMMAND_H
#define DURABLE_CHILD_COMMAND_H

#include "child.h"
#include "start.h"
#include "turn.h"

/* What a wait for a child does when its workflow is cancelled */
typedef enum ChildCancellation
{
	CHILD_WAIT,					/* asks the child to cancel itself, and waits for its end */
	CHILD_WAIT_REQUESTED,		/* asks, and goes on */
	CHILD_TRY_CANCEL,			/* the same: the request is delivered with the turn */
	CHILD_ABANDON				/* goes on */
} ChildCancellation;

typedef struct ChildRequest
{
	text	   *workflow;
	Jsonb	   *input;			/* this and the options are not needed of one that is recorded */
	StartOptions options;
	ParentClosePolicy policy;
	ChildCancellation cancellation;
} ChildRequest;

/* A child whose start is written with the turn */
typedef struct ChildStart
{
	Execution	execution;
	int			event;			/* of the parent, has the input */
	TimestampTz not_before;		/* 0: at once */
	OnClosed	on_closed;
} ChildStart;

extern bool command_is_new(Turn *turn);
extern int32 command_child_start(Turn *turn, const ChildRequest *request);
extern Jsonb *command_child_outcome(Turn *turn, Command *command);
extern void command_child_cancel(Turn *turn, int32 command);
extern Jsonb *command_child(Turn *turn, const ChildRequest *request);

#endif							/* DURABLE_CHILD_COMMAND_H */
