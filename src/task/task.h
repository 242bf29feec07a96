/*-------------------------------------------------------------------------
 *
 * task.h
 *	  Activities as tasks of a queue.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TASK_H
#define DURABLE_TASK_H

#include "shared/shmem.h"
#include "shared/taskqueue.h"
#include "store/activity.h"

#define DEFAULT_PRIORITY	3

extern TaskQueue *task_queue_of(const Activity *a);
extern void task_claims_lock(const TaskQueue *queue);
extern void task_claims_unlock(const TaskQueue *queue);
extern TaskQueue *task_queue_known(const TaskQueueName *name);
extern void task_queue_refresh(TaskQueue *queue);
extern TimestampTz task_check_at(const Activity *a);
extern void task_enqueue(Activity *a, TimestampTz now);
extern void task_hold(const Activity *a);
extern void task_leave(const Activity *a);
extern void task_uncount(const Activity *a);
extern Jsonb *task_input(const Activity *a);

#endif							/* DURABLE_TASK_H */
