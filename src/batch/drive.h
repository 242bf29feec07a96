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

extern DriveResult durable_drive(Oid owner, int *turns);
extern void durable_drive_run(Oid owner, const pg_uuid_t *run_id);

#endif							/* DURABLE_DRIVE_H */
