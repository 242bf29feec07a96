/*-------------------------------------------------------------------------
 *
 * export_check.c
 *	  Is an exported history one that a run can have?
 *
 *	  An export may have been made by anybody, and what is replayed takes for
 *	  granted what the engine sees to when it writes a history.  All of that is
 *	  checked here, event by event, in the order of a replay: numbers of events
 *	  and commands, which event may follow which, and what an event must say.
 *	  A history that has passed may still fit no code, but that is another answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "store/export_check.h"
#include "store/history.h"
#include "store/kinds.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* What is known after the events so far */
typedef struct Known
{
	int			event;			/* id of the one looked at */
	EventType	type;
	EventType  *commands;		/* command n is commands[n - 1] */
	int			ncommands;
	char	  **updates;
	int			nupdates;
	bool		timeout;
	bool		compensates;
} Known;

static void
refuse(const Known *known, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("event %d of \"history\", %s, %s", known->event, event_type_name(known->type), why)));
}

static bool
is_object(const JsonbValue *value)
{
	return value && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/*
 * A member that, where it is there, is an object
 */
static void
check_object(const Known *known, const Event *event, const char *key, bool required)
{
	JsonbValue *value = json_find(event->attributes, key);

	if (required && !is_object(value))
		refuse(known, "is not complete");
	if (value && !is_object(value))
		refuse(known, psprintf("has no object \"%s\"", key));
}

/*
 * The same for a whole number
 */
static void
check_number(const Known *known, const Event *event, const char *key, bool required)
{
	JsonbValue *value = json_find(event->attributes, key);
	bool		bad = required;

	if (value)
		bad = value->type != jbvNumeric ||
			(numeric_int4_opt_error(value->val.numeric, &bad), bad);
	if (bad)
		refuse(known, psprintf("has no number \"%s\"", key));
}

static void
check_named(const Known *known, const Event *event)
{
	if (!event->name)
		refuse(known, "is not complete");
}

/*
 * What is wrong that happened is an object
 */
static void
check_failure(const Known *known, const Event *event)
{
	if (event->attributes && !JB_ROOT_IS_OBJECT(event->attributes))
		refuse(known, "has a \"failure\" that is no object");
}

/*
 * A command takes the next number
 */
static void
add_command(Known *known, const Event *event)
{
	if (event->command != known->ncommands + 1)
		refuse(known, psprintf("has the command %d, but the next one is %d", event->command, known->ncommands + 1));
	known->commands[known->ncommands++] = known->type;
}

/*
 * An event that goes back to a command of that type
 */
static void
check_of_command(const Known *known, const Event *event, EventType type)
{
	if (event->command < 1 || event->command > known->ncommands || known->commands[event->command - 1] != type)
		refuse(known, psprintf("has the command %d, which is no %s before it", event->command, event_type_name(type)));
}

static char *
check_update(const Known *known, const Event *event, bool accepted)
{
	char	   *id = json_find_text(event->attributes, "update_id");
	bool		found = false;

	for (int i = 0; id && i < known->nupdates; i++)
		found |= strcmp(known->updates[i], id) == 0;
	if (!id || found != accepted)
		refuse(known, !id ? "has no \"update_id\"" : accepted ? "answers an update that is not accepted before it" :
			   "is an update that is accepted before it");
	return id;
}

static void
check_outcome(const Known *known, const Event *event, EventType of)
{
	check_of_command(known, event, of);
	if (known->type != EVENT_ACTIVITY_CANCELED)
		check_failure(known, event);
}

static void
check_command(Known *known, const Event *event)
{
	switch (known->type)
	{
		case EVENT_CANCEL_EXTERNAL_INITIATED:
			/* a command of its own, or a request to a child by the child's */
			if (event->command <= known->ncommands)
			{
				check_of_command(known, event, EVENT_CHILD_INITIATED);
				return;
			}
			break;
		case EVENT_SEARCH_ATTRIBUTES_UPSERTED:
			check_object(known, event, "search_attributes", true);
			check_object(known, event, "before", false);
			break;
		case EVENT_MEMO_UPSERTED:
			check_object(known, event, "memo", true);
			check_object(known, event, "before", false);
			break;
		case EVENT_TIMER_STARTED:
			break;
		default:
			check_named(known, event);
			break;
	}
	add_command(known, event);
}

/*
 * An event that is no command and no outcome of one
 */
static void
check_other(Known *known, const Event *event)
{
	if (event->command != 0)
		refuse(known, "belongs to no command");
	switch (known->type)
	{
		case EVENT_WORKFLOW_STARTED:
			if (!event->payload)
				refuse(known, "is not complete");
			(void) json_find_time(event->attributes, "not_before");
			break;
		case EVENT_WORKFLOW_SIGNALED:
			check_named(known, event);
			break;
		case EVENT_WORKFLOW_TIMEOUT_REACHED:
			check_named(known, event);
			if (known->timeout)
				refuse(known, "comes twice");
			known->timeout = true;
			break;
		case EVENT_COMPENSATION_STARTED:
			check_failure(known, event);
			if (known->compensates)
				refuse(known, "comes twice");
			known->compensates = true;
			break;
		case EVENT_UPDATE_ACCEPTED:
			check_named(known, event);
			known->updates[known->nupdates] = check_update(known, event, false);
			known->nupdates++;
			break;
		case EVENT_UPDATE_COMPLETED:
			(void) check_update(known, event, true);
			check_object(known, event, "failure", false);
			break;
		case EVENT_MARKER_RECORDED:
			check_named(known, event);
			check_number(known, event, "version", true);
			break;
		case EVENT_OPTIONS_UPDATED:
			check_number(known, event, "version", false);
			check_number(known, event, "from", false);
			break;
		default:
			break;
	}
}

static void
check_event(Known *known, const Event *event)
{
	const EventKind *kind = event_kind(event->type);

	known->event++;
	known->type = event->type;
	if ((known->event == 1) != (event->type == EVENT_WORKFLOW_STARTED))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event %d of \"history\" is %s", known->event, event_type_name(event->type)),
				 errdetail("The first event is workflow_started, and no other one.")));
	if (TIMESTAMP_NOT_FINITE(event->at))
		refuse(known, "is at no time");
	if (kind->of)
		check_outcome(known, event, kind->of);
	else if (kind->role == ROLE_COMMAND || kind->role == ROLE_DONE)
		check_command(known, event);
	else
		check_other(known, event);
}

/*
 * Refuse what no run can have.  Rows and numbers of events fit together.
 */
void
export_check(const Export *export, int nevents)
{
	Known		known = {0};

	known.commands = palloc(Max(nevents, 1) * sizeof(EventType));
	known.updates = palloc(Max(nevents, 1) * sizeof(char *));
	for (int i = 0; i < export->nrows; i++)
	{
		Event	   *events;
		int			n = event_array_deform(export->rows[i].events, &events);

		for (int j = 0; j < n; j++)
			check_event(&known, &events[j]);
	}
	if (known.event == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"history\" has no event workflow_started")));
}
