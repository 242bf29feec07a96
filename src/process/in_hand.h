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

/* A session that waits for a run to close, or for an update of it */
typedef struct WaitingSession
{
	pg_uuid_t	run_id;
	uint32		update;			/* hash of its id, 0: for the run */
	int			pid;
} WaitingSession;

extern bool mail_is_in_hand(Queue *queue);
extern bool tasks_are_in_hand(TaskQueue *queue, Oid owner);
extern bool tasks_are_limited(TaskQueue *queue);
extern int	waiting_sessions(WaitingSession *sessions, int room);

#endif							/* DURABLE_IN_HAND_H */
