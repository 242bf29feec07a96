/*-------------------------------------------------------------------------
 *
 * match.c
 *	  Calls of replayed code against what is recorded: in order, in their place,
 *	  and completely.
 *
 *	  1. Each call that leaves a mark in the history takes the next command number;
 *	  the event of that number must be of the call's kind and name.
 *
 *	  2. It must also stand where the code is.  What code gives is recorded in the
 *	  row of the turn that told it the last it knows (Turn.seen_row).  It may stand
 *	  in a later row only if the code came there without learning anything: because
 *	  the turn between was cut short (TurnRow.goes_on), or because other code took
 *	  over (TurnRow.moved).  So a call that has moved across a wait is found, and
 *	  so is one that is new before a wait that is over.
 *
 *	  3. Where the pass ends, nothing may be left over that is recorded as the
 *	  code's: no command, no cancellation, no answer to an update.
 *
 *	  4. A new call after all that the code has learned so far fits every history,
 *	  wherever the code waited before.  Code that is pinned gives none, but a
 *	  function that it calls may have been replaced.  An event then says that other
 *	  code took over, or the next replay would find the call out of its place.
 *
 *	  5. Markers are found by name, and stand anywhere (marker.c).  What a pass
 *	  reads (signals, published values) leaves no mark.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/json.h"
#include "mb/pg_wchar.h"
#include "store/history.h"
#include "store/kinds.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Bytes of an input in a message */
#define MAX_EXCERPT		200

#define RESTORE_CODE \
	"Code that runs are in the middle of must give the commands they gave before; restore it, and the run goes on."

/*
 * An event as problems name it
 */
static char *
describe(Turn *turn, int index)
{
	const Event *event = &turn->history.events[index];

	if (!event->name)
		return psprintf("event %d is %s", index + 1, event_type_name(event->type));
	return psprintf("event %d is %s %s", index + 1, event_type_name(event->type),
					quote_literal_cstr(text_to_cstring(event->name)));
}

static char *
describe_call(const char *what, const char *name)
{
	return name ? psprintf("calls %s %s", what, quote_literal_cstr(name)) : psprintf("calls %s", what);
}

static void
refuse(Turn *turn, int event, const char *message)
{
	turn->problem_event = event + 1;
	turn_refuse(ERRCODE_WF_NONDETERMINISM, message, RESTORE_CODE);
}

/*
 * The first row from this one on whose turn ran code
 */
static int
next_ran(Turn *turn, int row)
{
	while (row < turn->history.nrows - 1 && !turn->history.rows[row].ran)
		row++;
	return row;
}

/*
 * The row in which code goes on that has learned nothing since `row'; the same
 * row, where that is none
 */
static int
goes_on_in(Turn *turn, int row)
{
	int			next;

	if (row >= turn->history.nrows - 1)
		return row;
	next = next_ran(turn, row + 1);
	if (turn->history.rows[row].goes_on)
		return next;
	for (int i = row + 1; i <= next; i++)
		if (turn->history.rows[i].moved)
			return next;
	return row;
}

/*
 * The last row that the code gets to with what it has learned, or `target'
 */
static int
walk(Turn *turn, int target)
{
	int			row = turn->pass.seen_row;

	while (row < target)
	{
		int			next = goes_on_in(turn, row);

		if (next == row)
			break;
		row = next;
	}
	return row;
}

/*
 * Does an event that the code has made stand where the code is?
 */
bool
match_is_here(Turn *turn, int event)
{
	return turn->history.event_row[event] == turn->pass.seen_row ||
		walk(turn, turn->history.event_row[event]) == turn->history.event_row[event];
}

/*
 * The event by which the code learned what it does not know yet where it is
 */
static int
next_news(Turn *turn)
{
	int			last = turn->history.nrows - 1;

	return Min(turn->history.rows[next_ran(turn, Min(walk(turn, last) + 1, last))].first, turn->history.nevents - 1);
}

/*
 * What was matched stands elsewhere
 */
static void
refuse_moved(Turn *turn, int event, const char *does)
{
	int			seen = Min(turn->history.rows[turn->pass.seen_row].first, turn->history.nevents - 1);

	if (turn->history.event_row[event] < turn->pass.seen_row)
		refuse(turn, event, psprintf("%s, but the code now %s only after event %d, %s",
									 describe(turn, event), does, seen + 1,
									 event_type_name(turn->history.events[seen].type)));
	refuse(turn, event, psprintf("%s, but the code now %s before event %d, %s",
								 describe(turn, event), does, next_news(turn) + 1,
								 event_type_name(turn->history.events[next_news(turn)].type)));
}

