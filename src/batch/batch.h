/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Several turns in one transaction: claim, run, write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_BATCH_H
#define DURABLE_BATCH_H

#include "batch/outbox.h"

extern bool batch_claim(Batch *batch, const pg_uuid_t *carried);
extern void batch_claim_run(Batch *batch, const pg_uuid_t *run_id, bool alone);
extern void batch_run(Batch *batch);
extern void batch_hold(const pg_uuid_t *run_id);

#endif							/* DURABLE_BATCH_H */
