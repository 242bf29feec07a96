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
#include "store/message.h"
#include "store/store.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

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
