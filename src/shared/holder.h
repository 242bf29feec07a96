/*-------------------------------------------------------------------------
 *
 * holder.h
 *	  Which process has which runs in hand, and who wants them out of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_HOLDER_H
#define DURABLE_HOLDER_H

#include "storage/proc.h"
#include "utils/uuid.h"

/* How long others wait before a slow step of a role beyond its share is undone */
#define YIELD_MS		1000

extern void holders_shmem_request(void);
extern void holders_shmem_startup(void);
extern void holder_take(const pg_uuid_t *run_ids, int count);
extern void holder_alone(bool busy);
extern void holder_release(void);
extern bool holder_must_give_way(TimestampTz now);
extern void holder_ask_to_leave(PGPROC *proc, bool leave);
extern void holder_init(bool leave);
extern void holders_interrupt(const pg_uuid_t *run_ids, int count);
extern void holders_doom(const pg_uuid_t *run_ids, int count);
extern void holders_want(const pg_uuid_t *run_id);
extern void holders_want_no_more(void);
extern bool holders_keep_off(const pg_uuid_t *run_id);

#endif							/* DURABLE_HOLDER_H */
