/*-------------------------------------------------------------------------
 *
 * message.h
 *	  Messages, and their kinds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MESSAGE_H
#define DURABLE_MESSAGE_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Those that statements name */
#define KIND_WAKE		5
#define KIND_SWEEP		14

/* On disk: durable.message.kind and durable.timer.kind.  What goes for each: kinds.c. */
typedef enum MessageKind
{
	MESSAGE_START = 1,			/* payload: the input */
	MESSAGE_SIGNAL = 2,			/* name, payload */
	MESSAGE_CANCEL = 3,			/* name: the reason */
	MESSAGE_TIMER = 4,			/* command */
	MESSAGE_WAKE = KIND_WAKE,			/* go on, or try again */
	MESSAGE_RUN_TIMEOUT = 6,
	MESSAGE_EXECUTION_TIMEOUT = 7,
	MESSAGE_START_DELAY = 8,
	MESSAGE_ACTIVITY_RETRY = 9, /* command, as the following */
	MESSAGE_ACTIVITY_COMPLETED = 10,	/* payload: result, attributes: the attempt */
	MESSAGE_ACTIVITY_FAILED = 11,	/* attributes: failure */
	MESSAGE_ACTIVITY_TIMED_OUT = 12,	/* the same */
	MESSAGE_ACTIVITY_CANCELED = 13, /* attributes: details */
	TIMER_SWEEP = KIND_SWEEP,			/* of a timer only: what was locked is looked at again */
	MESSAGE_UPDATE = 15,		/* name, payload: arguments, attributes: update_id */
	MESSAGE_CHILD_START_FAILED = 16,	/* command, attributes: failure */
	MESSAGE_CHILD_COMPLETED = 17,	/* command, payload: result */
	MESSAGE_CHILD_FAILED = 18,	/* command, attributes: failure, as the following */
	MESSAGE_CHILD_CANCELED = 19,
	MESSAGE_CHILD_TIMED_OUT = 20,
	MESSAGE_CHILD_TERMINATED = 21,
	MESSAGE_KIND_LAST = MESSAGE_CHILD_TERMINATED
} MessageKind;

typedef struct Message
{
	ItemPointerData tid;		/* of a message that was read */
	int64		seq;
	pg_uuid_t	run_id;
	MessageKind kind;
	bool		alone;
	TimestampTz at;
	int32		command;
	text	   *name;			/* or NULL */
	Jsonb	   *payload;		/* or NULL */
	int64		payload_id;		/* or 0 */
	Jsonb	   *attributes;		/* or NULL */
} Message;

#endif							/* DURABLE_MESSAGE_H */
