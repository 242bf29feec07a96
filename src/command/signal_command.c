/*-------------------------------------------------------------------------
 *
 * signal_command.c
 *	  Signals, as workflow code sees them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "command/command.h"
#include "command/signal_command.h"
#include "store/execution.h"
#include "store/history.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * Index of the next unread signal, NEVER where there is none
 */
int
command_next_signal(SignalQueue *queue)
{
	return queue->read < queue->count ? queue->events[queue->read] : NEVER;
}

static Jsonb *
read_signal(Turn *turn, text *name)
{
	SignalQueue *queue = turn_signal_queue(turn, name);
	int			event = queue->events[queue->read++];

	turn_see(turn, event);
	return turn_event_payload(&turn->history.events[event]);
}

/*
 * The next unread signal that the code can see, NULL where there is none
 */
Jsonb *
command_poll_signal(Turn *turn, text *name)
{
	if (command_next_signal(turn_signal_queue(turn, name)) >= turn->pass.horizon)
		return NULL;
	return read_signal(turn, name);
}

/*
 * The next unread signal; NULL when `timeout' (NULL: none) is over before one
 * came
 */
Jsonb *
command_wait_signal(Turn *turn, text *name, const Interval *timeout)
{
	int			signal;
	int			fire = NEVER;
	int			cancel;
	int32		number = WAIT_NOTHING;

	command_raise_if_cancelled(turn);
	if (command_next_signal(turn_signal_queue(turn, name)) < turn->pass.horizon)
		return read_signal(turn, name);
	if (timeout && durable_interval_usecs(timeout) <= 0)
		return NULL;
	if (timeout)
	{
		Command    *command = turn_match(turn, EVENT_TIMER_STARTED, "timer", text_to_cstring(name));

		number = turn->pass.next_command - 1;
		if (!command)
		{
			command_start_timer(turn, number, name, command_due_after(turn, timeout));
			command = &turn->history.commands[number - 1];
		}
		fire = command_fired(turn, command);
	}
	signal = command_next_signal(turn_signal_queue(turn, name));
	cancel = command_pending_cancel(turn);
	if (signal == NEVER && fire == NEVER && cancel == NEVER)
		command_wait_for(turn, number, name, psprintf("signal %s", text_to_cstring(name)));
	if (fire < signal && fire < cancel)
	{
		turn_see(turn, fire);
		return NULL;
	}
	if (number != WAIT_NOTHING)
		command_cancel_timer(turn, number);
	if (cancel < signal)
	{
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	return read_signal(turn, name);
}
