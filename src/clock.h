/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The one door to time: whoever needs now, in the engine, asks here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLOCK_H
#define DURABLE_CLOCK_H

#include "datatype/timestamp.h"

/* 73,000 years: such a span after any time is still a time */
#define DURABLE_MAX_SPAN	(PG_INT64_MAX / 4)

extern TimestampTz durable_now(void);
extern TimestampTz durable_add_interval(TimestampTz at, const Interval *span);
extern int64 durable_interval_usecs(const Interval *span);

#endif							/* DURABLE_CLOCK_H */
