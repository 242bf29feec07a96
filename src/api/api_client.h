/*-------------------------------------------------------------------------
 *
 * api_client.h
 *	  Starting a workflow, for the calls that start one and do more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_API_CLIENT_H
#define DURABLE_API_CLIENT_H

#include "run/start.h"
#include "store/execution.h"

/* Instead of a message: the run was there before */
#define START_EXISTING	(-1)

extern pg_uuid_t start_workflow(text *name, Jsonb *input, const StartOptions *o, int64 *seq);
extern void already_closed(const char *id, RunStatus status);

#endif							/* DURABLE_API_CLIENT_H */
