/*-------------------------------------------------------------------------
 *
 * taskqueue.h
 *	  Task queues: where claims start, and who is woken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TASKQUEUE_H
#define DURABLE_TASKQUEUE_H

#include "shared/shmem.h"

/* A place is the priority and the pass; see fairness.c. */
#define PRIORITY_SHIFT	60
#define MAX_PASS		((INT64CONST(1) << PRIORITY_SHIFT) - 1)
#define LANE_START(lane)	((int64) ((lane) + 1) << PRIORITY_SHIFT)
#define LANE_OF(place)	((int) ((place) >> PRIORITY_SHIFT) - 1)

typedef struct TaskQueueName
{
	int64		id;
	int64		topic;
	Oid			owner;
	bool		external;
} TaskQueueName;

/* Do fairness keys of this queue have limits? */
static inline bool
task_queue_limits_keys(const TaskQueue *queue)
{
	return shared && (queue->limits.per_key_concurrency > 0 || queue->limits.per_key_rate > 0);
}

extern TaskQueue *task_queue_find(int64 id);
extern TaskQueue *task_queue_get(const TaskQueueName *name);
extern bool task_queue_is_known(TaskQueue *queue);
extern void task_queue_begin_count(TaskQueue *queue);
extern void task_queue_end_count(TaskQueue *queue);
extern void task_queue_forget(TaskQueue *queue);
extern void task_queue_look_at(TaskQueue *queue, TimestampTz at);
extern bool task_queue_begin_scan(TaskQueue *queue, int lane, int64 *place, int64 *seq);
extern void task_queue_lower(TaskQueue *queue, int64 place, int64 seq);
extern void task_queue_claimed(TaskQueue *queue, int64 place, TimestampTz queued_at, TimestampTz now);
extern bool task_queue_ready(TaskQueue *queue);
extern TaskQueue *task_queue_next(Oid dbid, Oid owner, TaskQueue *last);
extern bool task_queue_want(TaskQueue *queue);
extern bool task_queue_take_wanted(TaskQueue *queue);
extern bool task_queue_others_wait(Oid dbid, Oid owner);
extern void task_queue_wake_external(int64 topic, Oid owner, uint32 notified);
extern void task_queue_look_again(TaskQueue *queue);
extern void task_queue_wake(TaskQueue *queue, uint32 notified);
extern void task_queue_unthrottle(TaskQueue *queue, TimestampTz now);
extern void task_queue_throttle(TaskQueue *queue, TimestampTz until);
extern void task_queues_look_again(Oid dbid);
extern void task_queue_percentiles(TaskQueue *queue, double *p50, double *p99);

#endif							/* DURABLE_TASKQUEUE_H */
