/*-------------------------------------------------------------------------
 *
 * handle.c
 *	  Several things at once: handles, and waiting for some of them.
 *
 *	  1. A handle names a command that was started, or the next signal of a
 *	  name.  It is done when an event in the history has ended it.  Which handle
 *	  was done first, and whether one has failed, is told by the order of these
 *	  events, so a replay comes to the same answer whenever it takes place.
 *
 *	  2. A wait for many does not run the code for each that ends.  The run's
 *	  row holds the wait set: the ranges of commands that are waited for, and how
 *	  many of them are to end before the code can go on.  Mail that ends one
 *	  counts down (mail.c), and is appended without running code; so waiting for
 *	  N costs O(N) in all.  A range may take in a command that is not waited for;
 *	  then the code may run too early, finds that the wait is not over, and waits
 *	  again.  Never too late: each command of the set that is open has exactly one
 *	  message to come.
 *
 *	  3. All are waited for until one has failed.  To know how every one ended,
 *	  settle.
 *
 *	  4. When the workflow is cancelled in a wait, what it waits for is cancelled
 *	  with it.  A handle that was cancelled by the code is done at once, but for
 *	  activities and children of cancellation `wait'.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/vec.h"
#include "catalog/pg_type.h"
#include "command/child_command.h"
#include "command/command.h"
#include "command/elsewhere.h"
#include "command/handle.h"
#include "command/signal_command.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define KIND_SHIFT	32

/*
 * The handle of a command or signal
 */
Handle
handle_make(HandleKind kind, int32 number)
{
	return ((int64) kind << KIND_SHIFT) | (uint32) number;
}

/*
 * What a handle stands for
 */
HandleKind
handle_kind(Handle handle)
{
	return (HandleKind) (handle >> KIND_SHIFT);
}

/*
 * The number of its command, or of the signal handle
 */
int32
handle_number(Handle handle)
{
	return (int32) (handle & 0xFFFFFFFF);
}

/*
 * As messages call it
 */
const char *
handle_kind_name(HandleKind kind)
{
	static const char *const names[] = {"activity", "timer", "child", "signal"};

	if (kind < HANDLE_ACTIVITY || kind > HANDLE_SIGNAL)
		return NULL;
	return names[kind - HANDLE_ACTIVITY];
}

static EventType
command_type(HandleKind kind)
{
	switch (kind)
	{
		case HANDLE_ACTIVITY:
			return EVENT_ACTIVITY_SCHEDULED;
		case HANDLE_TIMER:
			return EVENT_TIMER_STARTED;
		case HANDLE_CHILD:
			return EVENT_CHILD_INITIATED;
		default:
			return 0;
	}
}

/*
 * A handle may come from anywhere: it must be one that this code made
 */
static void
check_handle(Turn *turn, Handle handle)
{
	HandleKind	kind = handle_kind(handle);
	int32		number = handle_number(handle);
	const char *name = handle_kind_name(kind);

	if (kind == HANDLE_SIGNAL ? number >= 1 && number <= turn->pass.nsignal_handles :
		number >= 1 && number < turn->pass.next_command && number <= turn->history.ncommands &&
		turn->history.commands[number - 1].type == command_type(kind))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("this run has made no handle \"%s %d\"", name ? name : "?", number)));
}

static Command *
command_of(Turn *turn, Handle handle)
{
	return &turn->history.commands[handle_number(handle) - 1];
}

static SignalHandle *
signal_of(Turn *turn, Handle handle)
{
	return &turn->pass.signal_handles[handle_number(handle) - 1];
}

static bool
is_open(Turn *turn, Handle handle)
{
	return handle_kind(handle) != HANDLE_SIGNAL && handle_end_of(turn, handle) == NEVER;
}

/*
 * A timer; returns its handle
 */
Handle
handle_start_timer(Turn *turn, const Interval *span)
{
	Command    *command;

	command_raise_if_cancelled(turn);
	command = turn_match(turn, EVENT_TIMER_STARTED, "timer", NULL);
	if (!command)
		command_start_timer(turn, turn->pass.next_command - 1, NULL, command_due_after(turn, span));
	return handle_make(HANDLE_TIMER, turn->pass.next_command - 1);
}

/*
 * The next signal of a name; returns its handle
 */
