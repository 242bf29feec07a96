/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  What falls due: timers, timeouts, start delays, retries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TIMER_H
#define DURABLE_TIMER_H

#include "base/clock.h"
#include "store/message.h"
#include "store/store.h"
#include "utils/array.h"

/* In the order in which they fall due. */
typedef struct TimerPlace
{
	TimestampTz at;
	pg_uuid_t	run_id;
} TimerPlace;

extern void timer_add(RowBatch *batch, const pg_uuid_t *run_id, MessageKind kind, int32 command,
					  Oid owner, DueTime due);
extern void timer_write(RowBatch *batch);
extern void timer_set(const pg_uuid_t *run_id, MessageKind kind, int32 command, Oid owner, DueTime due);
extern void timer_cancel(const pg_uuid_t *run_id, MessageKind kind, int32 command);
extern bool timer_is_set(const pg_uuid_t *run_id, MessageKind kind, int32 command);
extern void timer_clear(const pg_uuid_t *run_ids, int count);
extern bool timer_take_sweep(TimestampTz from, TimestampTz now, pg_uuid_t *run_id, int32 *command, Oid *owner);
extern int	timer_fire(TimerPlace *place, TimestampTz now, int limit, ArrayType *except, Oid *owners);
extern TimestampTz timer_next(TimestampTz from);

#endif							/* DURABLE_TIMER_H */
