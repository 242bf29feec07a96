/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  The types of events and the kinds of messages, and what goes for each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_KINDS_H
#define DURABLE_KINDS_H

#include "store/history.h"
#include "store/message.h"

/* What an event is to the commands of the code */
typedef enum EventRole
{
	ROLE_NONE,					/* belongs to no command */
	ROLE_COMMAND,				/* a command, which takes the next number */
	ROLE_DONE,					/* the same, with nothing to come of it */
	ROLE_REQUEST,				/* asks a command to cancel itself */
	ROLE_OUTCOME,				/* how a command ended, */
	ROLE_FAILURE				/* the same, badly: the failure of an activity or child */
} EventRole;

typedef struct EventKind
{
	const char *name;			/* Temporal's, as in wf_events.event_type */
	EventRole	role;
	EventType	of;				/* the type of the command that it belongs to, 0: of none but its own */
	MessageKind mail;			/* that becomes it, 0: none */
	/* attributes in wf_events that are the event's name, payload, and all of its own attributes; NULL: none is */
	const char *name_key;
	const char *payload_key;
	const char *rest_key;
} EventKind;

/* For which runs a message makes the code run */
typedef enum MailWakes
{
	WAKES_NEVER,
	WAKES_EVEN_PAUSED,			/* all */
	WAKES_EVEN_FAILING,			/* all but paused ones */
	WAKES_ALL,					/* all but those and those whose turn failed, as the following */
	WAKES_SIGNAL,				/* that wait for a signal of its name */
	WAKES_UPDATE,				/* that wait for an update of its name */
	WAKES_ENDED,				/* that wait for its command, or for it and others, which were few enough */
	WAKES_ENDED_BADLY			/* that wait for its command, or for it and others */
} MailWakes;

typedef struct MailKind
{
	const char *name;			/* of timers as in wf_timers.kind */
	MailWakes	wakes;
	bool		moves;			/* unread, it goes to the run that goes on */
	bool		keeps_open;		/* unread, it keeps the run from closing */
} MailKind;

extern const EventKind *event_kind(EventType type);
extern const MailKind *mail_kind(MessageKind kind);
extern const char *event_type_name(EventType type);
extern bool is_command(EventType type);
extern bool is_outcome(EventType type);
extern bool is_failure(EventType type);
extern bool mail_to_event(const Message *m, Event *event);
extern bool event_to_mail(const Event *event, Message *message);
extern bool event_as_mail(const Event *event, Message *message);
extern ArrayType *mail_kinds_that_move(void);
extern ArrayType *mail_kinds_that_keep_open(void);

#endif							/* DURABLE_KINDS_H */
