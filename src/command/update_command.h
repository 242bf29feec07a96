/*-------------------------------------------------------------------------
 *
 * update_command.h
 *	  Updates, as workflow code sees them, and what a turn writes of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPDATE_COMMAND_H
#define DURABLE_UPDATE_COMMAND_H

#include "batch/batch.h"

extern uint32 update_hash(const char *update_id);
extern UpdateRequest *command_next_update(Turn *turn, text *name, const Interval *timeout);
extern UpdateRequest *command_poll_update(Turn *turn, text *name);
extern void command_reply(Turn *turn, const char *id, Jsonb *result);
extern void command_reject(Turn *turn, const char *id, const char *message);
extern void batch_add_updates(Batch *batch, const BatchRun *run, Turn *turn);
extern void updates_of_history(RowBatch *rows, const Execution *e, const Event *events, int n);
extern void update_of_message(RowBatch *rows, const Execution *e, const Message *m);

#endif							/* DURABLE_UPDATE_COMMAND_H */
