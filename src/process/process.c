/*-------------------------------------------------------------------------
 *
 * process.c
 *	  What our background processes have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/guc.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "process/process.h"
#include "shared/holder.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/trouble.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "store/identity.h"
#include "tcop/tcopprot.h"

/* Between two tries after a failure of another kind */
#define FAILED_DELAY_MS	1000

/*
 * Read the configuration again, if it was asked for
 */
void
process_reload_config(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

/*
 * After a failure that was no run's: wait before the next try, whatever wakes us
 */
void
process_rest(void)
{
	static uint32 event = 0;
	int64		until = durable_monotonic() + (trouble_delay() > 0 ? trouble_delay() : FAILED_DELAY_MS) * INT64CONST(1000);
	int64		left;

	if (event == 0)
		event = wait_event("DurableRest");
	while ((left = until - durable_monotonic()) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left / 1000 + 1, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		process_reload_config();
	}
}

/*
 * For the log, in a transaction
 */
void
process_note_database(void)
{
	char	   *name = get_database_name(MyDatabaseId);

	if (name)
		trouble_name_database(name);
}

/*
 * Runs that came with a dump or a copy are not ours to run
 */
static void
check_identity(void)
{
	bool		ours;

	StartTransactionCommand();
	process_note_database();
	ours = !durable_lock_installed() || durable_identity_matches();
	CommitTransactionCommand();
	if (ours)
		return;
	durable_look_at_all(MyDatabaseId);
	proc_exit(0);
}

/*
 * A worker begins: it takes its slot and connects as the role that it works
 * for.  `arg' is that of its main function, `name' its application_name.
 */
Slot *
process_begin(Datum arg, const char *name)
{
	uint32		flags = 0;
	Slot	   *slot;

#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	flags |= BGWORKER_BYPASS_ROLELOGINCHECK;
#endif
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	slot = slot_attach(DatumGetInt32(arg));
	if (!slot || !durable_enabled)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(slot->dbid, slot->owner, flags);
	slot_pin_settings(name);
	slot->share = durable_workers_per_role;
	holder_init(slot->asked);
	STOP_EVENT(process_connected);
	check_identity();
	return slot;
}
