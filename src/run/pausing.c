/*-------------------------------------------------------------------------
 *
 * pausing.c
 *	  Paused runs.
 *
 *	  1. No code of a paused run runs (wakes() in batch.c).  Its mail becomes
 *	  events as ever, its timers and timeouts run, and it can be terminated.
 *
 *	  2. Its activities are paused with it: attempts that run go on to their end,
 *	  no others begin.  They carry the run's own paused_at, and by that only they
 *	  are unpaused with it, and not those that an operator paused one by one.
 *
 *	  3. A turn that is under way is undone, with the step it is in (holder.c).  Both changes are events, which are
 *	  written here; mail that came before goes into the history before them.
 *	  What such mail would have woken is made up for when the run goes on: then
 *	  the code is run anyway.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "run/outside.h"
#include "run/pausing.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/timer.h"
#include "task/activity_options.h"
#include "task/notify.h"

/*
 * Pause a run; false where it is closed or paused
 */
bool
run_pause(const pg_uuid_t *run_id, text *reason)
{
	Event		event = {.type = EVENT_WORKFLOW_PAUSED, .at = durable_now(), .name = reason};
	ActivityChange pause = {.kind = CHANGE_PAUSE, .reason = reason, .paused_at = event.at};
	Execution	e;

	if (!run_take(run_id, false, CurrentMemoryContext, &e))
		return false;
	txn_locked(e.owner, run_id);
	STOP_EVENT(pause_locked);
	if (e.paused_at != DT_NOEND)
		return false;
	e.paused_at = event.at;
	e.pause_reason = reason;
	run_add_event(&e, &event);
	execution_write_pause(&e);
	STOP_EVENT(paused);
	(void) change_activities(run_id, &pause);
	notify_status(&e, STATUS_RUNNING);
	return true;
}

/*
 * Have a paused run go on; false where it is not paused
 */
bool
run_unpause(const pg_uuid_t *run_id)
{
	Event		event = {.type = EVENT_WORKFLOW_UNPAUSED, .at = durable_now()};
	ActivityChange unpause = {.kind = CHANGE_UNPAUSE};
	Message		wake = {.run_id = *run_id, .kind = MESSAGE_WAKE, .at = event.at};
	Execution	e;

	if (!run_take(run_id, false, CurrentMemoryContext, &e))
		return false;
	txn_locked(e.owner, run_id);
	STOP_EVENT(unpause_locked);
	if (e.paused_at == DT_NOEND)
		return false;
	unpause.paused_at = e.paused_at;
	e.paused_at = DT_NOEND;
	e.pause_reason = NULL;
	e.lost_tries = 0;			/* an operator says so: it has its tries again */
	run_add_event(&e, &event);
	execution_write_pause(&e);
	(void) change_activities(run_id, &unpause);
	STOP_EVENT(unpaused);
	/* a start delay that is not over is still what the run waits for */
	if (e.wait_command != WAIT_START || !timer_is_set(run_id, MESSAGE_START_DELAY, 0))
		txn_mail(e.owner, mailbox_send(e.owner, &wake));
	notify_status(&e, STATUS_RUNNING);
	return true;
}
