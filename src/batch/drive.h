/*-------------------------------------------------------------------------
 *
 * drive.h
 *	  The loop that all drivers share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DRIVE_H
#define DURABLE_DRIVE_H

#include "call/unwind.h"
#include "utils/uuid.h"

typedef struct Driver Driver;

extern Driver *driver_make(Oid owner);
extern DriveResult durable_drive(Driver *driver, int *turns);
extern void durable_drive_run(Oid owner, const pg_uuid_t *run_id);

#endif							/* DURABLE_DRIVE_H */
