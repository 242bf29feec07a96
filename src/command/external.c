/*-------------------------------------------------------------------------
 *
 * external.c
 *	  Signals and cancel requests from one workflow to another.
 *
 *	  1. They are steps (step.c) that the engine itself takes: the code leaves,
 *	  the message is sent in the turn's transaction, and its outcome is recorded
 *	  together with the command.  So the code knows at once whether there was
 *	  anybody to send to, and the message is there if and only if the history
 *	  says so.
 *
 *	  2. As with a signal from outside, the other run cannot close before this
 *	  transaction ends.  One that somebody is about to close may exist afterwards
 *	  or not: the run then waits for that in a transaction of its own.
 *
 *	  3. A run that sends to itself does not hold itself open: what it has not
 *	  read when it closes goes with it (flush.c).
 *
 *	  4. Children that this turn has started are not written yet; so the turn is
 *	  ended first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/text.h"
#include "command/command.h"
#include "command/external.h"
#include "miscadmin.h"
#include "run/outside.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/*
 * Copy a request to the turn's memory: it is carried out after the code has left
 */
static ExternalRequest *
keep_request(Turn *turn, const ExternalRequest *request)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	ExternalRequest *copy = palloc(sizeof(ExternalRequest));

	*copy = *request;
	copy->workflow_id = varlena_copy(request->workflow_id);
	copy->name = varlena_copy(request->name);
	copy->payload = varlena_copy(request->payload);
	if (request->run_id)
	{
		copy->run_id = palloc(sizeof(pg_uuid_t));
		*copy->run_id = *request->run_id;
	}
	MemoryContextSwitchTo(old);
	return copy;
}

/*
 * Send to another workflow; raises an error where that cannot be
 */
void
command_external(Turn *turn, const ExternalRequest *request)
{
	bool		signal = request->initiated == EVENT_SIGNAL_EXTERNAL_INITIATED;
	Command    *command;
	Event	   *event;

	command_raise_if_cancelled(turn);
	command = turn_match(turn, request->initiated, signal ? "signal to a workflow" : "cancel request to a workflow",
						 request->name ? text_to_cstring(request->name) : NULL);
	if (!command)
	{
		command_check_limits(turn);
		memset(&turn->step, 0, sizeof(StepRequest));
		turn->step.command = turn->pass.next_command - 1;
		turn->step.external = keep_request(turn, request);
		turn_leave(turn, PASS_STEP);
	}
	match_input(turn, command, request->payload);
	/* both are recorded at once; but an export may say anything */
	if (command->resolution < 0)
		turn_refuse(ERRCODE_WF_NONDETERMINISM, psprintf("event %d has no outcome", command->event + 1), NULL);
	turn_see(turn, command->resolution);
	event = &turn->history.events[command->resolution];
	if (event->type == EVENT_SIGNAL_EXTERNAL_FAILED || event->type == EVENT_CANCEL_EXTERNAL_FAILED)
	{
		char	   *s = json_find_text(event->attributes, "sqlstate");

		failure_raise(s && strlen(s) == 5 ? MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]) : ERRCODE_WF_NOT_FOUND,
					  event->attributes);
	}
}

static bool
find_target(const Turn *turn, const ExternalRequest *request, Found *found)
{
	Datum		namespace = PointerGetDatum(turn->execution->namespace);
	Datum		id = PointerGetDatum(request->workflow_id);

	return request->run_id ? find_run_of(namespace, id, request->run_id, found) :
		find_latest(namespace, id, found);
}

static Jsonb *
failed(const char *type, int sqlstate, const char *format, const ExternalRequest *request)
{
	return failure_make(type, sqlstate, psprintf(format, text_to_cstring(request->workflow_id)), 0);
}

/*
 * A message of a run to itself
 */
