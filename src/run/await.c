/*-------------------------------------------------------------------------
 *
 * await.c
 *	  Waiting for a run to close, and its outcome.
 *
 *	  Nothing is held meanwhile but what the caller's transaction and statement
 *	  hold: see wait.c.  CALL wf_await_result() and CALL wf_execute() have neither.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "miscadmin.h"
#include "run/await.h"
#include "shared/durability.h"
#include "shared/stopevent.h"
#include "shared/waiter.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/wait.h"
#include "store/whereabouts.h"
#include "utils/builtins.h"

/*
 * The run was there when we last looked
 */
void
refuse_deleted(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_WF_NOT_FOUND),
			 errmsg("workflow \"%s\" was deleted", name)));
}

static bool
look(Found *run)
{
	StoreScope	scope;
	pg_uuid_t	run_id = run->run_id;
	bool		found;

	store_begin_look(&scope);
	found = find_run(&run_id, run);
	store_end(&scope);
	return found;
}

/*
 * Wait for one run; false when the time is over
 */
static bool
wait_until_closed(Found *run, const char *name, int64 until)
{
	static uint32 event = 0;
	Wait		wait = {.until = until};

	if (event == 0)
		event = wait_event("DurableResult");
	wait.event = event;
	waiter_begin(&run->run_id);
	STOP_EVENT(await_waits);
	do
	{
		if (!look(run))
			refuse_deleted(name);
		/* it, or the one that goes on for it, may have been given away */
		check_owner(GetUserId(), run->owner, name);
		STOP_EVENT(await_looked);
	} while (run->status == STATUS_RUNNING && wait_sleep(&wait, 0));
	waiter_end();
	STOP_EVENT(await_end);
	return run->status != STATUS_RUNNING;
}

/*
 * Wait for a run, and those that go on for it, to close; false when `until', by
 * durable_monotonic(), is over (PG_INT64_MAX: never).  *run becomes the run that
 * it is by then.
 */
bool
await_closed(Found *run, const char *name, int64 until)
{
	for (;;)
	{
		if (run->status == STATUS_RUNNING && !wait_until_closed(run, name, until))
			return false;
		if (!run->has_next)
			return true;
		run->run_id = run->next_run_id;
		run->status = STATUS_RUNNING;
	}
}

static Jsonb *
copy_jsonb(Jsonb *value, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Jsonb	   *copy = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(value));

	MemoryContextSwitchTo(old);
	return copy;
}

/*
 * How a run ended, in the current memory context
 */
void
await_outcome(const Found *run, const char *name, Outcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;
	Event		event;
	JsonbValue *failure;

	memset(outcome, 0, sizeof(*outcome));
	store_begin_look(&scope);
	if (!history_read_last(&run->run_id, &event))
		refuse_deleted(name);
	failure = event.attributes ? json_find(event.attributes, "failure") : NULL;
	if (run->status == STATUS_COMPLETED)
		outcome->result = event.payload ? copy_jsonb(event.payload, context) : NULL;
	else if (run->status == STATUS_TERMINATED)
	{
		MemoryContextSwitchTo(context);
		outcome->message = event.name ? text_to_cstring(event.name) : NULL;
		outcome->failure = failure_of_termination(event.name);
	}
	else
	{
		MemoryContextSwitchTo(context);
		outcome->failure = failure ? JsonbValueToJsonb(failure) :
			run->status == STATUS_CANCELLED && event.attributes ? copy_jsonb(event.attributes, context) : NULL;
		outcome->message = outcome->failure ? json_find_text(outcome->failure, "message") :
			event.name ? text_to_cstring(event.name) : NULL;
	}
	store_end(&scope);
	MemoryContextSwitchTo(context);
	if (run->status == STATUS_COMPLETED && event.payload_id)
	{
		outcome->result = payload_find(event.payload_id);
		if (!outcome->result)
			refuse_deleted(name);
	}
	STOP_EVENT(await_told);
	/* as late as can be: meanwhile the end of the run may have been written */
	txn_wait_for_disk(false);
}

static void
raise_outcome(const Found *run, const char *name, const Outcome *outcome)
{
	const char *ended = run->status == STATUS_TIMED_OUT ? "timed out" : status_name(run->status);
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "status", status_name(run->status));
	json_add_jsonb(&b, "failure", outcome->failure);
	ereport(ERROR,
			(errcode(ERRCODE_WF_FAILED),
			 outcome->message ? errmsg("workflow \"%s\" %s: %s", name, ended, outcome->message) :
			 errmsg("workflow \"%s\" %s", name, ended),
			 errdetail_internal("%s", json_to_cstring(json_end(&b)))));
}

/*
 * Wait for a run, and those that go on for it, to close.  Returns its result
 * (NULL for SQL NULL) in the current memory context; raises WF012 when it did
 * not complete, WF015 when the time is over.
 */
Jsonb *
await_result(Found *run, const char *name, int64 until)
{
	Outcome		outcome;

	if (!await_closed(run, name, until))
	{
		Whereabouts at;

		whereabouts_of(&run->run_id, &at);
		ereport(ERROR,
				(errcode(ERRCODE_WF_TIMEOUT),
				 errmsg("workflow \"%s\" is still running after the timeout", name),
				 errdetail_internal("%s", json_to_cstring(at.detail)),
				 at.stuck ? errhint("%s", at.stuck) : 0));
	}
	await_outcome(run, name, &outcome);
	if (run->status != STATUS_COMPLETED)
		raise_outcome(run, name, &outcome);
	return outcome.result;
}
