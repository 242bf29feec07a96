/*-------------------------------------------------------------------------
 *
 * outside.h
 *	  What is done to a run from outside its turns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OUTSIDE_H
#define DURABLE_OUTSIDE_H

#include "store/find.h"
#include "store/history.h"
#include "store/mailbox.h"

extern bool run_take(const pg_uuid_t *run_id, bool close, MemoryContext context, Execution *e);
extern void refuse_own_run(const pg_uuid_t *run_id);
extern void run_send(const Found *run, Message *message);
extern bool run_signal(const Found *run, text *signal, Jsonb *payload, text *request_id);
extern bool run_cancel(const Found *run, text *reason, bool *asked);
extern void runs_close_terminated(Execution *runs, int count, text *reason, const pg_uuid_t *next);
extern bool run_update(const Found *run, text *update_id, text *name, Jsonb *args);
extern void run_add_event(Execution *e, const Event *last);
extern bool run_replace(const pg_uuid_t *run_id, text *reason, const pg_uuid_t *next);
extern bool run_terminate(const pg_uuid_t *run_id, text *reason);

#endif							/* DURABLE_OUTSIDE_H */
