/*-------------------------------------------------------------------------
 *
 * outside.h
 *	  What is done to a run from outside its turns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OUTSIDE_H
#define DURABLE_OUTSIDE_H

#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/message.h"

extern bool run_take(const pg_uuid_t *run_id, bool close, MemoryContext context, Execution *e);
extern void refuse_own_run(const pg_uuid_t *run_id);
extern void run_send(const Found *run, Message *message);
extern bool run_signal(const Found *run, text *signal, Jsonb *payload, text *request_id);
extern bool run_cancel(const Found *run, text *reason, bool *asked);
extern bool run_update(const Found *run, text *update_id, text *name, Jsonb *args);
extern void run_add_event(Execution *e, const Event *last);

#endif							/* DURABLE_OUTSIDE_H */
