/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  NOTIFY for those who LISTEN to a workflow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_NOTIFY_H
#define DURABLE_NOTIFY_H

#include "store/execution.h"

extern uint64 notify_key(Oid owner, const text *namespace, const text *workflow_id);
extern char *notify_channel(uint64 key);
extern void notify_listen(const char *call, const char *channel);
extern void notify_status(const Execution *e, RunStatus status);

#endif							/* DURABLE_NOTIFY_H */
