/*-------------------------------------------------------------------------
 *
 * waiter.h
 *	  Sessions that wait for a run to close or for tasks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WAITER_H
#define DURABLE_WAITER_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

/* An update that a transaction accepted or answered. */
typedef struct AnsweredUpdate
{
	pg_uuid_t	run_id;
	uint32		update;			/* hash of its id, not 0 */
} AnsweredUpdate;

extern void waiter_begin(const pg_uuid_t *run_id);
extern void waiter_begin_update(const pg_uuid_t *run_id, uint32 update);
extern void waiter_wake_updates(const AnsweredUpdate *updates, int n);
extern void waiter_begin_poll(int64 topic, Oid role, bool choosy);
extern void waiter_end(void);
extern void waiter_wake_all(void);
extern void waiter_wake(const pg_uuid_t *run_ids, int n);
extern bool waiter_wake_for_tasks(int64 topic, Oid owner);
extern bool topic_polled_since(int64 topic, TimestampTz since);
extern uint32 update_hash(const char *update_id);

#endif							/* DURABLE_WAITER_H */
