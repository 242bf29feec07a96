/*-------------------------------------------------------------------------
 *
 * running.c
 *	  The attempt of an activity that this process is in the middle of.
 *
 *	  1. A step of a turn, and a quick activity in a batch, commit with others.
 *	  Nobody else sees them run, so a heartbeat of theirs has nobody to tell.
 *
 *	  2. An activity that runs alone has a lease in its row.  A heartbeat of a
 *	  procedure writes that row, in the transaction it is in: before the COMMIT it
 *	  is a checkpoint.  If the lease is over, it is an error, and so the work
 *	  since the last COMMIT is undone.  A function has one transaction, whose end
 *	  deletes the row or undoes all; so its heartbeats only look, and do not keep
 *	  the row from those who want to cancel or pause it.  The slot in shared
 *	  memory tells the scheduler at once that the process lives.
 *
 *	  3. Code that calls wf_heartbeat() is told of a cancellation there.  Other
 *	  code is interrupted, like a statement that a user cancels.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/json.h"
#include "call/running.h"
#include "shared/watchdog.h"
#include "store/activity.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

RunningAttempt *running_attempt = NULL;
struct Turn *current_turn = NULL;

/*
 * The attempt whose code calls; an error elsewhere.  `call' names the function.
 */
RunningAttempt *
running_in_activity(const char *call)
{
	if (!running_attempt)
		ereport(ERROR,
				(errcode(ERRCODE_WF_NOT_IN_WORKFLOW),
				 errmsg("%s called outside activity code", call),
				 errhint("Call it in a function that a workflow runs by wf_activity().")));
	return running_attempt;
}

/*
 * The same for all attempts of an activity, and for no other activity
 */
char *
idempotency_key(const Activity *a)
{
	return psprintf("%s/%d", uuid_to_cstring(&a->run_id), a->command);
}

/*
 * When an attempt that runs must be over, DT_NOEND for never
 */
TimestampTz
activity_deadline(const Activity *a)
{
	TimestampTz at = DT_NOEND;

	if (a->start_to_close > 0 && a->started_at != DT_NOEND)
		at = a->started_at + a->start_to_close;
	if (a->schedule_to_close > 0)
		at = Min(at, a->scheduled_at + a->schedule_to_close);
	return at;
}

/*
 * What wf_activity_info() says
 */
Jsonb *
running_info(RunningAttempt *running)
{
	Activity   *a = running->activity;
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "workflow_id", text_to_cstring(a->workflow_id));
	json_add_text(&b, "run_id", uuid_to_cstring(&a->run_id));
	json_add_text(&b, "activity", text_to_cstring(a->name));
	json_add_text(&b, "activity_id", activity_id_of(a));
	json_add_text(&b, "task_queue", a->task_queue ? text_to_cstring(a->task_queue) : NULL);
	json_add_int(&b, "attempt", a->attempt);
	json_add_text(&b, "idempotency_key", idempotency_key(a));
	json_add_time(&b, "scheduled_at", a->scheduled_at);
	json_add_time(&b, "started_at", a->started_at);
	json_add_time(&b, "deadline", activity_deadline(a));
	json_add_jsonb(&b, "heartbeat_details", a->details);
	json_add_bool(&b, "cancel_requested", running_cancelled(running));
	return json_end(&b);
}

/*
 * Has the activity been asked to cancel itself?
 */
bool
running_cancelled(RunningAttempt *running)
{
	return running->activity->cancel_requested || (running->slot && running->slot->cancel);
}

static void
keep_details(RunningAttempt *running, Jsonb *details)
{
	MemoryContext old;
	Jsonb	   *last = running->keeps_details ? running->activity->details : NULL;

	if (!details)
		return;
	old = MemoryContextSwitchTo(running->context);
	running->activity->details = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(details));
	MemoryContextSwitchTo(old);
	running->keeps_details = true;
	/* they may come a million times */
	if (last)
		pfree(last);
}

static void
refuse_lost(const Activity *a)
{
	ereport(ERROR,
			(errcode(ERRCODE_WF_TASK_LOST),
			 errmsg("attempt %d of activity \"%s\" is over", a->attempt, text_to_cstring(a->name)),
			 errdetail("It timed out, was cancelled or reset, or its workflow is closed.")));
}

/*
 * A procedure lives
 */
static void
write_heartbeat(RunningAttempt *running, Jsonb *details)
{
	Activity   *a = running->activity;
	ActivityKey key = {a->run_id, a->command, a->lease};
	HeartbeatReply reply;
	bool		ok;
	StoreScope	scope;

	store_begin(&scope);
	ok = activity_heartbeat(&key, durable_now(), details, &reply);
	store_end(&scope);
	if (!ok)
		refuse_lost(a);
	a->cancel_requested = reply.cancel_requested;
}

/*
 * What is wanted of a function in a session, to which no slot tells it
 */
static void
look_at_row(RunningAttempt *running)
{
	Activity   *a = running->activity;
	ActivityKey key = {a->run_id, a->command, a->lease};
	Activity	row;
	bool		ok;
	StoreScope	scope;

	store_begin(&scope);
	ok = activity_read(&key, CurrentMemoryContext, &row);
	if (ok)
		a->cancel_requested = row.cancel_requested;
	store_end(&scope);
	if (!ok)
		refuse_lost(a);
}

/*
 * The activity lives; raises WF003 when it is to cancel itself, WF013 when its
 * attempt is over
 */
void
running_heartbeat(RunningAttempt *running, Jsonb *details)
{
	watchdog_watch(NULL);
	if (running->slot)
		running->slot->heartbeat_at = durable_now();
	if (running->commits)
		write_heartbeat(running, details);
	else if (running->has_lease && !running->slot)
		look_at_row(running);
	keep_details(running, details);
	if (running_cancelled(running))
		ereport(ERROR,
				(errcode(ERRCODE_WF_CANCELLED),
				 errmsg("activity cancelled")));
}
