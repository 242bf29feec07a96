/*-------------------------------------------------------------------------
 *
 * txn.h
 *	  What is to happen when the current transaction has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TXN_H
#define DURABLE_TXN_H

#include "shared/shmem.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

extern void durable_txn_init(void);
extern void txn_mail(Oid owner, int64 seq);
extern void txn_keep_mail(Oid owner, int64 seq);
extern void txn_claimed(Queue *queue, int64 seq);
extern void txn_locked(Oid owner, const pg_uuid_t *run_id);
extern void txn_deadline(TimestampTz at);
extern void txn_closed(const pg_uuid_t *run_id);
extern void txn_interrupt(const pg_uuid_t *run_id);
extern void txn_update(const pg_uuid_t *run_id, uint32 update);
extern void txn_extension_changed(void);
extern void txn_identity_changed(void);
extern void txn_extension_dropped(void);
extern void txn_new_database(Oid dbid);

#endif							/* DURABLE_TXN_H */
