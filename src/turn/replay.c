/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  The history in memory, and how much of it the code can see.
 *
 *	  1. A turn runs the workflow function from its beginning.  Each call that
 *	  leaves a mark in the history is matched with an event of it (match.c), and
 *	  what that event led to is the call's outcome.
 *
 *	  2. What code sees must not depend on when it is replayed, so there is a
 *	  horizon: mail before it is visible, mail behind it has not come yet.  It
 *	  starts at the mail of the first row and moves only when the code consumes
 *	  an event: to the end of the mail of the row in which that event became
 *	  visible, that is the first row from the event's own on whose turn ran
 *	  code.  (A turn may end right after a step, for a batch's sake: then the
 *	  step's outcome, its last event, became visible in the next one.)  All
 *	  questions whose answer changes with time (is there a signal, is
 *	  cancellation requested, what time is it) are answered by the horizon alone.
 *	  So polling needs no event of its own.
 *
 *	  3. Beyond the last command and the last mail the code is live.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/vec.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/payload.h"
#include "turn/leave.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/*
 * The signals of a name; made where there are none yet
 */
SignalQueue *
turn_signal_queue(Turn *turn, text *name)
{
	SignalQueue *queue;

	for (int i = 0; i < turn->nsignals; i++)
		if (text_equal(turn->signals[i].name, name))
			return &turn->signals[i];
	turn->signals = vec_room_counted(turn->signals, turn->nsignals, sizeof(SignalQueue), turn->context);
	queue = &turn->signals[turn->nsignals++];
	memset(queue, 0, sizeof(SignalQueue));
	queue->name = MemoryContextAlloc(turn->context, VARSIZE_ANY(name));
	memcpy(queue->name, name, VARSIZE_ANY(name));
	return queue;
}

static void
add_signal(Turn *turn, int event)
{
	SignalQueue *queue = turn_signal_queue(turn, turn->events[event].name);

	queue->events = vec_room(queue->events, queue->count, &queue->room, sizeof(int), turn->context);
	queue->events[queue->count++] = event;
}

/*
 * The marker of a change, NULL where there is none
 */
Marker *
turn_marker(Turn *turn, const text *change)
{
	for (int i = 0; i < turn->nmarkers; i++)
		if (text_equal(turn->markers[i].change, change))
			return &turn->markers[i];
	return NULL;
}

Marker *
turn_add_marker(Turn *turn, const text *change, int32 version, int event)
{
	Marker	   *marker = turn_marker(turn, change);
	MemoryContext old;

	if (marker)
		return marker;
	old = MemoryContextSwitchTo(turn->context);
	turn->markers = vec_room(turn->markers, turn->nmarkers, &turn->markers_room, sizeof(Marker), CurrentMemoryContext);
	marker = &turn->markers[turn->nmarkers++];
	*marker = (Marker) {(text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(change)), version, event, false};
	MemoryContextSwitchTo(old);
	return marker;
}

static void
load_marker(Turn *turn, int event)
{
	JsonbValue *version = json_find(turn->events[event].attributes, "version");

	if (!version || version->type != jbvNumeric)
		elog(ERROR, "event %d has no version", event + 1);
	turn_add_marker(turn, turn->events[event].name,
					DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(version->val.numeric))), event);
}

static void
add_command(Turn *turn, int event)
{
	turn->commands = vec_room(turn->commands, turn->ncommands, &turn->commands_room, sizeof(Command), turn->context);
	turn->commands[turn->ncommands++] = (Command) {turn->events[event].type, event, -1, -1};
	if (turn->events[event].command != turn->ncommands)
		elog(ERROR, "event %d has command %d, expected %d",
			 event + 1, turn->events[event].command, turn->ncommands);
}

static void
resolve_command(Turn *turn, int event)
{
	int32		command = turn->events[event].command;

	if (command < 1 || command > turn->ncommands)
		elog(ERROR, "event %d resolves command %d of %d", event + 1, command, turn->ncommands);
	/* a timer may fire in the very moment it is cancelled: the first counts */
	if (turn->commands[command - 1].resolution < 0)
		turn->commands[command - 1].resolution = event;
	turn->cancels_recorded |= turn->events[event].type == EVENT_TIMER_CANCELED;
}

static void
note_cancel_request(Turn *turn, int event)
{
	int32		command = turn->events[event].command;

	if (command < 1 || command > turn->ncommands)
		elog(ERROR, "event %d cancels command %d of %d", event + 1, command, turn->ncommands);
	turn->commands[command - 1].cancel_event = event;
	turn->cancels_recorded = true;
}

static void
add_update(Turn *turn, int event)
{
	UpdateRequest *update;

	turn->updates = vec_room(turn->updates, turn->nupdates, &turn->updates_room, sizeof(UpdateRequest), turn->context);
	update = &turn->updates[turn->nupdates++];
	*update = (UpdateRequest) {.event = event, .answer = -1};
	update->id = json_find_text(turn->events[event].attributes, "update_id");
	if (!update->id)
		elog(ERROR, "event %d has no update id", event + 1);
	update->id = MemoryContextStrdup(turn->context, update->id);
}

