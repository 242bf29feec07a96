/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Taking activities from a task queue.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLAIM_H
#define DURABLE_CLAIM_H

#include "shared/shmem.h"
#include "store/activity.h"

typedef struct Claim
{
	TaskQueue  *queue;
	int			max;
	ArrayType  *names;			/* activities to take; NULL: all */
	MemoryContext context;		/* of the result */
	Activity   *rows;
	int			count;
	bool		parked;			/* others were, by this transaction */
} Claim;

extern void claim_tasks(Claim *claim);
extern void claim_give_back_task(Claim *claim, const Activity *a);
extern void claim_give_back(Claim *claim, int from);

#endif							/* DURABLE_CLAIM_H */
