/*-------------------------------------------------------------------------
 *
 * taskqueue_id.h
 *	  The ids and topics of task queues.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TASKQUEUE_ID_H
#define DURABLE_TASKQUEUE_ID_H

extern int64 task_queue_id(const char *namespace, const char *name, Oid owner, bool external);
extern int64 task_queue_topic(const char *namespace, const char *name);
extern char *task_queue_channel(int64 topic);

#endif							/* DURABLE_TASKQUEUE_ID_H */
