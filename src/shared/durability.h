/*-------------------------------------------------------------------------
 *
 * durability.h
 *	  How far a commit waits for the disk, and who for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DURABILITY_H
#define DURABLE_DURABILITY_H

/* What a commit needs, the weakest last; see durability.c */
typedef enum TxnDurability
{
	TXN_LASTING,				/* it is on disk before anyone sees it */
	TXN_PROMPT,					/* our processes go on with it meanwhile */
	TXN_REPEATED,				/* a crash may lose it: then it is done again */
	TXN_FORGETTABLE				/* the same, and nobody is told of it */
} TxnDurability;

extern void txn_begin_relaxed(void);
extern void txn_end_relaxed(TxnDurability needed);
extern void txn_turns(void);
extern void durability_pre_commit(bool closes);
extern void durability_seen(bool commit);
extern void txn_wait_for_disk(bool starts);
extern void txn_settle(void);
extern void durability_told(bool commit);
extern void durability_forget(void);

#endif							/* DURABLE_DURABILITY_H */
