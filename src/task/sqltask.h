/*-------------------------------------------------------------------------
 *
 * sqltask.h
 *	  Queued activities that run in the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SQLTASK_H
#define DURABLE_SQLTASK_H

#include "call/unwind.h"
#include "shared/shmem.h"

extern DriveResult sqltask_drive(TaskQueue *queue, Slot *slot, int *tasks);
extern DriveResult sqltask_drive_all(Oid owner, int *tasks);

#endif							/* DURABLE_SQLTASK_H */
