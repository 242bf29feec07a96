/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  Events and messages: which becomes which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/history.h"
#include "store/kinds.h"
#include "store/mailbox.h"

/*
 * The event a message becomes; false where it becomes none
 */
bool
mail_to_event(const Message *m, Event *event)
{
	*event = (Event) {.at = m->at, .command = m->command, .name = m->name, .payload = m->payload,
	.payload_id = m->payload_id, .attributes = m->attributes};
	switch (m->kind)
	{
		case MESSAGE_START:
			event->type = EVENT_WORKFLOW_STARTED;
			return true;
		case MESSAGE_SIGNAL:
			event->type = EVENT_WORKFLOW_SIGNALED;
			return true;
		case MESSAGE_CANCEL:
			event->type = EVENT_WORKFLOW_CANCEL_REQUESTED;
			return true;
		case MESSAGE_TIMER:
			event->type = EVENT_TIMER_FIRED;
			return true;
		case MESSAGE_ACTIVITY_COMPLETED:
			event->type = EVENT_ACTIVITY_COMPLETED;
			return true;
		case MESSAGE_ACTIVITY_FAILED:
			event->type = EVENT_ACTIVITY_FAILED;
			return true;
		case MESSAGE_ACTIVITY_TIMED_OUT:
			event->type = EVENT_ACTIVITY_TIMED_OUT;
			return true;
		case MESSAGE_ACTIVITY_CANCELED:
			event->type = EVENT_ACTIVITY_CANCELED;
			return true;
		case MESSAGE_CHILD_START_FAILED:
			event->type = EVENT_CHILD_START_FAILED;
			return true;
		case MESSAGE_CHILD_COMPLETED:
			event->type = EVENT_CHILD_COMPLETED;
			return true;
		case MESSAGE_CHILD_FAILED:
			event->type = EVENT_CHILD_FAILED;
			return true;
		case MESSAGE_CHILD_CANCELED:
			event->type = EVENT_CHILD_CANCELED;
			return true;
		case MESSAGE_CHILD_TIMED_OUT:
			event->type = EVENT_CHILD_TIMED_OUT;
			return true;
		case MESSAGE_CHILD_TERMINATED:
			event->type = EVENT_CHILD_TERMINATED;
			return true;
		case MESSAGE_UPDATE:
			event->type = EVENT_UPDATE_ACCEPTED;
			return true;
		default:
			return false;
	}
}

/*
 * The message that an event came as, of the kinds that another run can be
 * sent; false for the others
 */
bool
event_as_mail(const Event *event, Message *message)
{
	*message = (Message) {.at = event->at, .command = event->command, .name = event->name,
	.payload = event->payload, .payload_id = event->payload_id, .attributes = event->attributes};
	switch (event->type)
	{
		case EVENT_WORKFLOW_SIGNALED:
			message->kind = MESSAGE_SIGNAL;
			return true;
		case EVENT_WORKFLOW_CANCEL_REQUESTED:
			message->kind = MESSAGE_CANCEL;
			return true;
		case EVENT_UPDATE_ACCEPTED:
			message->kind = MESSAGE_UPDATE;
			return true;
		default:
			return false;
	}
}
