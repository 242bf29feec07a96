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

/* What a commit needs, the weakest last; see txn.c */
typedef enum TxnDurability
{
	TXN_LASTING,				/* it is on disk before anyone sees it */
	TXN_PROMPT,					/* our processes go on with it meanwhile */
	TXN_REPEATED,				/* a crash may lose it: then it is done again */
	TXN_FORGETTABLE				/* the same, and nobody is told of it */
} TxnDurability;

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
extern void txn_begin_relaxed(void);
extern void txn_end_relaxed(TxnDurability needed);
extern void txn_turns(void);
extern void txn_wait_for_disk(bool starts);
extern void txn_settle(void);
extern uint32 update_hash(const char *update_id);

#endif							/* DURABLE_TXN_H */
