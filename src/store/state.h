/*-------------------------------------------------------------------------
 *
 * state.h
 *	  State that workflows publish.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STATE_H
#define DURABLE_STATE_H

#include "store/store.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

extern void state_add(RowBatch *batch, const pg_uuid_t *run_id, text *key, Oid owner, Jsonb *value, TimestampTz at);
extern void state_write(RowBatch *batch);
extern void state_copy(const pg_uuid_t *from, const pg_uuid_t *to);

#endif							/* DURABLE_STATE_H */
