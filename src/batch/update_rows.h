/*-------------------------------------------------------------------------
 *
 * update_rows.h
 *	  The rows of updates that turns write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPDATE_ROWS_H
#define DURABLE_UPDATE_ROWS_H

#include "batch/outbox.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"
#include "store/store.h"
#include "turn/turn.h"

extern void batch_add_updates(Batch *batch, const BatchRun *run, Turn *turn);
extern void updates_of_history(RowBatch *rows, const Execution *e, const Event *events, int n);
extern void update_of_message(RowBatch *rows, const Execution *e, const Message *m);

#endif							/* DURABLE_UPDATE_ROWS_H */
