/*-------------------------------------------------------------------------
 *
 * due.h
 *	  What is due: timers, activities, sweeps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DUE_H
#define DURABLE_DUE_H

#include "store/timer.h"

/* What became due between a time and now, while it is dealt with. */
typedef struct Due
{
	TimestampTz from;
	int64		until;			/* a slice is over then, by durable_monotonic() */
	TimerPlace	timers;			/* those before it are done, or locked by somebody */
	TimestampTz checks;			/* likewise, of activities */
	TimestampTz now;			/* of the last look */
	TimestampTz next;			/* when to look again; DT_NOEND: never */
	bool		over;			/* the slice is */
} Due;

extern void due_begin(Due *due, TimestampTz from);
extern bool due_deal(Due *due);
extern int	sweep_due(TimestampTz from, TimestampTz now, int limit);

#endif							/* DURABLE_DUE_H */
