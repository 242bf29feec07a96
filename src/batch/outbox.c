/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Several turns in one transaction, and what they leave to be written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/vec.h"
#include "batch/outbox.h"
#include "shared/queue.h"
#include "store/message.h"
#include "store/store.h"
#include "utils/memutils.h"

/*
 * A batch of runs of a role, with nothing in it; its memory is a child of the
 * current one
 */
void
batch_init(Batch *batch, Oid owner)
{
	memset(batch, 0, sizeof(Batch));
	batch->owner = owner;
	batch->queue = durable_queue(owner);
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "durable batch", ALLOCSET_DEFAULT_SIZES);
	batch->started = durable_steady();
	batch->lock_timeout = LockTimeout;
	rows_init(&batch->children, TABLE_EXECUTION, batch->context);
	rows_init(&batch->child_mail, TABLE_MESSAGE, batch->context);
	rows_init(&batch->reports, TABLE_MESSAGE, batch->context);
	rows_init(&batch->history, TABLE_HISTORY, batch->context);
	rows_init(&batch->updates, TABLE_EXECUTION, batch->context);
	rows_init(&batch->upserts, TABLE_EXECUTION, batch->context);
	rows_init(&batch->closed, TABLE_CLOSED, batch->context);
	rows_init(&batch->timers, TABLE_TIMER, batch->context);
	rows_init(&batch->activities, TABLE_ACTIVITY, batch->context);
	rows_init(&batch->attempts, TABLE_ATTEMPT, batch->context);
	rows_init(&batch->state, TABLE_STATE, batch->context);
	rows_init(&batch->answers, TABLE_UPDATE, batch->context);
}

/*
 * A message is to be deleted with the batch
 */
void
batch_consume(Batch *batch, const Message *message)
{
	batch->consumed = vec_room_counted(batch->consumed, batch->nconsumed, sizeof(int64), batch->context);
	batch->consumed_tids = vec_room_counted(batch->consumed_tids, batch->nconsumed, sizeof(ItemPointerData), batch->context);
	batch->consumed[batch->nconsumed] = message->seq;
	batch->consumed_tids[batch->nconsumed++] = message->tid;
}
