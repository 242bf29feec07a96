/*-------------------------------------------------------------------------
 *
 * init.c
 *	  The library's table of contents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "call/clone.h"
#include "call/leftovers.h"
#include "fence/fence_hooks.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "process/ddl.h"
#include "process/launcher.h"
#include "shared/parts.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/planning.h"

DURABLE_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * The table of contents: what is hooked into the server, in this order
 */
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