/*
 * Other code has taken over, in the middle of the function's text
 */
static void
record_takeover(Turn *turn)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_int(&b, "from", turn->execution->version);
	json_add_int(&b, "version", turn->execution->version);
	(void) turn_record(turn, EVENT_OPTIONS_UPDATED, 0, NULL, json_end(&b));
}

/*
 * The code does something that is not recorded.  That fits where it has learned
 * all that the history tells: -1.  Otherwise the index of the event that came
 * next.
 */
int
match_ahead(Turn *turn)
{
	int			last = turn->history.nrows - 1;
	int			row;

	/* code that has failed has no more to say */
	if (saga_follows(turn))
		return turn->saga.started;
	row = walk(turn, last);
	if (row == last)
		return -1;
	if (next_ran(turn, row + 1) < last)
		return next_news(turn);
	if (!turn->replay_only)
		record_takeover(turn);
	return -1;
}

/*
 * Refuse it; `does' says what it is
 */
void
match_new(Turn *turn, const char *does)
{
	int			event = match_ahead(turn);

	if (event >= 0)
		refuse(turn, event, psprintf("%s, but the code now %s before it", describe(turn, event), does));
}

/*
 * A replay got further than the history: that far the code is good
 */
static void
leave_ahead(Turn *turn, const char *what, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	turn->wait.what = psprintf("%s%s%s, which is not in the history", what, name ? " " : "",
								 name ? quote_literal_cstr(name) : "");
	turn->wait.where = NULL;
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_WAIT);
}

static bool
same_name(const char *name, const text *recorded)
{
	if (!name || !recorded)
		return !name && !recorded;
	return strlen(name) == VARSIZE_ANY_EXHDR(recorded) &&
		memcmp(name, VARDATA_ANY(recorded), VARSIZE_ANY_EXHDR(recorded)) == 0;
}

/*
 * The recorded command of a call, NULL where the call is new.  The call's
 * kind, name and place must be those of the record.  Who gets NULL records the command
 * before anything can fail: an error that the code catches in between would leave
 * the next replay a call more than the history has.
 */
Command *
turn_match(Turn *turn, EventType type, const char *what, const char *name)
{
	Command    *command;
	Event	   *event;

	if (turn->pass.next_command > turn->history.ncommands && !saga_follows(turn))
	{
		if (turn->pass.seen_row < turn->history.nrows - 1)
			match_new(turn, describe_call(what, name));
		if (turn->replay_only)
			leave_ahead(turn, what, name);
		/* after a call that failed all the same its number is free */
		turn->pass.next_command = turn->history.ncommands + 2;
		return NULL;
	}
	if (turn_all_matched(turn))
		turn_refuse(ERRCODE_WF_NONDETERMINISM,
					psprintf("event %d is %s, but the code now calls %s%s before it",
							 turn->saga.started + 1, event_type_name(EVENT_COMPENSATION_STARTED),
							 what, name ? psprintf(" %s", quote_literal_cstr(name)) : ""),
					RESTORE_CODE);
	command = &turn->history.commands[turn->pass.next_command - 1];
	event = &turn->history.events[command->event];
	if (command->type != type || !same_name(name, event->name))
		refuse(turn, command->event,
			   psprintf("event %d is %s %s, but the code now calls %s %s",
						command->event + 1, event_type_name(event->type),
						event->name ? quote_literal_cstr(text_to_cstring(event->name)) : "",
						what, name ? quote_literal_cstr(name) : ""));
	if (!match_is_here(turn, command->event))
		refuse_moved(turn, command->event, describe_call(what, name));
	turn->pass.next_command++;
	if (turn->trace)
		turn->trace(turn, event);
	return command;
}

/*
 * The code cancels a command or answers an update.  That is
 * recorded as `event', or, where that is -1, not: then it is new, unless it came
 * to nothing because the end of what it was for, at event `ended' (-1: it has
 * not), was known.
 */
void
match_act(Turn *turn, int event, int ended, const char *does, const char *name)
{
	if (event >= 0 ? match_is_here(turn, event) :
		ended >= 0 && walk(turn, turn->history.event_row[ended]) >= turn->history.event_row[ended])
		return;
	does = psprintf("%s %s", does, quote_literal_cstr(name));
	if (event >= 0)
		refuse_moved(turn, event, does);
	match_new(turn, does);
}