/*
 * The update of an id; NULL where there is none.  An answer mostly follows its
 * request closely, so the last one comes first.
 */
UpdateRequest *
turn_update(Turn *turn, const char *id)
{
	for (int i = turn->nupdates - 1; i >= 0; i--)
		if (strcmp(turn->updates[i].id, id) == 0)
			return &turn->updates[i];
	return NULL;
}

static void
resolve_update(Turn *turn, int event)
{
	char	   *id = json_find_text(turn->events[event].attributes, "update_id");
	UpdateRequest *update = id ? turn_update(turn, id) : NULL;

	if (!update)
		elog(ERROR, "event %d answers an unknown update", event + 1);
	update->answer = event;
}

static void
index_event(Turn *turn, int event)
{
	if (is_outcome(turn->events[event].type))
	{
		resolve_command(turn, event);
		return;
	}
	switch (turn->events[event].type)
	{
		case EVENT_WORKFLOW_STARTED:
			if (turn->events[event].payload)
				turn->input = DatumGetJsonbP(PointerGetDatum(turn->events[event].payload));
			turn->input_id = turn->events[event].payload_id;
			break;
		case EVENT_WORKFLOW_SIGNALED:
			add_signal(turn, event);
			break;
		case EVENT_WORKFLOW_CANCEL_REQUESTED:
			if (turn->cancel_event < 0)
				turn->cancel_event = event;
			break;
		case EVENT_ACTIVITY_SCHEDULED:
		case EVENT_TIMER_STARTED:
		case EVENT_CHILD_INITIATED:
		case EVENT_SIGNAL_EXTERNAL_INITIATED:
			add_command(turn, event);
			break;
		case EVENT_CANCEL_EXTERNAL_INITIATED:
			/* a command of its own, or a request to a child by the child's */
			if (turn->events[event].command > turn->ncommands)
				add_command(turn, event);
			else
				note_cancel_request(turn, event);
			break;
		case EVENT_ACTIVITY_CANCEL_REQUESTED:
			note_cancel_request(turn, event);
			break;
		case EVENT_SEARCH_ATTRIBUTES_UPSERTED:
		case EVENT_MEMO_UPSERTED:
			add_command(turn, event);
			resolve_command(turn, event);
			turn->upserts = true;
			break;
		case EVENT_WORKFLOW_TIMEOUT_REACHED:
			turn->saga.timeout = event;
			break;
		case EVENT_COMPENSATION_STARTED:
			turn->saga.started = event;
			turn->saga.code_commands = turn->ncommands;
			break;
		case EVENT_UPDATE_ACCEPTED:
			add_update(turn, event);
			break;
		case EVENT_UPDATE_COMPLETED:
			resolve_update(turn, event);
			break;
		case EVENT_MARKER_RECORDED:
			load_marker(turn, event);
			break;
		case EVENT_OPTIONS_UPDATED:
		case EVENT_WORKFLOW_RESET:
			turn->rows[turn->nrows - 1].moved = true;
			break;
		case EVENT_WORKFLOW_PAUSED:
		case EVENT_WORKFLOW_UNPAUSED:
			break;
		case EVENT_CONTINUE_AS_NEW_SUGGESTED:
			turn->suggest_event = event;
			break;
		default:
			elog(ERROR, "event %d of an open run is %s",
				 event + 1, event_type_name(turn->events[event].type));
	}
}

/*
 * Append an event, whose pointers live as long as the turn; returns its index
 */
int
turn_add_event(Turn *turn, const Event *event)
{
	turn->events = vec_room_counted(turn->events, turn->nevents, sizeof(Event), turn->context);
	turn->event_row = vec_room_counted(turn->event_row, turn->nevents, sizeof(int), turn->context);
	turn->events[turn->nevents] = *event;
	turn->event_row[turn->nevents] = turn->nrows - 1;
	index_event(turn, turn->nevents);
	return turn->nevents++;
}

static TurnRow *
add_row(Turn *turn, TimestampTz at, bool ran)
{
	turn->rows = vec_room_counted(turn->rows, turn->nrows, sizeof(TurnRow), turn->context);
	turn->rows[turn->nrows] = (TurnRow) {.first = turn->nevents, .mail_end = turn->nevents, .at = at, .ran = ran, .bytes_before = turn->bytes};
	return &turn->rows[turn->nrows++];
}

static void
set_mail_end(Turn *turn, int mail_end)
{
	TurnRow    *row = &turn->rows[turn->nrows - 1];

	row->mail_end = mail_end;
	if (mail_end > row->first)
		turn->mail_end = mail_end;
}

/*
 * A turn of a run that has no history yet.  Its memory is a child of `parent'.
 */
