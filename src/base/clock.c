/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The one door to time.
 *
 *	  durable.clock_offset moves the clock of a session ahead, so that tests
 *	  see a timer fire without sleeping.  The scheduler and the workers have no
 *	  such setting of their own: an offset in one session moves nobody else.
 *	  In a transaction that tests workflows time is what the test says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/clock.h"
#include "base/guc.h"
#include "base/testmode.h"
#include "portability/instr_time.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/*
 * The time that is stored: the test's in a test, else the clock's with
 * durable.clock_offset
 */
TimestampTz
durable_now(void)
{
	if (test_mode)
		return test_mode_now();
	return GetCurrentTimestamp() + (int64) durable_clock_offset * USECS_PER_SEC;
}

/*
 * Microseconds on a clock that nobody sets: for how long, not for when
 */
int64
durable_monotonic(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

/*
 * The same as a timestamp, of no calendar: to be compared with others of this
 * server, in this process or another
 */
TimestampTz
durable_steady(void)
{
	return (TimestampTz) durable_monotonic();
}

/*
 * at + span by the calendar, as SQL's operator does it
 */
TimestampTz
durable_add_interval(TimestampTz at, const Interval *span)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(at),
												   IntervalPGetDatum(span)));
}

/*
 * The span's length in microseconds, a day being 24 hours and a month 30 days.
 * Whatever is longer than DURABLE_MAX_SPAN is a microsecond longer.
 */
int64
durable_interval_usecs(const Interval *span)
{
	int64		days = span->day + span->month * (int64) DAYS_PER_MONTH;
	double		usecs = (double) days * USECS_PER_DAY + (double) span->time;

	if (fabs(usecs) > DURABLE_MAX_SPAN)
		return usecs < 0 ? -DURABLE_MAX_SPAN - 1 : DURABLE_MAX_SPAN + 1;
	return span->time + days * USECS_PER_DAY;
}

/*
 * A span that was computed, of microseconds; DURABLE_MAX_SPAN where it is longer
 */
int64
durable_bounded_usecs(double usecs)
{
	return (int64) Min(Max(usecs, 0), DURABLE_MAX_SPAN);
}
