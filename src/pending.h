/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Activities between two attempts, and state that workflows publish.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PENDING_H
#define DURABLE_PENDING_H

#include "store.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef struct PendingActivity
{
	pg_uuid_t	run_id;
	int32		command;
	text	   *name;
	int32		attempt;		/* attempts made */
	TimestampTz scheduled_at;
	TimestampTz next_attempt_at;
	Jsonb	   *last_failure;
} PendingActivity;

extern void pending_add(RowBatch *batch, const PendingActivity *activity);
extern void pending_write(RowBatch *batch);
extern bool pending_read(const pg_uuid_t *run_id, int32 command, PendingActivity *result);
extern void pending_remove(const pg_uuid_t *run_id, int32 command);
extern void state_add(RowBatch *batch, const pg_uuid_t *run_id, text *key, Oid owner, Jsonb *value, TimestampTz at);
extern void state_write(RowBatch *batch);

#endif							/* DURABLE_PENDING_H */