Handle
handle_of_signal(Turn *turn, text *name)
{
	MemoryContext old = MemoryContextSwitchTo(turn->pass_context);

	turn->pass.signal_handles = vec_room_counted(turn->pass.signal_handles, turn->pass.nsignal_handles, sizeof(SignalHandle), CurrentMemoryContext);
	turn->pass.signal_handles[turn->pass.nsignal_handles++] =
		(SignalHandle) {(text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(name)), -1};
	MemoryContextSwitchTo(old);
	return handle_make(HANDLE_SIGNAL, turn->pass.nsignal_handles);
}

/*
 * Has it ended, as far as the code can see?
 */
bool
handle_is_done(Turn *turn, Handle handle)
{
	check_handle(turn, handle);
	if (handle_kind(handle) != HANDLE_SIGNAL && command_of(turn, handle)->cancelled &&
		command_of(turn, handle)->cancellation != CANCELLATION_WAIT)
		return true;
	return handle_end_of(turn, handle) < turn->pass.horizon;
}

static void
cancel_timer(Turn *turn, int32 number)
{
	Command    *command = &turn->history.commands[number - 1];
	bool		recorded = command->resolution >= 0 && turn->history.events[command->resolution].type == EVENT_TIMER_CANCELED;

	if (!command->cancel_asked)
		match_act(turn, recorded ? command->resolution : -1, command->resolution, "cancels timer", psprintf("%d", number));
	command_cancel_timer(turn, number);
	command->cancelled = true;
}

/*
 * Cancel what a handle stands for; nothing where it is done.  A signal that is
 * not awaited any more needs no cancelling.
 */
void
handle_cancel(Turn *turn, Handle handle)
{
	int32		number = handle_number(handle);

	check_handle(turn, handle);
	switch (handle_kind(handle))
	{
		case HANDLE_ACTIVITY:
		case HANDLE_CHILD:
			elsewhere_cancel(turn, number);
			break;
		case HANDLE_TIMER:
			cancel_timer(turn, number);
			break;
		default:
			break;
	}
}

/*
 * Give the next unread signal to its handle; false where it is none of a
 * signal, or has one
 */
static bool
bind_signal(Turn *turn, Handle handle, int event)
{
	SignalHandle *signal;

	if (handle_kind(handle) != HANDLE_SIGNAL)
		return false;
	signal = signal_of(turn, handle);
	if (signal->event >= 0)
		return false;
	signal->event = event;
	turn_signal_queue(turn, signal->name)->read++;
	return true;
}

/*
 * Take it back: the last one that was bound first
 */
static void
unbind_signal(Turn *turn, Handle handle)
{
	SignalHandle *signal = signal_of(turn, handle);

	signal->event = -1;
	turn_signal_queue(turn, signal->name)->read--;
}

/* What a wait for several handles is made of */
typedef struct WaitSet
{
	int32	   *ranges;			/* from, to, from, to ... */
	int			nranges;
	int			left;
	Datum	   *signals;
	int			nsignals;
} WaitSet;

static int
compare_handles(const void *a, const void *b)
{
	Handle		x = *(const Handle *) a;
	Handle		y = *(const Handle *) b;

	return (x > y) - (x < y);
}

/*
 * Put the open ones of some handles into ranges of commands
 */
