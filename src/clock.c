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

#include "clock.h"
#include "guc.h"
#include "testmode.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

TimestampTz
durable_now(void)
{
	if (test_mode)
		return test_mode_now();
	return GetCurrentTimestamp() + (int64) durable_clock_offset * USECS_PER_SEC;
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
 * 73,000 years are the most, so that any time can be added.
 */
int64
durable_interval_usecs(const Interval *span)
{
	const int64 most = PG_INT64_MAX / 4;
	int64		days = span->day + span->month * (int64) DAYS_PER_MONTH;

	days = Max(-most / USECS_PER_DAY, Min(most / USECS_PER_DAY, days));
	return Max(-most, Min(most, Max(-most, Min(most, span->time)) + days * USECS_PER_DAY));
}
