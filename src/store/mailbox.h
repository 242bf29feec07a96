/*-------------------------------------------------------------------------
 *
 * mailbox.h
 *	  Messages: all that reaches a run from outside.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MAILBOX_H
#define DURABLE_MAILBOX_H

#include "storage/itemptr.h"
#include "store/store.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* On disk: durable.message.kind and durable.timer.kind */
typedef enum MessageKind
{
	MESSAGE_START = 1,			/* payload: the input */
	MESSAGE_SIGNAL = 2,			/* name, payload */
	MESSAGE_CANCEL = 3,			/* name: the reason */
	MESSAGE_TIMER = 4,			/* command */
	MESSAGE_WAKE = 5,			/* go on, or try again */
	MESSAGE_RUN_TIMEOUT = 6,
	MESSAGE_EXECUTION_TIMEOUT = 7,
	MESSAGE_START_DELAY = 8,
	MESSAGE_ACTIVITY_RETRY = 9, /* command, as the following */
	MESSAGE_ACTIVITY_COMPLETED = 10,	/* payload: result, attributes: the attempt */
	MESSAGE_ACTIVITY_FAILED = 11,	/* attributes: failure */
	MESSAGE_ACTIVITY_TIMED_OUT = 12,	/* the same */
	MESSAGE_ACTIVITY_CANCELED = 13, /* attributes: details */
	TIMER_SWEEP = 14,			/* of a timer only: what was locked is looked at again */
	MESSAGE_UPDATE = 15,		/* name, payload: arguments, attributes: update_id */
	MESSAGE_CHILD_START_FAILED = 16,	/* command, attributes: failure */
	MESSAGE_CHILD_COMPLETED = 17,	/* command, payload: result */
	MESSAGE_CHILD_FAILED = 18,	/* command, attributes: failure, as the following */
	MESSAGE_CHILD_CANCELED = 19,
	MESSAGE_CHILD_TIMED_OUT = 20,
	MESSAGE_CHILD_TERMINATED = 21
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

extern int64 mailbox_send(Oid owner, const Message *message);
extern void mailbox_add(RowBatch *batch, Oid owner, const Message *message);
extern void mailbox_write(RowBatch *batch);
extern void mailbox_write_to_open(RowBatch *batch);
extern void mailbox_delete(const pg_uuid_t *run_id, const int64 *seqs, int count);
extern int	mailbox_scan(Oid owner, int64 from, int limit, pg_uuid_t *run_ids, int64 *seqs, bool *alone);
extern int	mailbox_read(const pg_uuid_t *run_ids, int count, MemoryContext context, Message **messages);
extern void mailbox_consume(const ItemPointerData *tids, int count);
extern void mailbox_empty(const pg_uuid_t *run_ids, int count);
extern int64 mailbox_move(const pg_uuid_t *from, const pg_uuid_t *to);
extern bool mailbox_has_other_signals(const pg_uuid_t *run_ids, int count, const int64 *taken, int ntaken);
extern bool mailbox_took_request(const pg_uuid_t *run_id, Datum request_id);
extern bool mailbox_cancel_requested(const pg_uuid_t *run_id);
extern bool mailbox_take_request(const pg_uuid_t *run_id, Datum request_id);

#endif							/* DURABLE_MAILBOX_H */
