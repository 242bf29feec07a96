/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  The types of events and the kinds of messages, and what goes for each.
 *
 *	  One row for each, and nothing else in the source, nor in SQL, has a list of
 *	  them: who has to know asks here, SQL by the functions durable.event_*() and
 *	  durable.message_*().  What a single type means to the code or to a reset is
 *	  said where that is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/message.h"
#include "utils/array.h"

static const EventKind event_kinds[] = {
	[EVENT_WORKFLOW_STARTED] = {"workflow_started", .mail = MESSAGE_START, .payload_key = "input"},
	[EVENT_WORKFLOW_COMPLETED] = {"workflow_completed", .payload_key = "result"},
	[EVENT_WORKFLOW_FAILED] = {"workflow_failed"},
	[EVENT_WORKFLOW_TIMED_OUT] = {"workflow_timed_out", .name_key = "timeout"},
	[EVENT_WORKFLOW_CANCELED] = {"workflow_canceled", .rest_key = "failure"},
	[EVENT_WORKFLOW_TERMINATED] = {"workflow_terminated", .name_key = "reason"},
	[EVENT_WORKFLOW_CONTINUED_AS_NEW] = {"workflow_continued_as_new"},
	[EVENT_WORKFLOW_CANCEL_REQUESTED] = {"workflow_cancel_requested", .mail = MESSAGE_CANCEL,
		.name_key = "reason"},
	[EVENT_WORKFLOW_SIGNALED] = {"workflow_signaled", .mail = MESSAGE_SIGNAL, .name_key = "signal",
		.payload_key = "payload"},
	[EVENT_ACTIVITY_SCHEDULED] = {"activity_scheduled", .role = ROLE_COMMAND, .name_key = "activity",
		.payload_key = "input"},
	[EVENT_ACTIVITY_COMPLETED] = {"activity_completed", .role = ROLE_OUTCOME,
		.of = EVENT_ACTIVITY_SCHEDULED, .mail = MESSAGE_ACTIVITY_COMPLETED, .payload_key = "result"},
	[EVENT_ACTIVITY_FAILED] = {"activity_failed", .role = ROLE_FAILURE,
		.of = EVENT_ACTIVITY_SCHEDULED, .mail = MESSAGE_ACTIVITY_FAILED, .rest_key = "failure"},
	[EVENT_ACTIVITY_TIMED_OUT] = {"activity_timed_out", .role = ROLE_FAILURE,
		.of = EVENT_ACTIVITY_SCHEDULED, .mail = MESSAGE_ACTIVITY_TIMED_OUT, .rest_key = "failure"},
	[EVENT_ACTIVITY_CANCELED] = {"activity_canceled", .role = ROLE_OUTCOME,
		.of = EVENT_ACTIVITY_SCHEDULED, .mail = MESSAGE_ACTIVITY_CANCELED, .rest_key = "details"},
	[EVENT_TIMER_STARTED] = {"timer_started", .role = ROLE_COMMAND, .name_key = "signal"},
	[EVENT_TIMER_FIRED] = {"timer_fired", .role = ROLE_OUTCOME, .of = EVENT_TIMER_STARTED,
		.mail = MESSAGE_TIMER},
	[EVENT_TIMER_CANCELED] = {"timer_canceled", .role = ROLE_OUTCOME, .of = EVENT_TIMER_STARTED},
	[EVENT_ACTIVITY_CANCEL_REQUESTED] = {"activity_cancel_requested", .role = ROLE_REQUEST,
		.of = EVENT_ACTIVITY_SCHEDULED},
	[EVENT_WORKFLOW_PAUSED] = {"workflow_paused", .name_key = "reason"},
	[EVENT_WORKFLOW_UNPAUSED] = {"workflow_unpaused"},
	[EVENT_UPDATE_ACCEPTED] = {"workflow_update_accepted", .mail = MESSAGE_UPDATE,
		.name_key = "update", .payload_key = "args"},
	[EVENT_UPDATE_COMPLETED] = {"workflow_update_completed", .payload_key = "result"},
	[EVENT_CHILD_INITIATED] = {"child_workflow_initiated", .role = ROLE_COMMAND,
		.name_key = "workflow", .payload_key = "input"},
	[EVENT_CHILD_START_FAILED] = {"child_workflow_start_failed", .role = ROLE_FAILURE,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_START_FAILED, .rest_key = "failure"},
	[EVENT_CHILD_COMPLETED] = {"child_workflow_completed", .role = ROLE_OUTCOME,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_COMPLETED, .payload_key = "result"},
	[EVENT_CHILD_FAILED] = {"child_workflow_failed", .role = ROLE_FAILURE,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_FAILED, .rest_key = "failure"},
	[EVENT_CHILD_CANCELED] = {"child_workflow_canceled", .role = ROLE_FAILURE,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_CANCELED, .rest_key = "failure"},
	[EVENT_CHILD_TIMED_OUT] = {"child_workflow_timed_out", .role = ROLE_FAILURE,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_TIMED_OUT, .rest_key = "failure"},
	[EVENT_CHILD_TERMINATED] = {"child_workflow_terminated", .role = ROLE_FAILURE,
		.of = EVENT_CHILD_INITIATED, .mail = MESSAGE_CHILD_TERMINATED, .rest_key = "failure"},
	[EVENT_SIGNAL_EXTERNAL_INITIATED] = {"signal_external_initiated", .role = ROLE_COMMAND,
		.name_key = "signal", .payload_key = "payload"},
	[EVENT_EXTERNAL_SIGNALED] = {"external_signaled", .role = ROLE_OUTCOME,
		.of = EVENT_SIGNAL_EXTERNAL_INITIATED},
	[EVENT_SIGNAL_EXTERNAL_FAILED] = {"signal_external_failed", .role = ROLE_OUTCOME,
		.of = EVENT_SIGNAL_EXTERNAL_INITIATED, .rest_key = "failure"},
	[EVENT_CANCEL_EXTERNAL_INITIATED] = {"cancel_external_initiated", .role = ROLE_COMMAND,
		.name_key = "reason"},
	[EVENT_EXTERNAL_CANCEL_REQUESTED] = {"external_cancel_requested", .role = ROLE_OUTCOME,
		.of = EVENT_CANCEL_EXTERNAL_INITIATED},
	[EVENT_CANCEL_EXTERNAL_FAILED] = {"cancel_external_failed", .role = ROLE_OUTCOME,
		.of = EVENT_CANCEL_EXTERNAL_INITIATED, .rest_key = "failure"},
	[EVENT_MARKER_RECORDED] = {"marker_recorded", .name_key = "change"},
	[EVENT_SEARCH_ATTRIBUTES_UPSERTED] = {"search_attributes_upserted", .role = ROLE_DONE},
	[EVENT_MEMO_UPSERTED] = {"memo_upserted", .role = ROLE_DONE},
	[EVENT_COMPENSATION_STARTED] = {"compensation_started", .rest_key = "failure"},
	[EVENT_WORKFLOW_TIMEOUT_REACHED] = {"workflow_timeout_reached", .name_key = "timeout"},
	[EVENT_WORKFLOW_RESET] = {"workflow_reset", .name_key = "reason"},
	[EVENT_OPTIONS_UPDATED] = {"workflow_options_updated"},
	[EVENT_CONTINUE_AS_NEW_SUGGESTED] = {"continue_as_new_suggested"}
};

