/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  Where claims of one owner's mail start and go on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_QUEUE_H
#define DURABLE_QUEUE_H

#include "shared/shmem.h"

extern Queue *durable_queue(Oid owner);
extern int64 queue_begin_scan(Queue *queue);
extern void queue_end_scan(Queue *queue, int64 from, int64 next);
extern void queue_lower(Queue *queue, int64 seq);
extern void queue_skip(Queue *queue, const pg_uuid_t *run_id, int64 seq);
extern void queue_release(Queue *queue, const pg_uuid_t *run_ids, int count);
extern bool queue_any_skipped(Queue *queue);
extern bool queue_is_skipped(Queue *queue, const pg_uuid_t *run_id, int64 seq);
extern void queue_release_all(Queue *queue);
extern void queues_look_again(Oid dbid);
extern bool queue_has_mail(Queue *queue);
extern void queue_doubt(Queue *queue);
extern bool queue_set_watched(Queue *queue, bool watched);
extern void queue_wake(Queue *queue);
extern void queue_want_more(Queue *queue);

#endif							/* DURABLE_QUEUE_H */
