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

	for (int i = 0; i < turn->history.nsignals; i++)
		if (text_equal(turn->history.signals[i].name, name))
			return &turn->history.signals[i];
	turn->history.signals = vec_room_counted(turn->history.signals, turn->history.nsignals, sizeof(SignalQueue), turn->context);
	queue = &turn->history.signals[turn->history.nsignals++];
	memset(queue, 0, sizeof(SignalQueue));
	queue->name = MemoryContextAlloc(turn->context, VARSIZE_ANY(name));
	memcpy(queue->name, name, VARSIZE_ANY(name));
	return queue;
}

static void
add_signal(Turn *turn, int event)
{
	SignalQueue *queue = turn_signal_queue(turn, turn->history.events[event].name);

	queue->events = vec_room(queue->events, queue->count, &queue->room, sizeof(int), turn->context);
	queue->events[queue->count++] = event;
}

/*
 * The marker of a change, NULL where there is none
 */
Marker *
turn_marker(Turn *turn, const text *change)
{
	for (int i = 0; i < turn->history.nmarkers; i++)
		if (text_equal(turn->history.markers[i].change, change))
			return &turn->history.markers[i];
	return NULL;
}

/*
 * A change that the code asks about; one that is known stays as it is
 */
Marker *
turn_add_marker(Turn *turn, const text *change, int32 version, int event)
{
	Marker	   *marker = turn_marker(turn, change);
	MemoryContext old;

	if (marker)
		return marker;
	old = MemoryContextSwitchTo(turn->context);
	turn->history.markers = vec_room(turn->history.markers, turn->history.nmarkers, &turn->history.markers_room, sizeof(Marker), CurrentMemoryContext);
	marker = &turn->history.markers[turn->history.nmarkers++];
	*marker = (Marker) {(text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(change)), version, event, false};
	MemoryContextSwitchTo(old);
	return marker;
}

static void
load_marker(Turn *turn, int event)
{
	JsonbValue *version = json_find(turn->history.events[event].attributes, "version");

	if (!version || version->type != jbvNumeric)
		elog(ERROR, "event %d has no version", event + 1);
	turn_add_marker(turn, turn->history.events[event].name,
					DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(version->val.numeric))), event);
}

static void
add_command(Turn *turn, int event)
{
	turn->history.commands = vec_room(turn->history.commands, turn->history.ncommands, &turn->history.commands_room, sizeof(Command), turn->context);
	turn->history.commands[turn->history.ncommands++] = (Command) {turn->history.events[event].type, event, -1, -1};
	if (turn->history.events[event].command != turn->history.ncommands)
		elog(ERROR, "event %d has command %d, expected %d",
			 event + 1, turn->history.events[event].command, turn->history.ncommands);
}

static void
resolve_command(Turn *turn, int event)
{
	int32		command = turn->history.events[event].command;

	if (command < 1 || command > turn->history.ncommands)
		elog(ERROR, "event %d resolves command %d of %d", event + 1, command, turn->history.ncommands);
	/* a timer may fire in the very moment it is cancelled: the first counts */
	if (turn->history.commands[command - 1].resolution < 0)
		turn->history.commands[command - 1].resolution = event;
	turn->history.cancels_recorded |= turn->history.events[event].type == EVENT_TIMER_CANCELED;
}

static void
note_cancel_request(Turn *turn, int event)
{
	int32		command = turn->history.events[event].command;

	if (command < 1 || command > turn->history.ncommands)
		elog(ERROR, "event %d cancels command %d of %d", event + 1, command, turn->history.ncommands);
	turn->history.commands[command - 1].cancel_event = event;
	turn->history.cancels_recorded = true;
}

static void
add_update(Turn *turn, int event)
{
	UpdateRequest *update;

	turn->history.updates = vec_room(turn->history.updates, turn->history.nupdates, &turn->history.updates_room, sizeof(UpdateRequest), turn->context);
	update = &turn->history.updates[turn->history.nupdates++];
	*update = (UpdateRequest) {.event = event, .answer = -1};
	update->id = json_find_text(turn->history.events[event].attributes, "update_id");
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
	for (int i = turn->history.nupdates - 1; i >= 0; i--)
		if (strcmp(turn->history.updates[i].id, id) == 0)
			return &turn->history.updates[i];
	return NULL;
}

static void
resolve_update(Turn *turn, int event)
{
	char	   *id = json_find_text(turn->history.events[event].attributes, "update_id");
	UpdateRequest *update = id ? turn_update(turn, id) : NULL;

	if (!update)
		elog(ERROR, "event %d answers an unknown update", event + 1);
	update->answer = event;
}

static void
index_event(Turn *turn, int event)
{
	if (is_outcome(turn->history.events[event].type))
	{
		resolve_command(turn, event);
		return;
	}
	switch (turn->history.events[event].type)
	{
		case EVENT_WORKFLOW_STARTED:
			if (turn->history.events[event].payload)
				turn->input = DatumGetJsonbP(PointerGetDatum(turn->history.events[event].payload));
			turn->input_id = turn->history.events[event].payload_id;
			break;
		case EVENT_WORKFLOW_SIGNALED:
			add_signal(turn, event);
			break;
		case EVENT_WORKFLOW_CANCEL_REQUESTED:
			if (turn->history.cancel_event < 0)
				turn->history.cancel_event = event;
			break;
		case EVENT_ACTIVITY_SCHEDULED:
		case EVENT_TIMER_STARTED:
		case EVENT_CHILD_INITIATED:
		case EVENT_SIGNAL_EXTERNAL_INITIATED:
			add_command(turn, event);
			break;
		case EVENT_CANCEL_EXTERNAL_INITIATED:
			/* a command of its own, or a request to a child by the child's */
			if (turn->history.events[event].command > turn->history.ncommands)
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
			turn->history.upserts = true;
			break;
		case EVENT_WORKFLOW_TIMEOUT_REACHED:
			turn->saga.timeout = event;
			break;
		case EVENT_COMPENSATION_STARTED:
			turn->saga.started = event;
			turn->saga.code_commands = turn->history.ncommands;
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
			turn->history.rows[turn->history.nrows - 1].moved = true;
			break;
		case EVENT_WORKFLOW_PAUSED:
		case EVENT_WORKFLOW_UNPAUSED:
			break;
		case EVENT_CONTINUE_AS_NEW_SUGGESTED:
			turn->history.suggest_event = event;
			break;
		default:
			elog(ERROR, "event %d of an open run is %s",
				 event + 1, event_type_name(turn->history.events[event].type));
	}
}

