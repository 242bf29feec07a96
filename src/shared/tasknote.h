/*-------------------------------------------------------------------------
 *
 * tasknote.h
 *	  What task queues are to know when the current transaction has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TASKNOTE_H
#define DURABLE_TASKNOTE_H

#include "shared/shmem.h"

extern void note_begin_change(TaskQueue *queue);
extern void note_end_change(TaskQueue *queue);
extern void note_task_arrived(TaskQueue *queue, int64 place, int64 seq);
extern void note_task_claimed(TaskQueue *queue, int64 place, int64 seq);
extern void note_task_started(TaskQueue *queue);
extern void note_task_ended(TaskQueue *queue);
extern void note_tokens(TaskQueue *queue, int count);
extern void note_key_started(TaskQueue *queue, uint32 hash, bool was_parked);
extern void note_key_ended(TaskQueue *queue, uint32 hash);
extern void note_key_parked(TaskQueue *queue, uint32 hash);
extern void note_task_notified(TaskQueue *queue, uint32 hungry);
extern bool task_is_notified(TaskQueue *queue);
extern void note_queue_changed(TaskQueue *queue);
extern void note_cancel(const pg_uuid_t *run_id, int32 command, int32 lease);
extern bool tasknote_any(void);
extern void tasknote_end(bool commit);
extern void tasknote_prepare(void);
extern void tasknote_forget(void);
extern void tasknote_sub_abort(void);

#endif							/* DURABLE_TASKNOTE_H */
