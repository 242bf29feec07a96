/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Activities of runs that close, and cancellations of activities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SWEEP_H
#define DURABLE_SWEEP_H

#include "store/activity.h"
#include "task/attempt.h"

extern void sweep_runs(const pg_uuid_t *run_ids, int count, Oid owner);
extern void request_activity_cancel(AttemptEnds *ends, const ActivityKey *key, Oid owner);
extern void sweep_later(const pg_uuid_t *run_id, int32 command, Oid owner);
extern void sweep_activities(const pg_uuid_t *run_ids, int count, Oid owner);

#endif							/* DURABLE_SWEEP_H */
