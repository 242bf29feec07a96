/*-------------------------------------------------------------------------
 *
 * close.h
 *	  Runs are closed from outside their turns, with their children.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLOSE_H
#define DURABLE_CLOSE_H

#include "store/execution.h"

extern void runs_close_terminated(Execution *runs, int count, text *reason, const pg_uuid_t *next);
extern void children_close(const pg_uuid_t *parents, int count, Oid owner);
extern void children_sweep(const pg_uuid_t *parent, int32 command, Oid owner);
extern bool run_replace(const pg_uuid_t *run_id, text *reason, const pg_uuid_t *next);
extern bool run_terminate(const pg_uuid_t *run_id, text *reason);

#endif							/* DURABLE_CLOSE_H */
