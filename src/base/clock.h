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

/* The longest span calls take: after any time the clock shows it is still a time */
#define DURABLE_MAX_YEARS	100000
#define DURABLE_MAX_SPAN	(DURABLE_MAX_YEARS * INT64CONST(12) * DAYS_PER_MONTH * USECS_PER_DAY)

/*
 * When something falls due.  since: from when on that is counted, DT_NOEND where
 * it is not a span but a time of the clock.
 */
typedef struct DueTime
{
	TimestampTz at;
	TimestampTz since;
} DueTime;

extern TimestampTz durable_now(void);
extern int64 durable_monotonic(void);
extern TimestampTz durable_steady(void);
extern TimestampTz durable_add_interval(TimestampTz at, const Interval *span);
extern int64 durable_interval_usecs(const Interval *span);
extern int64 durable_bounded_usecs(double usecs);

#endif							/* DURABLE_CLOCK_H */
