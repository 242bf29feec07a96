/*-------------------------------------------------------------------------
 *
 * await.c
 *	  Waiting for a run to close, and its outcome.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "await.h"
#include "compat.h"
#include "extension.h"
#include "failure.h"
#include "find.h"
#include "history.h"
#include "json.h"
#include "payload.h"
#include "txn.h"
#include "utils/builtins.h"
#include "waiter.h"

static bool
look(Found *run)
{
	StoreScope	scope;
	pg_uuid_t	run_id = run->run_id;
	bool		found;

	store_begin(&scope);
	found = find_run(&run_id, run);
	store_end(&scope);
	return found;
}

static void
wait_until_closed(Found *run, const char *name, TimestampTz until)
{
	static uint32 event = 0;

	if (event == 0)
		event = wait_event("DurableResult");
	waiter_begin(&run->run_id);
	for (;;)
	{
		if (!look(run))
			ereport(ERROR,
					(errcode(ERRCODE_WF_NOT_FOUND),
					 errmsg("workflow \"%s\" was deleted", name)));
		if (run->status != STATUS_RUNNING)
			break;
		if (!waiter_sleep(event, until, 0))
			ereport(ERROR,
					(errcode(ERRCODE_WF_TIMEOUT),
					 errmsg("workflow \"%s\" is still running after the timeout", name)));
	}
	waiter_end();
}

static void
raise_outcome(const Found *run, const char *name, const Event *event)
{
	Jsonb	   *failure = NULL;
	JsonbValue *found = json_find(event->attributes, "failure");
	const char *message;
	JsonBuilder b;

	if (found)
		failure = JsonbValueToJsonb(found);
	else if (run->status == STATUS_CANCELLED)
		failure = event->attributes;
	message = failure ? json_find_text(failure, "message") :
		event->name ? text_to_cstring(event->name) : NULL;
	if (run->status == STATUS_TERMINATED)
		failure = failure_of_termination(event->name);
	json_begin(&b);
	json_add_text(&b, "status", status_name(run->status));
	json_add_jsonb(&b, "failure", failure);
	ereport(ERROR,
			(errcode(ERRCODE_WF_FAILED),
			 message ? errmsg("workflow \"%s\" %s: %s", name,
							  run->status == STATUS_TIMED_OUT ? "timed out" : status_name(run->status), message) :
			 errmsg("workflow \"%s\" %s", name,
					run->status == STATUS_TIMED_OUT ? "timed out" : status_name(run->status)),
			 errdetail_internal("%s", json_to_cstring(json_end(&b)))));
}

/*
 * Wait for a run, and those that go on for it, to close.  Returns its result
 * (NULL for SQL NULL) in the current memory context; raises WF012 when it did
 * not complete, WF015 when `until' (DT_NOEND: never) is over.
 */
Jsonb *
await_result(Found *run, const char *name, TimestampTz until)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;
	Event		event;
	Jsonb	   *result = NULL;
	int64		payload_id;

	for (;;)
	{
		if (run->status == STATUS_RUNNING)
			wait_until_closed(run, name, until);
		if (!run->has_next)
			break;
		run->run_id = run->next_run_id;
		run->status = STATUS_RUNNING;
	}

	store_begin(&scope);
	if (!history_read_last(&run->run_id, &event))
		elog(ERROR, "closed run of workflow \"%s\" has no history", name);
	if (run->status != STATUS_COMPLETED)
	{
		txn_wait_for_disk(false);
		raise_outcome(run, name, &event);
	}
	payload_id = event.payload_id;
	if (event.payload)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		result = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(event.payload));
		MemoryContextSwitchTo(old);
	}
	store_end(&scope);
	if (payload_id)
		result = payload_load(payload_id);
	/* as late as can be: meanwhile the end of the run may have been written */
	txn_wait_for_disk(false);
	return result;
}