static void
send_to_self(Turn *turn, const Found *found, const ExternalRequest *request)
{
	Message		message = {.run_id = found->run_id, .at = durable_now(), .name = request->name};
	int64		seq;
	int64	   *kept;
	MemoryContext old;

	message.kind = request->initiated == EVENT_SIGNAL_EXTERNAL_INITIATED ? MESSAGE_SIGNAL : MESSAGE_CANCEL;
	message.payload = request->payload;
	message.payload_id = payload_set_aside(&message.run_id, &message.payload);
	seq = mailbox_send(found->owner, &message);
	txn_mail(found->owner, seq);
	/* only now: a statement leaves another memory context behind */
	old = MemoryContextSwitchTo(turn->context);
	kept = palloc(sizeof(int64));
	*kept = seq;
	turn->effects.self_mail = lappend(turn->effects.self_mail, kept);
	MemoryContextSwitchTo(old);
}

/*
 * Send, where there is an open run.  Returns the failure, or NULL; *wait where
 * somebody is about to close the run and this turn may not wait for it.
 */
static Jsonb *
send_message(Turn *turn, const ExternalRequest *request, bool *wait)
{
	for (;;)
	{
		Found		found;
		bool		asked;		/* before; then there is nothing to do */

		if (!find_target(turn, request, &found))
			return failed("not_found", ERRCODE_WF_NOT_FOUND, "workflow \"%s\" does not exist", request);
		if (!has_privs_of_role(turn->execution->owner, found.owner))
			return failed("permission_denied", ERRCODE_INSUFFICIENT_PRIVILEGE,
						  "permission denied for workflow \"%s\"", request);
		if (found.status != STATUS_RUNNING)
			return failed("already_closed", ERRCODE_WF_ALREADY_CLOSED, "workflow \"%s\" is already closed", request);
		if (uuid_equal(&found.run_id, &turn->execution->run_id))
		{
			send_to_self(turn, &found, request);
			return NULL;
		}
		*wait = turn->mode.shared && !turn->mode.alone && !execution_try_hold(&found.run_id);
		if (*wait)
			return NULL;
		if (request->initiated == EVENT_SIGNAL_EXTERNAL_INITIATED ?
			run_signal(&found, request->name, request->payload, NULL) : run_cancel(&found, request->name, &asked))
			return NULL;
		CHECK_FOR_INTERRUPTS();
	}
}

static Jsonb *
describe(const ExternalRequest *request)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "workflow_id", text_to_cstring(request->workflow_id));
	if (request->run_id)
		json_add_text(&b, "run_id", uuid_to_cstring(request->run_id));
	return json_end(&b);
}

/*
 * Do what the code asked for, and record it with its outcome
 */
StepEnd
external_step(Turn *turn)
{
	const ExternalRequest *request = turn->step.external;
	int32		number = turn->step.command;
	bool		signal = request->initiated == EVENT_SIGNAL_EXTERNAL_INITIATED;
	bool		wait = false;
	Jsonb	   *failure;
	StoreScope	scope;
	int			index;

	if (turn->effects.children != NIL)
		return STEP_ALONE;
	store_begin(&scope);
	failure = send_message(turn, request, &wait);
	STOP_EVENT(external_sent);
	if (!wait)
	{
		index = turn_record(turn, request->initiated, number, request->name, describe(request));
		turn->history.events[index].payload = request->payload;
		turn->history.events[index].payload_id = payload_set_aside(&turn->execution->run_id, &turn->history.events[index].payload);
		if (failure)
			(void) turn_record(turn, signal ? EVENT_SIGNAL_EXTERNAL_FAILED : EVENT_CANCEL_EXTERNAL_FAILED,
								  number, NULL, failure);
		else
			(void) turn_record(turn, signal ? EVENT_EXTERNAL_SIGNALED : EVENT_EXTERNAL_CANCEL_REQUESTED,
								  number, NULL, NULL);
	}
	store_end(&scope);
	STOP_EVENT(external_recorded);
	turn->effects.steps++;
	return wait ? STEP_ALONE : STEP_DONE;
}
