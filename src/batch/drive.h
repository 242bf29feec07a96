/*-------------------------------------------------------------------------
 *
 * drive.h
 *	  The loop that all drivers share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DRIVE_H
#define DURABLE_DRIVE_H

#include "shared/queue.h"

typedef enum DriveResult
{
	DRIVE_IDLE,					/* no mail */
	DRIVE_BUSY,					/* took turns; look again */
	DRIVE_MORE,					/* the same, and another worker would find some too */
	DRIVE_GONE,					/* the extension is not there any more */
	DRIVE_FAILED				/* an error that is not any run's; wait before the next try */
} DriveResult;

extern DriveResult durable_drive(Oid owner, int *turns);
extern void durable_drive_run(Oid owner, const pg_uuid_t *run_id);

#endif							/* DURABLE_DRIVE_H */
