/*-------------------------------------------------------------------------
 *
 * unwind.c
 *	  Going on after an error, in a frame that commits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "running.h"
#include "store.h"
#include "tcop/pquery.h"
#include "turn.h"
#include "unwind.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "watchdog.h"

/*
 * Leave what was open and start a new transaction; `depth' is store_depth()
 * from before
 */
void
drive_unwind(int depth)
{
	current_turn = NULL;
	running_attempt = NULL;
	watchdog_stop();
	while (GetCurrentTransactionNestLevel() > 1)
		RollbackAndReleaseCurrentSubTransaction();
	store_unwind(depth);
	while (ActiveSnapshotSet())
		PopActiveSnapshot();
	if (ActivePortal)
		ActivePortal->portalSnapshot = NULL;	/* was one of them */
	SPI_rollback();
}

void
drive_log_error(ErrorData *edata)
{
	ereport(LOG,
			(errcode(edata->sqlerrcode),
			 errmsg_internal("durable: %s", edata->message),
			 edata->detail ? errdetail_internal("%s", edata->detail) : 0));
}