static const MailKind mail_kinds[] = {
	[MESSAGE_START] = {"start", WAKES_ALL},
	[MESSAGE_SIGNAL] = {"signal", WAKES_SIGNAL, .moves = true, .keeps_open = true},
	[MESSAGE_CANCEL] = {"cancel", WAKES_ALL, .moves = true, .keeps_open = true},
	[MESSAGE_TIMER] = {"timer", WAKES_ENDED},
	[MESSAGE_WAKE] = {"turn_retry", WAKES_EVEN_FAILING},
	[MESSAGE_RUN_TIMEOUT] = {"run_timeout", WAKES_EVEN_PAUSED},
	[MESSAGE_EXECUTION_TIMEOUT] = {"execution_timeout", WAKES_EVEN_PAUSED},
	[MESSAGE_START_DELAY] = {"start_delay", WAKES_ALL},
	[MESSAGE_ACTIVITY_RETRY] = {"activity_retry", WAKES_ENDED},
	[MESSAGE_ACTIVITY_COMPLETED] = {"activity_completed", WAKES_ENDED},
	[MESSAGE_ACTIVITY_FAILED] = {"activity_failed", WAKES_ENDED_BADLY},
	[MESSAGE_ACTIVITY_TIMED_OUT] = {"activity_timed_out", WAKES_ENDED_BADLY},
	[MESSAGE_ACTIVITY_CANCELED] = {"activity_canceled", WAKES_ENDED_BADLY},
	[MESSAGE_UPDATE] = {"update", WAKES_UPDATE, .moves = true},
	[MESSAGE_CHILD_START_FAILED] = {"child_start_failed", WAKES_ENDED_BADLY},
	[MESSAGE_CHILD_COMPLETED] = {"child_completed", WAKES_ENDED},
	[MESSAGE_CHILD_FAILED] = {"child_failed", WAKES_ENDED_BADLY},
	[MESSAGE_CHILD_CANCELED] = {"child_canceled", WAKES_ENDED_BADLY},
	[MESSAGE_CHILD_TIMED_OUT] = {"child_timed_out", WAKES_ENDED_BADLY},
	[MESSAGE_CHILD_TERMINATED] = {"child_terminated", WAKES_ENDED_BADLY},
	[TIMER_SWEEP] = {"sweep", WAKES_NEVER}
};

