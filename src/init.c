/*-------------------------------------------------------------------------
 *
 * init.c
 *	  The library's table of contents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clone.h"
#include "compat.h"
#include "ddl.h"
#include "extension.h"
#include "fence.h"
#include "fmgr.h"
#include "guc.h"
#include "launcher.h"
#include "leftovers.h"
#include "miscadmin.h"
#include "planning.h"
#include "settings.h"
#include "shmem.h"
#include "stopevent.h"
#include "testmode.h"
#include "txn.h"

DURABLE_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	durable_guc_init();
	durable_extension_init();
	durable_txn_init();
	durable_testmode_init();
	durable_fence_init();
	durable_clone_init();
	durable_leftovers_init();
	durable_settings_init();
	durable_ddl_init();
	durable_planning_init();
	if (process_shared_preload_libraries_in_progress)
	{
		durable_shmem_init();
#ifdef DURABLE_STOP_EVENTS
		stop_events_init();
#endif
		durable_launcher_init();
	}
}
