/*-------------------------------------------------------------------------
 *
 * update_client.c
 *	  An update, as its client sees it: sending it, and waiting for the answer.
 *
 *	  1. Who waits needs the request committed, and cannot commit it himself in
 *	  the middle of his statement.  So the scheduler does that for him (errand.c).
 *	  Who does not wait sends it with his own transaction, like a signal; so does
 *	  CALL wf_await_update(), which commits that itself.
 *
 *	  2. From then on there is a row in durable.update, and it tells everything:
 *	  the client sleeps until the commit that changes it, or that closes the run.
 *	  He looks at the run first and at the row then, so that of a run that is
 *	  closed he knows the last word.
 *
 *	  3. Where the run has gone on as another one, so have its unread updates,
 *	  row and all; the client follows.  Those that are answered have not: who
 *	  repeats one is led back to the run that answered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/testmode.h"
#include "base/text.h"
#include "miscadmin.h"
#include "run/await.h"
#include "run/outside.h"
#include "shared/durability.h"
#include "shared/stopevent.h"
#include "shared/waiter.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/update.h"
#include "store/wait.h"
#include "store/whereabouts.h"
#include "test/testkit.h"
#include "update/errand.h"
#include "update/update_client.h"
#include "utils/builtins.h"

/* After this an errand that met a lock is tried again */
#define BUSY_MS			50

/*
 * Has this update been requested before?  Then *run becomes the run that has it.
 * Errors where it was another one.
 */
bool
update_call_find(Found *run, const UpdateCall *call, Update *update)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;
	pg_uuid_t	before;
	bool		found;

	store_begin_look(&scope);
	found = update_find(&run->run_id, call->update_id, context, update);
	if (!found && update_find_before(&run->run_id, call->update_id, &before))
		found = find_run(&before, run) && update_find(&before, call->update_id, context, update);
	store_end(&scope);
	check_owner(GetUserId(), run->owner, call->workflow_id);
	if (found && strcmp(text_to_cstring(update->name), text_to_cstring(call->update)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("update \"%s\" of workflow \"%s\" is an update \"%s\", not \"%s\"",
						text_to_cstring(call->update_id), call->workflow_id,
						text_to_cstring(update->name), text_to_cstring(call->update)),
				 errhint("An update_id stands for one request.")));
	return found;
}

static Wait
wait_for(const UpdateCall *call)
{
	static uint32 event = 0;

	if (event == 0)
		event = wait_event("DurableUpdate");
	return (Wait) {.event = event, .until = call->until};
}

static void
timed_out(const Found *run, const UpdateCall *call, const char *stage)
{
	Whereabouts at;

	whereabouts_of(&run->run_id, &at);
	ereport(ERROR,
			(errcode(ERRCODE_WF_TIMEOUT),
			 errmsg(call->until == PG_INT64_MAX ? "update \"%s\" of workflow \"%s\" is never %s" :
					"update \"%s\" of workflow \"%s\" is not %s after the timeout",
					text_to_cstring(call->update_id), call->workflow_id, stage),
			 errdetail_internal("%s", json_to_cstring(at.detail)),
			 at.stuck ? errhint("%s", at.stuck) : errhint("The same update_id asks for it again.")));
}

/*
 * Send the request; false where the run is closed
 */
bool
update_call_send(const Found *run, const UpdateCall *call)
{
	Wait		wait = wait_for(call);

	if (call->stage == STAGE_ADMITTED || call->commits || test_mode_has_run(&run->run_id))
	{
		StoreScope	scope;
		bool		sent;

		store_begin(&scope);
		sent = run_update(run, call->update_id, call->update, call->args);
		store_end(&scope);
		return sent;
	}
	for (;;)
	{
		switch (errand_update(run, call->update_id, call->update, call->args, call->until))
		{
			case ERRAND_SENT:
				return true;
			case ERRAND_RUN_CLOSED:
				return false;
			case ERRAND_TOO_LATE:
				timed_out(run, call, "admitted");
				break;
			case ERRAND_BUSY:
				break;
		}
		if (!wait_sleep(&wait, BUSY_MS))
			timed_out(run, call, "admitted");
	}
}

/*
 * The run is closed, and did not say more
 */
static void
never_answered(const Found *run, const UpdateCall *call, const Update *update)
{
	const char *id = text_to_cstring(call->update_id);
	const char *status = status_name(run->status);

	txn_wait_for_disk(false);
	if (update->state == UPDATE_ADMITTED)
		ereport(ERROR,
				(errcode(ERRCODE_WF_ALREADY_CLOSED),
				 errmsg("workflow \"%s\" closed before it accepted update \"%s\"", call->workflow_id, id),
				 errdetail("Its status is %s.", status)));
	ereport(ERROR,
			(errcode(ERRCODE_WF_FAILED),
			 errmsg("workflow \"%s\" closed before it answered update \"%s\"", call->workflow_id, id),
			 errdetail_internal("{\"type\": \"accepted_update_completed_workflow\", \"status\": \"%s\"}", status)));
}

