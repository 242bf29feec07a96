/*-------------------------------------------------------------------------
 *
 * guarded.c
 *	  Work in a subtransaction of its own, whose error is a result.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "call/guarded.h"
#include "call/leftovers.h"
#include "call/running.h"
#include "shared/watchdog.h"
#include "storage/proc.h"
#include "store/store.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/*
 * Do the work in memory of `context'.  It may set LockTimeout and a watchdog's
 * guard; both are as before afterwards.
 */
void
guarded_call(GuardedWork work, void *arg, MemoryContext context, GuardedEnd *end)
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	int			lock_timeout = LockTimeout;
	int			depth = store_depth();

	memset(end, 0, sizeof(GuardedEnd));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		end->result = work(arg);
		end->watchdog = watchdog_release();
		end->wrote = TransactionIdIsValid(GetCurrentTransactionIdIfAny());
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		end->error = CopyErrorData();
		FlushErrorState();
		end->watchdog = watchdog_release();
		RollbackAndReleaseCurrentSubTransaction();
		leftovers_abort_sub();
	}
	PG_END_TRY();
	LockTimeout = lock_timeout;
	running_attempt = NULL;
	store_forget(depth);
	MemoryContextSwitchTo(old_context);
	CurrentResourceOwner = old_owner;
}

/*
 * Does the failure come from sharing the transaction with others?
 */
bool
wants_to_be_alone(int sqlstate, WatchdogReason watchdog)
{
	return watchdog == WATCHDOG_BATCH || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED || sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}
