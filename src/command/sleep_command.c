/*-------------------------------------------------------------------------
 *
 * sleep_command.c
 *	  Sleeping.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "command/command.h"
#include "command/sleep_command.h"
#include "store/history.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"

static void
sleep_until(Turn *turn, DueTime due)
{
	Command    *command = turn_match(turn, EVENT_TIMER_STARTED, "timer", NULL);
	int32		number = turn->pass.next_command - 1;
	int			fire;
	int			cancel;

	if (!command)
	{
		command_start_timer(turn, number, NULL, due);
		command = &turn->history.commands[number - 1];
	}
	fire = command_fired(turn, command);
	cancel = command_pending_cancel(turn);
	if (fire == NEVER && cancel == NEVER)
		command_wait_for(turn, number, NULL, "timer");
	turn_see(turn, Min(fire, cancel));
	if (cancel < fire)
	{
		command_cancel_timer(turn, number);
		command_raise_cancelled(turn, NULL);
	}
}

/*
 * Sleep for a span
 */
void
command_sleep(Turn *turn, const Interval *span)
{
	command_raise_if_cancelled(turn);
	if (durable_add_interval(turn->pass.now, span) > turn->pass.now)
		sleep_until(turn, command_due_after(turn, span));
}

/*
 * Sleep until a time
 */
void
command_sleep_until(Turn *turn, TimestampTz until)
{
	command_raise_if_cancelled(turn);
	if (until > turn->pass.now)
		sleep_until(turn, (DueTime) {until, DT_NOEND});
}