/*
 * Append an event, whose pointers live as long as the turn; returns its index
 */
int
turn_add_event(Turn *turn, const Event *event)
{
	turn->history.events = vec_room_counted(turn->history.events, turn->history.nevents, sizeof(Event), turn->context);
	turn->history.event_row = vec_room_counted(turn->history.event_row, turn->history.nevents, sizeof(int), turn->context);
	turn->history.events[turn->history.nevents] = *event;
	turn->history.event_row[turn->history.nevents] = turn->history.nrows - 1;
	index_event(turn, turn->history.nevents);
	return turn->history.nevents++;
}

static TurnRow *
add_row(Turn *turn, TimestampTz at, bool ran)
{
	turn->history.rows = vec_room_counted(turn->history.rows, turn->history.nrows, sizeof(TurnRow), turn->context);
	turn->history.rows[turn->history.nrows] = (TurnRow) {.first = turn->history.nevents, .mail_end = turn->history.nevents, .at = at, .ran = ran, .bytes_before = turn->history.bytes};
	return &turn->history.rows[turn->history.nrows++];
}

static void
set_mail_end(Turn *turn, int mail_end)
{
	TurnRow    *row = &turn->history.rows[turn->history.nrows - 1];

	row->mail_end = mail_end;
	if (mail_end > row->first)
		turn->history.mail_end = mail_end;
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
	turn->history.cancel_event = -1;
	turn->history.suggest_event = -1;
	turn->saga.timeout = -1;
	turn->saga.started = -1;
	turn->wait.command = WAIT_NOTHING;
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

	if (row->first_event != turn->history.nevents + 1)
		elog(ERROR, "history goes on with event %d after event %d", row->first_event, turn->history.nevents);
	n = event_array_deform(row->events, &events);
	add_row(turn, row->turn_at, row->ran);
	/* to the code time goes on, whatever was done to the clock */
	turn->at = Max(turn->at, row->turn_at);
	for (int i = 0; i < n; i++)
		turn_add_event(turn, &events[i]);
	set_mail_end(turn, turn->history.rows[turn->history.nrows - 1].first + row->mail);
	turn->history.rows[turn->history.nrows - 1].goes_on = row->goes_on;
	turn->history.bytes += VARSIZE_ANY(row->events);
	turn->history.recorded = turn->history.nevents;
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

/*
 * All mail of this turn is among the events
 */
void
turn_end_mail(Turn *turn)
{
	set_mail_end(turn, turn->history.nevents);
}

/*
 * Move the horizon to where an event became visible to the code
 */
void
turn_see(Turn *turn, int event)
{
	int			row = turn->history.event_row[event];

	if (row < turn->history.nrows - 1 && turn->history.rows[row].goes_on && event == turn->history.rows[row + 1].first - 1)
		row++;
	while (row < turn->history.nrows - 1 && !turn->history.rows[row].ran)
		row++;
	turn->pass.horizon = Max(turn->pass.horizon, turn->history.rows[row].mail_end);
	turn->pass.seen_row = Max(turn->pass.seen_row, row);
	turn->pass.now = Max(turn->pass.now, turn->history.rows[row].at);
	if (event >= turn->history.rows[turn->history.event_row[event]].mail_end)
		turn->pass.now = Max(turn->pass.now, turn->history.events[event].at);
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

	for (int i = 0; i < turn->history.nmarkers; i++)
		if (turn->history.markers[i].event >= 0 && turn->history.markers[i].event < turn->history.nevents)
		{
			turn->history.markers[kept] = turn->history.markers[i];
			turn->history.markers[kept++].seen = false;
		}
	turn->history.nmarkers = kept;
}

/*
 * The code starts anew, with nothing consumed
 */
void
turn_begin_pass(Turn *turn)
{
	uint64		seed[2];

	turn->pass = (Pass) {.next_command = 1};
	for (int i = 0; i < turn->history.nsignals; i++)
		turn->history.signals[i].read = 0;
	for (int i = 0; i < turn->history.ncommands; i++)
		turn->history.commands[i].cancelled = turn->history.commands[i].cancel_asked = false;
	for (int i = 0; i < turn->history.nupdates; i++)
		turn->history.updates[i].read = turn->history.updates[i].answered = false;
	turn->wait.update = NULL;
	turn_forget_markers(turn);
	memcpy(seed, turn->execution->seed ? turn->execution->seed : &turn->execution->run_id, sizeof(seed));
	pg_prng_seed(&turn->pass.random, seed[0] ^ seed[1]);
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

/*
 * The payload of an event, loaded where it was set aside
 */
Jsonb *
turn_event_payload(const Event *event)
{
	return event->payload_id ? payload_load(event->payload_id) : event->payload;
}
