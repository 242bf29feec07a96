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
#include "store/activity.h"
#include "utils/array.h"
#include "utils/uuid.h"

extern int	activities_check(TimestampTz *from, TimestampTz now, int limit, ArrayType *except, Oid *owners);
extern void activities_check_lost(void);
extern bool attempt_is_lost(const Activity *a);
extern void activities_check_runs(const pg_uuid_t *run_ids, int count, TimestampTz now);

#endif							/* DURABLE_CHECK_H */