static bool
next_run_has(const Found *run, const UpdateCall *call)
{
	Update		unused;
	StoreScope	scope;
	bool		found;

	store_begin_look(&scope);
	found = update_find(&run->next_run_id, call->update_id, CurrentMemoryContext, &unused);
	store_end(&scope);
	return found;
}

/*
 * Is the update as far as the client waits?  Follows the run; errors where the
 * update will never be.
 */
static bool
look(Found *run, const UpdateCall *call, Update *update)
{
	for (;;)
	{
		MemoryContext context = CurrentMemoryContext;
		pg_uuid_t	run_id = run->run_id;
		StoreScope	scope;
		bool		found_run;
		bool		found;

		store_begin_look(&scope);
		found_run = find_run(&run_id, run);
		found = found_run && update_find(&run_id, call->update_id, context, update);
		/* it may have gone on with the next run between these two looks */
		if (found_run && !found && run->status == STATUS_RUNNING)
			found_run = find_run(&run_id, run);
		store_end(&scope);
		/* it, or one of those that go on for it, may have been given away */
		if (found_run)
			check_owner(GetUserId(), run->owner, call->workflow_id);
		if (found && update->state >= (call->stage == STAGE_ACCEPTED ? UPDATE_ACCEPTED : UPDATE_COMPLETED))
			return true;
		if (found && run->status == STATUS_RUNNING)
			return false;
		/* a reset sends it to the new run again, unless told not to */
		if (found && !(run->has_next && next_run_has(run, call)))
			never_answered(run, call, update);
		if (!found_run || !run->has_next)
			refuse_deleted(call->workflow_id);
		run->run_id = run->next_run_id;
	}
}

static bool
is_same_run(const Found *run, const pg_uuid_t *run_id)
{
	return uuid_equal(&run->run_id, run_id);
}

/*
 * Wait while it is this run that has the update
 */
static void
wait_with_run(const pg_uuid_t *run_id, Found *run, const UpdateCall *call, Update *update)
{
	Wait		wait = wait_for(call);

	waiter_begin_update(run_id, update_hash(text_to_cstring(call->update_id)));
	STOP_EVENT(update_waits);
	while (!look(run, call, update) && is_same_run(run, run_id))
	{
		STOP_EVENT(update_looked);
		if (!wait_sleep(&wait, 0))
			timed_out(run, call, call->stage == STAGE_ACCEPTED ? "accepted" : "completed");
	}
	waiter_end();
	STOP_EVENT(update_end);
}

/* What a test waits for */
typedef struct Awaited
{
	Found		run;
	const UpdateCall *call;
	Update		update;
} Awaited;

static bool
is_there(void *arg)
{
	Awaited    *awaited = arg;

	return look(&awaited->run, awaited->call, &awaited->update);
}

static void
wait_in_test(Found *run, const UpdateCall *call, Update *update)
{
	Awaited		awaited = {.run = *run, .call = call};

	testkit_await(call->until, is_there, &awaited);
	if (!look(run, call, update))
		timed_out(run, call, call->stage == STAGE_ACCEPTED ? "accepted" : "completed");
}

static void
raise_rejection(const UpdateCall *call, Jsonb *failure)
{
	char	   *message = json_find_text(failure, "message");

	ereport(ERROR,
			(errcode(ERRCODE_WF_UPDATE_REJECTED),
			 errmsg_internal("%s", message ? message : "update rejected"),
			 errdetail_internal("%s", json_to_cstring(failure))));
}

/*
 * Wait for an update that was sent.  Returns its result (NULL for SQL NULL, and
 * where only its acceptance was waited for) in the current memory context;
 * raises WF014 when it was rejected, WF015 when the time is over, WF012 or
 * WF007 when the run closed.
 */
Jsonb *
update_call_await(Found *run, const UpdateCall *call)
{
	Update		update;
	pg_uuid_t	waits_for;
	Jsonb	   *result;

	if (test_mode_has_run(&run->run_id))
		wait_in_test(run, call, &update);
	else
		do
		{
			waits_for = run->run_id;
			wait_with_run(&waits_for, run, call, &update);
		} while (!is_same_run(run, &waits_for));
	if (update.state == UPDATE_REJECTED)
		raise_rejection(call, update.failure);
	if (call->stage == STAGE_ACCEPTED || update.state != UPDATE_COMPLETED)
		return NULL;
	if (update.result_id == 0)
		return update.result;
	result = payload_find(update.result_id);
	if (!result)
		refuse_deleted(call->workflow_id);
	return result;
}
