/*-------------------------------------------------------------------------
 *
 * waiter.h
 *	  Sessions that wait for a run to close, and runs somebody LISTENs to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WAITER_H
#define DURABLE_WAITER_H

#include "utils/uuid.h"

extern void waiter_begin(const pg_uuid_t *run_id);
extern void waiter_end(void);
extern void waiter_wake(const pg_uuid_t *run_ids, int n);
extern void listener_add(uint64 key);
extern bool listener_any(void);
extern bool listener_wants(uint64 key);

#endif							/* DURABLE_WAITER_H */
