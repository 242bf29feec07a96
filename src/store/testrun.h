/*-------------------------------------------------------------------------
 *
 * testrun.h
 *	  What is to be done for the runs of a test.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TESTRUN_H
#define DURABLE_TESTRUN_H

#include "store/activity.h"

/* A run, as error messages speak of it. */
typedef struct RunPlace
{
	char	   *workflow_id;
	bool		open;
	char	   *waiting_for;	/* or NULL, as the following */
	char	   *waiting_at;
	char	   *waiting_since;
} RunPlace;

extern int	testrun_with_mail(const pg_uuid_t *run_ids, int count, MemoryContext context, pg_uuid_t **result);
extern int	testrun_tasks(const pg_uuid_t *run_ids, int count, MemoryContext context, Activity **result);
extern int	testrun_due_activities(const pg_uuid_t *run_ids, int count, TimestampTz now, MemoryContext context,
								   Activity **result);
extern void testrun_fire_timers(const pg_uuid_t *run_ids, int count, TimestampTz now);
extern TimestampTz testrun_next_deadline(const pg_uuid_t *run_ids, int count);
extern bool testrun_place(const pg_uuid_t *run_id, MemoryContext context, RunPlace *place);

#endif							/* DURABLE_TESTRUN_H */
