/*-------------------------------------------------------------------------
 *
 * child.h
 *	  Child workflows: what parent and child have to do with each other once
 *	  both run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CHILD_H
#define DURABLE_CHILD_H

#include "store/execution.h"
#include "store/store.h"

/* On disk: durable.execution.parent_close_policy */
typedef enum ParentClosePolicy
{
	CLOSE_TERMINATE,			/* the child is terminated with its parent */
	CLOSE_CANCEL,				/* it is asked to cancel itself */
	CLOSE_ABANDON				/* it stays */
} ParentClosePolicy;

/* Sweeps of closed runs, as the command of a TIMER_SWEEP; a number: cancel that child */
#define SWEEP_RUN				0	/* activities, and children to terminate */
#define SWEEP_CANCEL_CHILDREN	(-1)

extern void child_report(RowBatch *mail, const Execution *child, RunStatus status, Jsonb *result, Jsonb *failure);
extern void child_adopt(const Execution *parent, int32 command, text *workflow, text *workflow_id, const pg_uuid_t *run_id);
extern void children_cancel(const pg_uuid_t *parent, const int32 *commands, int count, Oid owner);
extern void children_tell_again(const Execution *parent);

#endif							/* DURABLE_CHILD_H */
