/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What falls due for activities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CHECK_H
#define DURABLE_CHECK_H

#include "datatype/timestamp.h"

extern int	activities_check(TimestampTz from, TimestampTz now, int limit);
extern void activities_check_lost(void);

#endif							/* DURABLE_CHECK_H */
