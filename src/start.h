/*-------------------------------------------------------------------------
 *
 * start.h
 *	  Writing a new run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_START_H
#define DURABLE_START_H

#include "execution.h"

extern void generate_run_id(pg_uuid_t *id);
extern void run_init(Execution *e);
extern void run_set_timeouts(const Execution *e);
extern bool run_start(Execution *e, Jsonb *input, TimestampTz not_before, int64 *seq);
extern void run_retry(const Execution *failed, Jsonb *input, TimestampTz at, const pg_uuid_t *run_id);

#endif							/* DURABLE_START_H */
