/*-------------------------------------------------------------------------
 *
 * update_client.h
 *	  An update, as its client sees it: sending it, and waiting for the answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPDATE_CLIENT_H
#define DURABLE_UPDATE_CLIENT_H

#include "store/find.h"
#include "store/update.h"

/* How far the client waits. */
typedef enum UpdateStage
{
	STAGE_ADMITTED,				/* not at all: it goes with the client's transaction */
	STAGE_ACCEPTED,
	STAGE_COMPLETED
} UpdateStage;

typedef struct UpdateCall
{
	const char *workflow_id;	/* for messages */
	text	   *update;
	text	   *update_id;
	Jsonb	   *args;
	UpdateStage stage;
	int64		until;			/* by durable_monotonic(), in a test by its clock; PG_INT64_MAX:
								 * waits forever */
	bool		commits;		/* the caller does, before he waits */
} UpdateCall;

extern bool update_call_find(Found *run, const UpdateCall *call, Update *update);
extern bool update_call_send(const Found *run, const UpdateCall *call);
extern Jsonb *update_call_await(Found *run, const UpdateCall *call);

#endif							/* DURABLE_UPDATE_CLIENT_H */
