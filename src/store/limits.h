/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Limits of task queues, as wf_set_task_queue() sets them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LIMITS_H
#define DURABLE_LIMITS_H

#include "shared/shmem.h"
#include "utils/jsonb.h"

/* A row of durable.task_queue */
typedef struct QueueLimits
{
	int64		queue;
	text	   *namespace;
	text	   *task_queue;		/* NULL: the default one of SQL activities */
	bool		external;
	Oid			owner;
	TaskLimits	limits;
	Jsonb	   *weights;		/* of fairness keys, or NULL */
} QueueLimits;

extern bool limits_read(int64 queue, MemoryContext context, TaskLimits *limits, Jsonb **weights);
extern void limits_write(const QueueLimits *limits);

#endif							/* DURABLE_LIMITS_H */
