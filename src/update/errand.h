/*-------------------------------------------------------------------------
 *
 * errand.h
 *	  What the scheduler commits for a session that cannot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ERRAND_H
#define DURABLE_ERRAND_H

#include "store/find.h"

typedef enum ErrandEnd
{
	ERRAND_SENT,				/* or was sent before */
	ERRAND_RUN_CLOSED,
	ERRAND_BUSY,				/* somebody has the run locked to close it, or sends the same */
	ERRAND_TOO_LATE				/* the time was over; it may be sent or not */
} ErrandEnd;

/* For clients */
extern ErrandEnd errand_update(const Found *run, text *update_id, text *name, Jsonb *args, int64 until);

/* For the scheduler */
extern void errands_reclaim(void);
extern bool errands_wait(void);
extern void errands_serve(void);

#endif							/* DURABLE_ERRAND_H */
