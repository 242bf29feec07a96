/*-------------------------------------------------------------------------
 *
 * fairness.h
 *	  Places in a task queue, and the limits of fairness keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FAIRNESS_H
#define DURABLE_FAIRNESS_H

#include "shared/shmem.h"

#define MIN_WEIGHT	0.001
#define MAX_WEIGHT	1000.0

/* A key whose parked tasks may go on */
typedef struct ReadyKey
{
	uint32		hash;
	int			room;			/* tasks that may start now */
} ReadyKey;

extern uint32 fairness_hash(const text *key);
extern void fairness_forget_keys(TaskQueue *queue);
extern void fairness_load(TaskQueue *queue, int lane, int64 first, int64 last);
extern void fairness_place(TaskQueue *queue, int priority, const text *key, double weight, int64 *place, int64 *seq);
extern bool fairness_admit(TaskQueue *queue, uint32 hash, double weight, TimestampTz now);
extern void fairness_unpark(TaskQueue *queue, uint32 hash, double weight, TimestampTz now);
extern void fairness_count(TaskQueue *queue, uint32 hash, int running, int parked);
extern void fairness_end_open(TaskQueue *queue, uint32 hash);
extern void fairness_forget_counts(TaskQueue *queue);
extern void fairness_set_back(TaskQueue *queue, int64 by);
extern bool fairness_may_go_on(TaskQueue *queue, uint32 hash, TimestampTz now);
extern int	fairness_ready_keys(TaskQueue *queue, TimestampTz now, ReadyKey *keys, int room);
extern void task_queues_set_back(Oid dbid, int64 by);

#endif							/* DURABLE_FAIRNESS_H */