static void
make_wait_set(Turn *turn, const Handle *handles, int count, WaitSet *set)
{
	Handle	   *sorted = palloc(Max(count, 1) * sizeof(Handle));
	int			open = 0;

	memset(set, 0, sizeof(WaitSet));
	set->ranges = palloc(Max(count, 1) * 2 * sizeof(int32));
	set->signals = palloc(Max(count, 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		if (handle_kind(handles[i]) == HANDLE_SIGNAL)
			set->signals[set->nsignals++] = PointerGetDatum(signal_of(turn, handles[i])->name);
		else if (is_open(turn, handles[i]))
			sorted[open++] = handle_number(handles[i]);
	}
	qsort(sorted, open, sizeof(Handle), compare_handles);
	for (int i = 0; i < open; i++)
	{
		int32		number = (int32) sorted[i];

		if (i > 0 && sorted[i] == sorted[i - 1])
			continue;
		set->left++;
		if (set->nranges > 0 && set->ranges[2 * set->nranges - 1] == number - 1)
			set->ranges[2 * set->nranges - 1] = number;
		else
		{
			set->ranges[2 * set->nranges] = number;
			set->ranges[2 * set->nranges + 1] = number;
			set->nranges++;
		}
	}
	pfree(sorted);
}

static ArrayType *
ranges_array(const WaitSet *set)
{
	int			n = 2 * set->nranges;
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int32GetDatum(set->ranges[i]);
	return construct_array(values, n, INT4OID, sizeof(int32), true, TYPALIGN_INT);
}

/*
 * Leave the code until `left' of the handles that are open have ended, or a
 * signal came for one of them
 */
pg_noreturn static void
wait_for(Turn *turn, const Handle *handles, int count, bool all, const char *what)
{
	WaitSet		set;
	MemoryContext old = MemoryContextSwitchTo(turn->context);

	make_wait_set(turn, handles, count, &set);
	turn->wait.command = WAIT_NOTHING;
	turn->wait.signal = NULL;
	turn->wait.left = all ? set.left : 1;
	turn->wait.set = set.nranges > 0 ? ranges_array(&set) : NULL;
	turn->wait.signals = set.nsignals > 0 ?
		construct_array(set.signals, set.nsignals, TEXTOID, -1, false, TYPALIGN_INT) : NULL;
	turn->wait.what = pstrdup(what);
	turn->wait.where = NULL;
	MemoryContextSwitchTo(old);
	turn_leave(turn, PASS_WAIT);
}

/*
 * The workflow is cancelled, by event `cancel', while it waits for these.  False
 * where one of them wants its end to be waited for.  Those have a say that had
 * not ended when the cancellation came, whether we know of their end or not:
 * replays to come will.
 */
static bool
interrupt(Turn *turn, const Handle *handles, int count, int cancel)
{
	bool		leave = true;

	for (int i = 0; i < count; i++)
		if ((handle_kind(handles[i]) == HANDLE_ACTIVITY || handle_kind(handles[i]) == HANDLE_CHILD) &&
			handle_end_of(turn, handles[i]) > cancel)
			leave &= elsewhere_interrupt(turn, handle_number(handles[i]));
	for (int i = 0; i < count && leave; i++)
		if (handle_kind(handles[i]) == HANDLE_TIMER && handle_end_of(turn, handles[i]) > cancel)
			command_cancel_timer(turn, handle_number(handles[i]));
	return leave;
}

static void
raise_if_interrupted(Turn *turn, const Handle *handles, int count, int end)
{
	int			cancel = command_pending_cancel(turn);

	if (cancel < end && interrupt(turn, handles, count, cancel))
	{
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
}

/*
 * What a wait for one handle is called in waiting_for
 */
static char *
describe(Turn *turn, Handle handle)
{
	const char *kind = handle_kind(handle) == HANDLE_CHILD ? "child workflow" :
		handle_kind_name(handle_kind(handle));
	text	   *name = handle_kind(handle) == HANDLE_SIGNAL ? signal_of(turn, handle)->name :
		turn->history.events[command_of(turn, handle)->event].name;

	return name ? psprintf("%s %s", kind, text_to_cstring(name)) : pstrdup(kind);
}

/*
 * Wait for one; returns its result or raises its failure
 */
Jsonb *
handle_await(Turn *turn, Handle handle)
{
	int			end;

	check_handle(turn, handle);
	command_raise_if_cancelled(turn);
	end = handle_end_of(turn, handle);
	raise_if_interrupted(turn, &handle, 1, end);
	if (end == NEVER)
		wait_for(turn, &handle, 1, true, describe(turn, handle));
	return handle_outcome(turn, handle);
}

/*
 * Index of the event at which a wait for all of them is over: the first failure,
 * or the last end; NEVER where it is not.  Signals of one name count one each.
 */
static int
end_of_all(Turn *turn, const Handle *handles, int count, bool settle)
{
	bool	   *bound = palloc0(count * sizeof(bool));
	int			failed = NEVER;
	int			last = 0;
	int			end;

	for (int i = 0; i < count; i++)
	{
		end = handle_end_of(turn, handles[i]);
		bound[i] = end != NEVER && bind_signal(turn, handles[i], end);
		last = Max(last, end);
		if (end != NEVER && !settle && handle_ended_badly(turn, end))
			failed = Min(failed, end);
	}
	end = Min(failed, last);
	/* those beyond the end of the wait are not there yet */
	for (int i = count - 1; i >= 0; i--)
		if (bound[i] && (end == NEVER || signal_of(turn, handles[i])->event > end))
			unbind_signal(turn, handles[i]);
	return end;
}

/*
 * Wait for all of them; results are in their order.  The first that fails
 * raises its failure, but where they are only to settle: then its result is
 * NULL.
 */
void
handle_await_all(Turn *turn, const Handle *handles, int count, bool settle, Jsonb **results)
{
	int			end;

	for (int i = 0; i < count; i++)
		check_handle(turn, handles[i]);
	command_raise_if_cancelled(turn);
	if (count == 0)
		return;
	end = end_of_all(turn, handles, count, settle);
	raise_if_interrupted(turn, handles, count, end);
	if (end == NEVER)
		wait_for(turn, handles, count, true, psprintf("all of %d handles", count));
	for (int i = 0; i < count; i++)
	{
		int			each = handle_end_of(turn, handles[i]);

		/* the one that failed first, if one did */
		if (each == end && !settle && handle_ended_badly(turn, each))
			(void) handle_outcome(turn, handles[i]);
	}
	for (int i = 0; i < count; i++)
	{
		int			each = handle_end_of(turn, handles[i]);

		if (settle && handle_ended_badly(turn, each))
		{
			turn_see(turn, each);
			results[i] = NULL;
		}
		else
			results[i] = handle_outcome(turn, handles[i]);
	}
}

/*
 * Wait for one of them; returns the index of the first that was done
 */
int
handle_await_any(Turn *turn, const Handle *handles, int count)
{
	int			first = -1;
	int			end = NEVER;

	for (int i = 0; i < count; i++)
	{
		int			each;

		check_handle(turn, handles[i]);
		each = handle_end_of(turn, handles[i]);
		if (each < end)
		{
			end = each;
			first = i;
		}
	}
	command_raise_if_cancelled(turn);
	raise_if_interrupted(turn, handles, count, end);
	if (end == NEVER)
		wait_for(turn, handles, count, false, psprintf("one of %d handles", count));
	turn_see(turn, end);
	return first;
}

/*
 * Index of the event that ended it, NEVER where none has
 */
int
handle_end_of(Turn *turn, Handle handle)
{
	Command    *command;
	int			end;

	if (handle_kind(handle) == HANDLE_SIGNAL)
	{
		SignalHandle *signal = signal_of(turn, handle);

		return signal->event >= 0 ? signal->event :
			command_next_signal(turn_signal_queue(turn, signal->name));
	}
	command = command_of(turn, handle);
	end = command->resolution >= 0 ? command->resolution : NEVER;
	if (command->cancelled && command->cancellation != CANCELLATION_WAIT && command->cancel_event >= 0)
		end = Min(end, command->cancel_event);
	return end;
}

/*
 * Did it end in a way that awaiting it raises an error?
 */
bool
handle_ended_badly(Turn *turn, int end)
{
	switch (turn->history.events[end].type)
	{
		case EVENT_ACTIVITY_COMPLETED:
		case EVENT_CHILD_COMPLETED:
		case EVENT_TIMER_FIRED:
		case EVENT_WORKFLOW_SIGNALED:
			return false;
		default:
			return true;
	}
}

/*
 * The result of a handle that is done; raises its failure
 */
Jsonb *
handle_outcome(Turn *turn, Handle handle)
{
	int			end = handle_end_of(turn, handle);

	(void) bind_signal(turn, handle, end);
	switch (turn->history.events[end].type)
	{
		case EVENT_WORKFLOW_SIGNALED:
			turn_see(turn, end);
			return turn_event_payload(&turn->history.events[end]);
		case EVENT_TIMER_FIRED:
			turn_see(turn, end);
			return NULL;
		case EVENT_TIMER_CANCELED:
			turn_see(turn, end);
			ereport(ERROR,
					(errcode(ERRCODE_WF_CANCELLED),
					 errmsg_internal("timer cancelled")));
			break;
		case EVENT_ACTIVITY_CANCEL_REQUESTED:
			turn_see(turn, end);
			ereport(ERROR,
					(errcode(ERRCODE_WF_CANCELLED),
					 errmsg_internal("activity cancelled")));
			break;
		case EVENT_CANCEL_EXTERNAL_INITIATED:
			turn_see(turn, end);
			ereport(ERROR,
					(errcode(ERRCODE_WF_CANCELLED),
					 errmsg_internal("child workflow cancelled")));
			break;
		default:
			break;
	}
	return handle_kind(handle) == HANDLE_CHILD ? command_child_outcome(turn, command_of(turn, handle)) :
		command_activity_outcome(turn, command_of(turn, handle));
}