static bool
is_cancelled_by_code(Turn *turn, const Command *command, int *event)
{
	*event = command->cancel_event;
	if (*event < 0 && command->resolution >= 0 && turn->history.events[command->resolution].type == EVENT_TIMER_CANCELED)
		*event = command->resolution;
	return *event >= 0;
}

/*
 * The event of the code that this pass, which has ended, has not come by; -1
 * where there is none
 */
static int
left_over(Turn *turn)
{
	int			event;

	if (turn->pass.end != PASS_FAILED && !turn_all_matched(turn))
		return turn->history.commands[turn->pass.next_command - 1].event;
	for (int i = 0; turn->history.cancels_recorded && i < turn->history.ncommands; i++)
		if (!turn->history.commands[i].cancel_asked && is_cancelled_by_code(turn, &turn->history.commands[i], &event))
			return event;
	for (int i = 0; i < turn->history.nupdates; i++)
		if (turn->history.updates[i].answer >= 0 && !turn->history.updates[i].answered)
			return turn->history.updates[i].answer;
	return -1;
}

static const char *
how_it_ends(Turn *turn)
{
	switch (turn->pass.end)
	{
		case PASS_WAIT:
			return psprintf("waits for %s", turn->wait.what ? turn->wait.what : "something");
		case PASS_STEP:
			return turn->step.name ? psprintf("calls activity %s", quote_literal_cstr(text_to_cstring(turn->step.name))) :
				"calls another workflow";
		case PASS_COMPLETED:
			return "returns";
		default:
			return "ends";
	}
}

/*
 * What is wrong with the end of a pass, as far as the history goes; NULL where
 * nothing is
 */
char *
match_end(Turn *turn)
{
	int			event = left_over(turn);

	if (event < 0)
		return NULL;
	turn->problem_event = event + 1;
	return psprintf("%s, but the code now %s %s it", describe(turn, event), how_it_ends(turn),
					turn->pass.end != PASS_FAILED && !turn_all_matched(turn) ? "before" : "without");
}

/*
 * As much of a value as a message can do with
 */
static char *
excerpt(Jsonb *value)
{
	char	   *text = json_to_cstring(value);
	int			len = strlen(text);

	if (len > MAX_EXCERPT + 3)
		strcpy(text + pg_mbcliplen(text, len, MAX_EXCERPT), "...");
	return text;
}

/*
 * A call was matched: is its input still the recorded one?  Asked by checks
 * only; a step that is recorded keeps its result.
 */
void
match_input(Turn *turn, const Command *command, Jsonb *input)
{
	const Event *event = &turn->history.events[command->event];
	Jsonb	   *recorded;
	MemoryContext old;

	if (!turn->compare)
		return;
	recorded = turn_event_payload(event);
	/* both may come as they were packed */
	recorded = recorded ? DatumGetJsonbP(PointerGetDatum(recorded)) : NULL;
	input = input ? DatumGetJsonbP(PointerGetDatum(input)) : NULL;
	/* to a child's the defaults are added that belong to its start (defaults.c) */
	if (command->type == EVENT_CHILD_INITIATED && recorded && input && JB_ROOT_IS_OBJECT(recorded) && JB_ROOT_IS_OBJECT(input))
		input = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(recorded), JsonbPGetDatum(input)));
	if (recorded && input ? compareJsonbContainers(&recorded->root, &input->root) == 0 : recorded == input)
		return;
	if (turn->differences++ > 0)
		return;
	old = MemoryContextSwitchTo(turn->context);
	turn->differs_at = command->event + 1;
	turn->difference = psprintf("%s with the input %s, but the code now passes %s", describe(turn, command->event),
								recorded ? excerpt(recorded) : "null", input ? excerpt(input) : "null");
	MemoryContextSwitchTo(old);
}

/*
 * Is the outcome of the command that comes next unknown yet?  Then its input is
 * needed, as it is for a check.
 */
bool
turn_outcome_unknown(Turn *turn)
{
	return turn->compare || turn->pass.next_command > turn->history.ncommands ||
		turn->history.commands[turn->pass.next_command - 1].resolution < 0;
}

/*
 * Has the code given every command that is recorded as its own?
 */
bool
turn_all_matched(Turn *turn)
{
	return turn->pass.next_command > (saga_follows(turn) ? turn->saga.code_commands : turn->history.ncommands);
}
