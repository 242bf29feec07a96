/*-------------------------------------------------------------------------
 *
 * closed.h
 *	  Closed runs, read again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLOSED_H
#define DURABLE_CLOSED_H

#include "store/execution.h"

extern bool closed_read(const pg_uuid_t *run_id, MemoryContext context, Execution *result, RunStatus *status);

#endif							/* DURABLE_CLOSED_H */
