/*-------------------------------------------------------------------------
 *
 * map.c
 *	  wf_map: an activity for each of many inputs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "command/command.h"
#include "command/handle.h"
#include "command/map.h"
#include "turn/turn.h"

/*
 * Run an activity for each input, at most `window' at a time; results are in
 * the order of the inputs, the first failure is raised
 */
void
handle_map(Turn *turn, const TaskRequest *request, Jsonb **inputs, int count, int window, Jsonb **results)
{
	Handle	   *handles = palloc(Max(count, 1) * sizeof(Handle));
	Handle	   *running = palloc(Max(window, 1) * sizeof(Handle));
	TaskRequest each = *request;
	int			started = 0;
	int			nrunning = 0;

	while (started < count)
	{
		int			done;

		while (nrunning < window && started < count)
		{
			each.input = inputs[started];
			running[nrunning++] = handles[started++] =
				handle_make(HANDLE_ACTIVITY, command_start_activity(turn, &each));
		}
		if (started == count)
			break;
		done = handle_await_any(turn, running, nrunning);
		if (handle_ended_badly(turn, handle_end_of(turn, running[done])))
			(void) handle_outcome(turn, running[done]);
		running[done] = running[--nrunning];
	}
	handle_await_all(turn, handles, count, false, results);
}
