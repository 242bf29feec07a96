/*-------------------------------------------------------------------------
 *
 * activity_options.h
 *	  What operators change of activities that are not done.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ACTIVITY_OPTIONS_H
#define DURABLE_ACTIVITY_OPTIONS_H

#include "store/activity.h"

typedef enum ActivityChangeKind
{
	CHANGE_PAUSE,
	CHANGE_UNPAUSE,
	CHANGE_RESET,
	CHANGE_OPTIONS
} ActivityChangeKind;

typedef struct ActivityChange
{
	ActivityChangeKind kind;
	const char *activity_id;	/* which; NULL: any, as the type */
	const char *type;
	text	   *reason;			/* of a pause, or NULL */
	TimestampTz paused_at;		/* with its run; 0: by itself */
	bool		reset_attempts;
	bool		reset_heartbeat;
	bool		keep_paused;
	Interval   *jitter;			/* NULL: at once */
	Activity	values;			/* of options */
	uint32		given;			/* those that are changed */
} ActivityChange;

extern int	change_activities(const pg_uuid_t *run_id, const ActivityChange *change);

#endif							/* DURABLE_ACTIVITY_OPTIONS_H */
