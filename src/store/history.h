/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Events, and the rows that hold them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_HISTORY_H
#define DURABLE_HISTORY_H

#include "store/store.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* On disk: durable.event.type.  What goes for each: kinds.c. */
typedef enum EventType
{
	EVENT_WORKFLOW_STARTED = 1, /* payload: input */
	EVENT_WORKFLOW_COMPLETED = 2,	/* payload: result */
	EVENT_WORKFLOW_FAILED = 3,	/* attributes: failure */
	EVENT_WORKFLOW_TIMED_OUT = 4,	/* name: which timeout */
	EVENT_WORKFLOW_CANCELED = 5,
	EVENT_WORKFLOW_TERMINATED = 6,	/* name: reason */
	EVENT_WORKFLOW_CONTINUED_AS_NEW = 7,	/* attributes: new_run_id */
	EVENT_WORKFLOW_CANCEL_REQUESTED = 8,	/* name: reason */
	EVENT_WORKFLOW_SIGNALED = 9,	/* name, payload */
	EVENT_ACTIVITY_SCHEDULED = 10,	/* command, name, payload: input */
	EVENT_ACTIVITY_COMPLETED = 11,	/* command, payload: result */
	EVENT_ACTIVITY_FAILED = 12, /* command, attributes: failure */
	EVENT_ACTIVITY_TIMED_OUT = 13,	/* command, attributes: failure */
	EVENT_ACTIVITY_CANCELED = 14,	/* command */
	EVENT_TIMER_STARTED = 15,	/* command, name: signal waited for, attributes */
	EVENT_TIMER_FIRED = 16,		/* command */
	EVENT_TIMER_CANCELED = 17,	/* command */
	EVENT_ACTIVITY_CANCEL_REQUESTED = 18,	/* command */
	EVENT_WORKFLOW_PAUSED = 19, /* name: reason */
	EVENT_WORKFLOW_UNPAUSED = 20,
	EVENT_UPDATE_ACCEPTED = 21, /* name, payload: arguments, attributes: update_id */
	EVENT_UPDATE_COMPLETED = 22,	/* payload: result, attributes: update_id, failure */
	EVENT_CHILD_INITIATED = 23, /* command, name: workflow, payload: input, attributes */
	EVENT_CHILD_START_FAILED = 24,	/* command, attributes: failure */
	EVENT_CHILD_COMPLETED = 25, /* command, payload: result */
	EVENT_CHILD_FAILED = 26,	/* command, attributes: failure, as the following */
	EVENT_CHILD_CANCELED = 27,
	EVENT_CHILD_TIMED_OUT = 28,
	EVENT_CHILD_TERMINATED = 29,
	EVENT_SIGNAL_EXTERNAL_INITIATED = 30,	/* command, name: signal, payload, attributes */
	EVENT_EXTERNAL_SIGNALED = 31,	/* command */
	EVENT_SIGNAL_EXTERNAL_FAILED = 32,	/* command, attributes: failure */
	EVENT_CANCEL_EXTERNAL_INITIATED = 33,	/* command, name: reason, attributes */
	EVENT_EXTERNAL_CANCEL_REQUESTED = 34,	/* command */
	EVENT_CANCEL_EXTERNAL_FAILED = 35,	/* command, attributes: failure */
	EVENT_MARKER_RECORDED = 36, /* name: change, attributes: version */
	EVENT_SEARCH_ATTRIBUTES_UPSERTED = 37,	/* command, attributes */
	EVENT_MEMO_UPSERTED = 38,	/* command, attributes */
	EVENT_COMPENSATION_STARTED = 39,	/* attributes: failure that led to it */
	EVENT_WORKFLOW_TIMEOUT_REACHED = 40,	/* name: which; compensations come next */
	EVENT_WORKFLOW_RESET = 41,	/* name: reason, attributes */
	EVENT_OPTIONS_UPDATED = 42, /* attributes: version */
	EVENT_CONTINUE_AS_NEW_SUGGESTED = 43,
	EVENT_TYPE_LAST = EVENT_CONTINUE_AS_NEW_SUGGESTED
} EventType;

typedef struct Event
{
	EventType	type;
	TimestampTz at;
	int32		command;		/* 0: none */
	text	   *name;			/* NULL: none, as the following */
	Jsonb	   *payload;
	int64		payload_id;		/* 0: none */
	Jsonb	   *attributes;
} Event;

/* A row: the events of one turn */
typedef struct HistoryRow
{
	pg_uuid_t	run_id;
	int32		first_event;
	TimestampTz turn_at;
	int32		mail;
	bool		ran;
	bool		goes_on;
	ArrayType  *events;
} HistoryRow;

extern Datum event_form(const Event *event);
extern int	event_array_deform(ArrayType *array, Event **events);
extern int	history_read(const pg_uuid_t *run_ids, int count, MemoryContext context, HistoryRow **rows);
extern bool history_read_last(const pg_uuid_t *run_id, Event *event);
extern Size history_add(RowBatch *batch, const pg_uuid_t *run_id, Oid owner, int32 first_event,
						TimestampTz turn_at, int32 mail, bool ran, bool goes_on, Datum *events, int count);
extern void history_write(RowBatch *batch);

#endif							/* DURABLE_HISTORY_H */
