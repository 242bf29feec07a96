/*-------------------------------------------------------------------------
 *
 * external.h
 *	  Signals and cancel requests from one workflow to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXTERNAL_H
#define DURABLE_EXTERNAL_H

#include "store/history.h"
#include "turn/turn.h"

typedef struct ExternalRequest
{
	EventType	initiated;		/* EVENT_SIGNAL_EXTERNAL_INITIATED or EVENT_CANCEL_EXTERNAL_INITIATED */
	text	   *workflow_id;
	pg_uuid_t  *run_id;			/* NULL: the open run of that id */
	text	   *name;			/* the signal, or the reason or NULL */
	Jsonb	   *payload;
} ExternalRequest;

extern void command_external(Turn *turn, const ExternalRequest *request);
extern StepEnd external_step(Turn *turn);

#endif							/* DURABLE_EXTERNAL_H */
