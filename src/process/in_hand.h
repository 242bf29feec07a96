/*-------------------------------------------------------------------------
 *
 * in_hand.h
 *	  Whether somebody has work in hand, or nobody could.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_IN_HAND_H
#define DURABLE_IN_HAND_H

#include "shared/shmem.h"

extern bool mail_is_in_hand(Queue *queue);
extern bool tasks_are_in_hand(TaskQueue *queue, Oid owner);
extern bool tasks_are_limited(TaskQueue *queue);
extern int	waiting_sessions(pg_uuid_t *run_ids, int *pids, int room);

#endif							/* DURABLE_IN_HAND_H */
