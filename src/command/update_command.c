/*-------------------------------------------------------------------------
 *
 * update_command.c
 *	  Updates, as workflow code sees them, and what a turn writes of them.
 *
 *	  1. An update comes as mail and becomes an event: then it is accepted.  The
 *	  code reads updates as it reads signals, in the order of their events, and
 *	  what it may see is a matter of the horizon (replay.c).
 *
 *	  2. An answer is an event that belongs to no command, since it waits for
 *	  nothing.  Code that is replayed gives it again, and it is not recorded
 *	  again.  Only what was read can be answered, and only once: both are known
 *	  by the pass alone, so they come out the same at each replay.
 *
 *	  3. With the turn its rows in durable.update are written, and at commit those
 *	  who wait for these updates are woken.  What an answer says is a promise to
 *	  a client, so such a turn waits for the disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "catalog/pg_type.h"
#include "command/command.h"
#include "command/update_command.h"
#include "common/hashfn.h"
#include "shared/stopevent.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/payload.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

static bool
is_of_name(const Turn *turn, const UpdateRequest *update, const text *name)
{
	const text *other = turn->history.events[update->event].name;

	return !name || (VARSIZE_ANY_EXHDR(name) == VARSIZE_ANY_EXHDR(other) &&
					 memcmp(VARDATA_ANY(name), VARDATA_ANY(other), VARSIZE_ANY_EXHDR(name)) == 0);
}

/*
 * The next unread update of a name (NULL: of any), NULL where there is none
 */
static UpdateRequest *
next_update(Turn *turn, const text *name)
{
	while (turn->pass.updates_from < turn->history.nupdates && turn->history.updates[turn->pass.updates_from].read)
		turn->pass.updates_from++;
	for (int i = turn->pass.updates_from; i < turn->history.nupdates; i++)
		if (!turn->history.updates[i].read && is_of_name(turn, &turn->history.updates[i], name))
			return &turn->history.updates[i];
	return NULL;
}

static UpdateRequest *
read_update(Turn *turn, UpdateRequest *update)
{
	update->read = true;
	turn_see(turn, update->event);
	return update;
}

/*
 * The next unread update of a name (NULL: of any) that the code can see, NULL
 * where there is none
 */
UpdateRequest *
command_poll_update(Turn *turn, text *name)
{
	UpdateRequest *update = next_update(turn, name);

	return update && update->event < turn->pass.horizon ? read_update(turn, update) : NULL;
}

/*
 * The timer of a wait: returns its number, *fire the event by which it fired
 */
static int32
timeout_timer(Turn *turn, text *name, const Interval *timeout, int *fire)
{
	text	   *label = name ? name : cstring_to_text("");
	Command    *command = turn_match(turn, EVENT_TIMER_STARTED, "timer", text_to_cstring(label));
	int32		number = turn->pass.next_command - 1;

	if (!command)
	{
		command_start_wait_timer(turn, number, label, command_due_after(turn, timeout), "update");
		command = &turn->history.commands[number - 1];
	}
	*fire = command_fired(turn, command);
	return number;
}

/*
 * The next unread update of a name (NULL: of any); NULL when `timeout' (NULL:
 * none) is over before one came
 */
UpdateRequest *
command_next_update(Turn *turn, text *name, const Interval *timeout)
{
	UpdateRequest *update;
	int			event;
	int			fire = NEVER;
	int			cancel;
	int32		number = WAIT_NOTHING;

	command_raise_if_cancelled(turn);
	update = command_poll_update(turn, name);
	if (update)
		return update;
	if (timeout && durable_interval_usecs(timeout) <= 0)
		return NULL;
	if (timeout)
		number = timeout_timer(turn, name, timeout, &fire);
	update = next_update(turn, name);
	event = update ? update->event : NEVER;
	cancel = command_pending_cancel(turn);
	if (event == NEVER && fire == NEVER && cancel == NEVER)
	{
		turn->wait.update = MemoryContextAlloc(turn->context, name ? VARSIZE_ANY(name) : VARHDRSZ);
		if (name)
			memcpy(turn->wait.update, name, VARSIZE_ANY(name));
		else
			SET_VARSIZE(turn->wait.update, VARHDRSZ);
		command_wait_for(turn, number, NULL, name ? psprintf("update %s", text_to_cstring(name)) : "update");
	}
	if (fire < event && fire < cancel)
	{
		turn_see(turn, fire);
		return NULL;
	}
	if (number != WAIT_NOTHING)
		command_cancel_timer(turn, number);
	if (cancel < event)
	{
		turn_see(turn, cancel);
		command_raise_cancelled(turn, NULL);
	}
	return read_update(turn, update);
}

/*
 * The update that the code answers now, NULL where its answer is recorded
 */
static UpdateRequest *
begin_answer(Turn *turn, const char *id)
{
	UpdateRequest *update = turn_update(turn, id);

	if (!update || !update->read)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this run has read no update \"%s\"", id),
				 errhint("Pass the update_id that wf_next_update() returned.")));
	if (update->answered)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("update \"%s\" is answered already", id)));
	match_act(turn, update->answer, -1, "answers update", id);
	update->answered = true;
	return update->answer >= 0 ? NULL : update;
}

static void
record_answer(Turn *turn, const char *id, Jsonb *result, Jsonb *failure)
{
	MemoryContext old = MemoryContextSwitchTo(turn->context);
	Event		event = {.type = EVENT_UPDATE_COMPLETED, .at = durable_now()};
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "update_id", id);
	if (failure)
		json_add_jsonb(&b, "failure", failure);
	event.attributes = json_end(&b);
	if (result)
		event.payload = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(result));
	turn_add_event(turn, &event);
	STOP_EVENT(update_answered);
	MemoryContextSwitchTo(old);
}

/*
 * Answer an update with a result, or NULL
 */
void
command_reply(Turn *turn, const char *id, Jsonb *result)
{
	if (!begin_answer(turn, id))
		return;
	command_check_limits(turn);
	payload_check(result, "result of an update");
	record_answer(turn, id, result, NULL);
}

/*
 * Answer an update with a failure
 */
void
command_reject(Turn *turn, const char *id, const char *message)
{
	if (!begin_answer(turn, id))
		return;
	command_check_limits(turn);
	record_answer(turn, id, NULL, failure_make("rejected", ERRCODE_WF_UPDATE_REJECTED, message, 0));
}
