/*-------------------------------------------------------------------------
 *
 * child.c
 *	  Child workflows: what parent and child have to do with each other once
 *	  both run.
 *
 *	  1. A child that closes for good tells its parent by a message, in the
 *	  transaction in which it closes.  A run that goes on in another (a retry,
 *	  continue-as-new) tells nothing: the next run has the same parent.  Nothing
 *	  is sent to a parent that is closed.  Should the parent close at the same
 *	  time, the message finds no run and goes the way of all such mail (batch.c,
 *	  put_aside).
 *
 *	  2. When a parent closes, its children are terminated, asked to cancel
 *	  themselves or left, as their start said.  This is done by a turn or by a
 *	  session that closes the parent, neither of which may wait for the turn of a
 *	  child: what is locked, and what are too many for one transaction, is left
 *	  to a sweep (sweep.c).  Children that are terminated close as parents
 *	  themselves, so this goes on level by level.
 *
 *	  3. A cancel request to a child names it by parent and command, so it
 *	  reaches whichever run of the child is open.
 *
 *	  4. A parent that is reset takes over the children that its code will wait
 *	  for.  One that has closed had a parent that does not wait any more, or had
 *	  closed too: the new run is told how it ended.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "run/child.h"
#include "shared/stopevent.h"
#include "store/execution.h"
#include "store/family.h"
#include "store/find.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/sweep.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define REQUEST_REASON		"requested by the parent workflow"

static MessageKind
report_kind(RunStatus status)
{
	switch (status)
	{
		case STATUS_COMPLETED:
			return MESSAGE_CHILD_COMPLETED;
		case STATUS_FAILED:
			return MESSAGE_CHILD_FAILED;
		case STATUS_CANCELLED:
			return MESSAGE_CHILD_CANCELED;
		case STATUS_TIMED_OUT:
			return MESSAGE_CHILD_TIMED_OUT;
		case STATUS_TERMINATED:
			return MESSAGE_CHILD_TERMINATED;
		default:
			elog(ERROR, "a child of status %d reports to its parent", (int) status);
	}
}

/*
 * The failure with the child it happened to
 */
static Jsonb *
failure_of_child(const Execution *child, Jsonb *failure)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "workflow", text_to_cstring(child->workflow));
	json_add_text(&b, "workflow_id", text_to_cstring(child->workflow_id));
	json_add_text(&b, "run_id", uuid_to_cstring(&child->run_id));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}

/*
 * A child closes: collect what its parent is told.  `result' or `failure' may
 * be NULL.
 */
void
child_report(RowBatch *mail, const Execution *child, RunStatus status, Jsonb *result, Jsonb *failure)
{
	Message		message = {.command = child->parent_command, .at = durable_now()};

	if (!child->parent_run_id || status == STATUS_CONTINUED_AS_NEW)
		return;
	message.run_id = *child->parent_run_id;
	message.kind = report_kind(status);
	if (status == STATUS_COMPLETED)
	{
		message.payload = result;
		message.payload_id = payload_set_aside(&message.run_id, &message.payload);
	}
	else
		message.attributes = failure_of_child(child, failure);
	mailbox_add(mail, child->owner, &message);
	STOP_EVENT(child_reported);
}

/*
 * How a child ended that is closed, or (status 0) deleted, told to a parent that
 * did not hear of it
 */
static void
report_closed(const Execution *child, RunStatus status)
{
	RowBatch	mail;
	Event		closing = {0};
	Jsonb	   *result = NULL;
	Jsonb	   *failure = NULL;
	JsonbValue *inner;

	/* it may have been deleted since it was found */
	if (status != 0 && !history_read_last(&child->run_id, &closing))
		status = 0;
	if (status == STATUS_COMPLETED)
		result = closing.payload_id ? payload_find(closing.payload_id) : closing.payload;
	if (status == 0 || (status == STATUS_COMPLETED && closing.payload_id && !result))
	{
		status = STATUS_TERMINATED;
		failure = failure_make("terminated", ERRCODE_WF_FAILED, "the child does not exist any more", 0);
	}
	else if (status == STATUS_TERMINATED)
		failure = failure_of_termination(closing.name);
	else if (status != STATUS_COMPLETED)
	{
		inner = json_find(closing.attributes, "failure");
		failure = inner ? JsonbValueToJsonb(inner) : closing.attributes;
	}
	rows_init(&mail, TABLE_MESSAGE, CurrentMemoryContext);
	child_report(&mail, child, status, result, failure);
	mailbox_write(&mail);
}

/*
 * A run that is reset waits for a child that was started as `run_id': make it
 * the child of the new run, or tell that one how it ended
 */
void
child_adopt(const Execution *parent, int32 command, text *workflow, text *workflow_id, const pg_uuid_t *run_id)
{
	pg_uuid_t	new_parent = parent->run_id;
	Execution	child = {
		.owner = parent->owner, .workflow = workflow, .workflow_id = workflow_id, .run_id = *run_id,
		.parent_run_id = &new_parent, .parent_command = command
	};
	Found		found;

	for (;;)
	{
		if (!find_run(&child.run_id, &found))
		{
			report_closed(&child, 0);
			return;
		}
		if (found.status == STATUS_RUNNING)
		{
			if (family_adopt(&child.run_id, &new_parent))
				return;
			/* it has closed while we waited for its turn */
		}
		else if (found.has_next)
			child.run_id = found.next_run_id;
		else
		{
			report_closed(&child, found.status);
			return;
		}
	}
}

/*
 * A parent asks children of its own to cancel themselves
 */
void
children_cancel(const pg_uuid_t *parent, const int32 *commands, int count, Oid owner)
{
	Member	   *left;
	int			nleft = family_cancel(parent, 1, commands, count, REQUEST_REASON, &left);

	for (int i = 0; i < nleft; i++)
		sweep_later(parent, left[i].command, owner);
}

/*
 * Tell a run, which we have locked and which has no mail, again of those of its
 * children that are closed, and of whose end its history knows nothing
 */
void
children_tell_again(const Execution *parent)
{
	HistoryRow *rows;
	List	   *ended = NIL;
	int			n = history_read(&parent->run_id, 1, CurrentMemoryContext, &rows);

	/* backwards: the ends come before the beginnings */
	while (--n >= 0)
	{
		Event	   *events;

		for (int i = event_array_deform(rows[n].events, &events) - 1; i >= 0; i--)
		{
			Event	   *event = &events[i];
			pg_uuid_t  *child = event->type == EVENT_CHILD_INITIATED ? json_find_uuid(event->attributes, "run_id") : NULL;

			if (event_kind(event->type)->of == EVENT_CHILD_INITIATED)
				ended = lappend_int(ended, event->command);
			if (child && !list_member_int(ended, event->command) &&
				!family_has(&parent->run_id, event->command))
				child_adopt(parent, event->command, event->name,
							cstring_to_text(json_find_text(event->attributes, "workflow_id")), child);
		}
	}
}
