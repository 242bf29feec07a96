/*-------------------------------------------------------------------------
 *
 * unwind.c
 *	  Going on after an error, in a process that commits as it goes.
 *
 *	  An error leaves open the SPI connections that were made on its way, by us
 *	  or by user code, and where there is no subtransaction nothing closes them.
 *	  So work that may fail has a connection of its own as its bottom.  It is known
 *	  by the memory context that SPI returns to when it is closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "call/unwind.h"
#include "executor/spi.h"
#include "shared/trouble.h"
#include "shared/watchdog.h"
#include "store/store.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

/*
 * Memory that outlives transactions.  In a session it goes with the statement
 * that drives, so nothing is left however that ends; a process of ours deletes
 * it, or ends.
 */
MemoryContext
drive_context(const char *name)
{
	MemoryContext parent = PortalContext && !in_background_worker() ? PortalContext : TopMemoryContext;

	return AllocSetContextCreateInternal(parent, name, ALLOCSET_SMALL_SIZES);
}

/*
 * Work begins that may commit, and may fail.  The frame lives in `context',
 * which is the current one again afterwards, as after the following two.
 */
Frame *
frame_begin(MemoryContext context)
{
	Frame	   *frame = MemoryContextAlloc(context, sizeof(Frame));

	frame->context = context;
	frame->bottom = AllocSetContextCreate(context, "durable frame", ALLOCSET_SMALL_SIZES);
	frame->depth = store_depth();
	MemoryContextSwitchTo(frame->bottom);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	return frame;
}

/*
 * The work is done and committed, or rolled back
 */
void
frame_end(Frame *frame)
{
	do
		SPI_finish();
	while (CurrentMemoryContext != frame->bottom);
	MemoryContextSwitchTo(frame->context);
}

/*
 * The work failed: leave what is open, and begin a new transaction
 */
void
frame_unwind(Frame *frame)
{
	current_turn = NULL;
	running_attempt = NULL;
	watchdog_stop();
	while (GetCurrentTransactionNestLevel() > 1)
		RollbackAndReleaseCurrentSubTransaction();
	store_forget(frame->depth);
	frame_end(frame);
	while (ActiveSnapshotSet())
		PopActiveSnapshot();
	if (ActivePortal)
		ActivePortal->portalSnapshot = NULL;	/* was one of them */
	SPI_rollback();
	leftovers_abort();
	MemoryContextSwitchTo(frame->context);
}

/*
 * Log an error that no run is to blame for, unless the database's line tells of
 * it
 */
void
drive_log_error(ErrorData *edata)
{
	if (trouble_hides(edata))
		return;
	ereport(LOG,
			(errcode(edata->sqlerrcode),
			 errmsg_internal("durable: %s", edata->message),
			 edata->detail ? errdetail_internal("%s", edata->detail) : 0));
}
