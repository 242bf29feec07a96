/*-------------------------------------------------------------------------
 *
 * reset.h
 *	  wf_reset: a new run from a point in the history of another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_RESET_H
#define DURABLE_RESET_H

#include "store/find.h"

typedef enum ResetPoint
{
	RESET_FIRST,
	RESET_LAST,
	RESET_LAST_FAILURE,
	RESET_LAST_CONTINUE_AS_NEW,
	RESET_TO_EVENT
} ResetPoint;

typedef struct Reset
{
	ResetPoint	point;
	int64		to_event;		/* of RESET_TO_EVENT */
	text	   *reason;			/* or NULL */
	bool		signals;		/* those after the point are sent again, */
	bool		updates;		/* and these */
	Oid			caller;
	bool		same_code;		/* the version of the old run */
} Reset;

extern bool run_reset(const Found *run, const Reset *reset, pg_uuid_t *new_run_id);

#endif							/* DURABLE_RESET_H */
