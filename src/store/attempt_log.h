/*-------------------------------------------------------------------------
 *
 * attempt_log.h
 *	  Attempts of activities that did not complete.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ATTEMPT_LOG_H
#define DURABLE_ATTEMPT_LOG_H

#include "store/activity.h"
#include "store/history.h"
#include "store/store.h"

extern void attempt_log_add(RowBatch *batch, const Activity *a, EventType outcome, TimestampTz ended_at, Jsonb *failure);
extern TimestampTz attempt_log_last(const Activity *a);
extern void attempt_log_write(RowBatch *batch);

#endif							/* DURABLE_ATTEMPT_LOG_H */
