/*-------------------------------------------------------------------------
 *
 * poll.h
 *	  A poll of an external worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_POLL_H
#define DURABLE_POLL_H

#include "store/activity.h"

typedef struct Poll
{
	Oid			role;			/* who polls */
	char	   *namespace;
	char	   *task_queue;
	int			max;
	text	   *worker;
	int64		until;			/* by durable_monotonic(): wait for tasks until then; 0: do not */
	ArrayType  *names;
	MemoryContext context;		/* of the result: */
	Activity   *tasks;
	int			count;
} Poll;

extern void poll_tasks(Poll *poll);
extern void poll_listen(const char *namespace, const char *task_queue);

#endif							/* DURABLE_POLL_H */