StaticAssertDecl(lengthof(event_kinds) == EVENT_TYPE_LAST + 1, "each event type has a row");
StaticAssertDecl(lengthof(mail_kinds) == MESSAGE_KIND_LAST + 1, "each kind of message has a row");

/*
 * What goes for a type of event, an error for a number that is none
 */
const EventKind *
event_kind(EventType type)
{
	if (type < 1 || type > EVENT_TYPE_LAST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized event type %d", (int) type)));
	return &event_kinds[type];
}

/*
 * What goes for a kind of message, an error for a number that is none
 */
const MailKind *
mail_kind(MessageKind kind)
{
	if (kind < 1 || kind > MESSAGE_KIND_LAST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized message kind %d", (int) kind)));
	return &mail_kinds[kind];
}

/*
 * As wf_events.event_type has it
 */
const char *
event_type_name(EventType type)
{
	return event_kind(type)->name;
}

/*
 * Is it a command of the code, of which something is to come?
 */
bool
is_command(EventType type)
{
	return event_kind(type)->role == ROLE_COMMAND;
}

/*
 * Is it how a command ended?
 */
bool
is_outcome(EventType type)
{
	return event_kind(type)->role >= ROLE_OUTCOME;
}

/*
 * Is it how an activity or a child failed?
 */
bool
is_failure(EventType type)
{
	return event_kind(type)->role == ROLE_FAILURE;
}

/*
 * The event a message becomes; false where it becomes none
 */
bool
mail_to_event(const Message *m, Event *event)
{
	static EventType becomes[MESSAGE_KIND_LAST + 1];

	/* the last one to be filled in tells that all are */
	for (int type = EVENT_TYPE_LAST; becomes[MESSAGE_START] == 0 && type > 0; type--)
		becomes[event_kinds[type].mail] = type;
	becomes[0] = 0;
	(void) mail_kind(m->kind);

	*event = (Event) {.type = becomes[m->kind], .at = m->at, .command = m->command, .name = m->name, .payload = m->payload,
	.payload_id = m->payload_id, .attributes = m->attributes};
	return event->type != 0;
}

/*
 * The message that an event came as; false where it came as none
 */
bool
event_to_mail(const Event *event, Message *message)
{
	*message = (Message) {.kind = event_kind(event->type)->mail, .at = event->at, .command = event->command, .name = event->name,
	.payload = event->payload, .payload_id = event->payload_id, .attributes = event->attributes};
	return message->kind != 0;
}

/*
 * The same for what can be sent to another run
 */
bool
event_as_mail(const Event *event, Message *message)
{
	return event_to_mail(event, message) && mail_kinds[message->kind].moves;
}

static ArrayType *
kinds_as_array(const Datum *kinds, int n)
{
	return construct_array((Datum *) kinds, n, INT2OID, sizeof(int16), true, TYPALIGN_SHORT);
}

/*
 * The kinds that go to the run that goes on, for SQL
 */
ArrayType *
mail_kinds_that_move(void)
{
	Datum		kinds[lengthof(mail_kinds)];
	int			n = 0;

	for (int kind = 1; kind <= MESSAGE_KIND_LAST; kind++)
		if (mail_kinds[kind].moves)
			kinds[n++] = Int16GetDatum(kind);
	return kinds_as_array(kinds, n);
}

/*
 * Those that keep a run from closing
 */
ArrayType *
mail_kinds_that_keep_open(void)
{
	Datum		kinds[lengthof(mail_kinds)];
	int			n = 0;

	for (int kind = 1; kind <= MESSAGE_KIND_LAST; kind++)
		if (mail_kinds[kind].keeps_open)
			kinds[n++] = Int16GetDatum(kind);
	return kinds_as_array(kinds, n);
}