void
turn_init(Turn *turn, Execution *execution, MemoryContext parent)
{
	memset(turn, 0, sizeof(Turn));
	turn->execution = execution;
	turn->context = AllocSetContextCreate(parent, "durable turn", ALLOCSET_DEFAULT_SIZES);
	turn->pass_context = AllocSetContextCreate(turn->context, "durable pass", ALLOCSET_DEFAULT_SIZES);
	turn->step_context = AllocSetContextCreate(turn->context, "durable step", ALLOCSET_DEFAULT_SIZES);
	turn->at = durable_now();
	turn->cancel_event = -1;
	turn->suggest_event = -1;
	turn->saga.timeout = -1;
	turn->saga.started = -1;
	turn->wait_command = WAIT_NOTHING;
}

/*
 * Take in a row of the history, in order
 */
void
turn_load_row(Turn *turn, const HistoryRow *row)
{
	Event	   *events;
	int			n;
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	if (row->first_event != turn->nevents + 1)
		elog(ERROR, "history goes on with event %d after event %d", row->first_event, turn->nevents);
	n = event_array_deform(row->events, &events);
	add_row(turn, row->turn_at, row->ran);
	/* to the code time goes on, whatever was done to the clock */
	turn->at = Max(turn->at, row->turn_at);
	for (int i = 0; i < n; i++)
		turn_add_event(turn, &events[i]);
	set_mail_end(turn, turn->rows[turn->nrows - 1].first + row->mail);
	turn->rows[turn->nrows - 1].goes_on = row->goes_on;
	turn->bytes += VARSIZE_ANY(row->events);
	turn->recorded = turn->nevents;
	MemoryContextSwitchTo(old);
}

/*
 * Start the row of this turn; mail is added next
 */
void
turn_begin_row(Turn *turn)
{
	add_row(turn, turn->at, true);
}

void
turn_end_mail(Turn *turn)
{
	set_mail_end(turn, turn->nevents);
}

/*
 * Move the horizon to where an event became visible to the code
 */
void
turn_see(Turn *turn, int event)
{
	int			row = turn->event_row[event];

	if (row < turn->nrows - 1 && turn->rows[row].goes_on && event == turn->rows[row + 1].first - 1)
		row++;
	while (row < turn->nrows - 1 && !turn->rows[row].ran)
		row++;
	turn->horizon = Max(turn->horizon, turn->rows[row].mail_end);
	turn->seen_row = Max(turn->seen_row, row);
	turn->now = Max(turn->now, turn->rows[row].at);
	if (event >= turn->rows[turn->event_row[event]].mail_end)
		turn->now = Max(turn->now, turn->events[event].at);
	turn_mute(turn);
}

/*
 * What this pass has seen of markers is forgotten, and those that are not
 * recorded are
 */
void
turn_forget_markers(Turn *turn)
{
	int			kept = 0;

	for (int i = 0; i < turn->nmarkers; i++)
		if (turn->markers[i].event >= 0 && turn->markers[i].event < turn->nevents)
		{
			turn->markers[kept] = turn->markers[i];
			turn->markers[kept++].seen = false;
		}
	turn->nmarkers = kept;
}

/*
 * The code starts anew, with nothing consumed
 */
void
turn_begin_pass(Turn *turn)
{
	uint64		seed[2];

	turn->left = false;
	turn->next_command = 1;
	turn->horizon = 0;
	turn->seen_row = 0;
	turn->now = 0;
	turn->cancel_delivered = false;
	turn->shielded = false;
	turn->suggest_asked = false;
	for (int i = 0; i < turn->nsignals; i++)
		turn->signals[i].read = 0;
	for (int i = 0; i < turn->ncommands; i++)
		turn->commands[i].cancelled = turn->commands[i].cancel_asked = false;
	turn->signal_handles = NULL;
	turn->nsignal_handles = 0;
	for (int i = 0; i < turn->nupdates; i++)
		turn->updates[i].read = turn->updates[i].answered = false;
	turn->updates_from = 0;
	turn->wait_update = NULL;
	turn_forget_markers(turn);
	memcpy(seed, turn->execution->seed ? turn->execution->seed : &turn->execution->run_id, sizeof(seed));
	pg_prng_seed(&turn->random, seed[0] ^ seed[1]);
	saga_begin_pass(turn);
	turn_see(turn, 0);
}


/*
 * Record an event that the code makes; strings are copied to the turn
 */
int
turn_record(Turn *turn, EventType type, int32 command, const text *name, Jsonb *attributes)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	Event		event = {.type = type, .at = durable_now(), .command = command};
	int			index;

	if (name)
		event.name = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(name));
	if (attributes)
		event.attributes = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(attributes));
	index = turn_add_event(turn, &event);
	MemoryContextSwitchTo(old);
	return index;
}

Jsonb *
turn_event_payload(const Event *event)
{
	return event->payload_id ? payload_load(event->payload_id) : event->payload;
}
