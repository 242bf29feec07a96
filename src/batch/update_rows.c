/*-------------------------------------------------------------------------
 *
 * update_rows.c
 *	  The rows of updates that turns write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "batch/outbox.h"
#include "batch/update_rows.h"
#include "shared/txn.h"
#include "shared/waiter.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/update.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * Has this turn answered the update, whose acceptance is new as well?  Then one
 * row says both.
 */
static bool
answered_in(const Turn *turn, const char *id)
{
	for (int i = turn->history.recorded; i < turn->history.nevents; i++)
		if (turn->history.events[i].type == EVENT_UPDATE_COMPLETED &&
			strcmp(json_find_text(turn->history.events[i].attributes, "update_id"), id) == 0)
			return true;
	return false;
}

/*
 * Collect the row of an update; `request' is its acceptance
 */
static void
collect(RowBatch *rows, const Execution *e, const char *id, const Event *request, Update *update)
{
	update->run_id = e->run_id;
	update->update_id = cstring_to_text(id);
	update->owner = e->owner;
	update->name = request->name;
	update->args = request->payload;
	update->args_id = request->payload_id;
	update->requested_at = request->at;
	update->first_run_id = e->first_run_id ? *e->first_run_id : e->run_id;
	update_add(rows, update);
}

static void
add_row(Batch *batch, const Execution *e, const char *id, const Event *request, Update *update)
{
	collect(&batch->answers, e, id, request, update);
	txn_update(&e->run_id, update_hash(id));
	batch->acted = true;
}

static void
add_acceptance(Batch *batch, const Execution *e, Turn *turn, const Message *m)
{
	char	   *id = json_find_text(m->attributes, "update_id");
	Event		request;

	if (mail_to_event(m, &request) && !answered_in(turn, id))
		add_row(batch, e, id, &request, &(Update) {.state = UPDATE_ACCEPTED, .accepted_at = turn->at,
												   .completed_at = DT_NOEND});
}

static void
set_answer(Update *update, const Event *event)
{
	JsonbValue *failure = json_find(event->attributes, "failure");

	update->state = failure ? UPDATE_REJECTED : UPDATE_COMPLETED;
	update->result = event->payload;
	update->result_id = event->payload_id;
	update->failure = failure ? JsonbValueToJsonb(failure) : NULL;
	update->completed_at = event->at;
}

static void
add_answer(Batch *batch, const Execution *e, Turn *turn, Event *event)
{
	UpdateRequest *request = turn_update(turn, json_find_text(event->attributes, "update_id"));
	Update		update = {.accepted_at = turn->at};

	event->payload_id = payload_set_aside(&e->run_id, &event->payload);
	set_answer(&update, event);
	add_row(batch, e, request->id, &turn->history.events[request->event], &update);
}

/*
 * Collect what a turn did to updates: those in its mail are accepted, those
 * with an answer among its events are answered
 */
void
batch_add_updates(Batch *batch, const BatchRun *run, Turn *turn)
{
	for (int i = 0; i < run->nmail; i++)
		if (run->mail[i]->kind == MESSAGE_UPDATE)
			add_acceptance(batch, run->execution, turn, run->mail[i]);
	for (int i = turn->history.recorded; i < turn->history.nevents; i++)
		if (turn->history.events[i].type == EVENT_UPDATE_COMPLETED)
			add_answer(batch, run->execution, turn, &turn->history.events[i]);
}

/*
 * Collect the rows of the updates in a history that a run takes over from
 * another one, so that a repeated request is known
 */
void
updates_of_history(RowBatch *rows, const Execution *e, const Event *events, int n)
{
	for (int i = 0; i < n; i++)
	{
		Update		update = {.state = UPDATE_ACCEPTED, .accepted_at = events[i].at, .completed_at = DT_NOEND};
		char	   *id;

		if (events[i].type != EVENT_UPDATE_ACCEPTED)
			continue;
		id = json_find_text(events[i].attributes, "update_id");
		for (int j = i + 1; j < n; j++)
			if (events[j].type == EVENT_UPDATE_COMPLETED &&
				strcmp(json_find_text(events[j].attributes, "update_id"), id) == 0)
			{
				set_answer(&update, &events[j]);
				break;
			}
		collect(rows, e, id, &events[i], &update);
	}
}

/*
 * The same for one that is sent again
 */
void
update_of_message(RowBatch *rows, const Execution *e, const Message *m)
{
	Event		request;

	if (mail_to_event(m, &request))
		collect(rows, e, json_find_text(m->attributes, "update_id"), &request,
				&(Update) {.state = UPDATE_ADMITTED, .accepted_at = DT_NOEND, .completed_at = DT_NOEND});
}
