/*-------------------------------------------------------------------------
 *
 * parts.c
 *	  The parts of shared memory, as the server asks for them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "shared/holder.h"
#include "shared/parts.h"
#include "shared/shmem.h"
#include "shared/suspect.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	shared_request();
	holders_shmem_request();
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	if (shared_startup())
		suspects_startup();
	holders_shmem_startup();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Ask for shared memory, when the server does
 */
void
durable_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
