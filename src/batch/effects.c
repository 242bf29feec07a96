/*-------------------------------------------------------------------------
 *
 * effects.c
 *	  What a turn does besides events: timers, activities, children, published
 *	  values.  Collected here, written with the batch (flush.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "batch/child_start.h"
#include "batch/effects.h"
#include "batch/outbox.h"
#include "store/activity.h"
#include "store/attempt_log.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/state.h"
#include "store/store.h"
#include "store/timer.h"
#include "task/task.h"
#include "turn/turn.h"

static void
add_timers(Batch *batch, Turn *turn)
{
	Execution  *e = turn->execution;

	for (int i = 0; i < turn->effects.ntimers; i++)
	{
		NewTimer   *timer = &turn->effects.timers[i];

		if (timer->due.at != DT_NOBEGIN)
		{
			bool		undone = false;

			for (int j = i + 1; j < turn->effects.ntimers && !undone; j++)
				undone = turn->effects.timers[j].command == timer->command;
			if (undone)
				continue;
			timer_add(&batch->timers, &e->run_id, timer->kind, timer->command, e->owner, timer->due);
			e->has_timers = true;
		}
		else
		{
			TimerKey   *key = palloc(sizeof(TimerKey));

			*key = (TimerKey) {e->run_id, timer->command, false};
			batch->cancelled = lappend(batch->cancelled, key);
		}
	}
}

/*
 * Activities that go into queues, each with its event's input
 */
static void
add_scheduled(Batch *batch, Turn *turn)
{
	ListCell   *cell;
	StoreScope	scope;

	if (turn->effects.scheduled == NIL)
		return;
	turn->execution->has_timers = true;
	store_begin(&scope);
	foreach(cell, turn->effects.scheduled)
	{
		Activity   *a = lfirst(cell);
		Event	   *event = &turn->history.events[turn->history.commands[a->command - 1].event];

		event->payload_id = payload_set_aside(&a->run_id, &event->payload);
		a->input = event->payload;
		a->input_id = event->payload_id;
		task_enqueue(a, durable_now());
		activity_add(&batch->activities, a);
	}
	store_end(&scope);
}

/*
 * Steps between two attempts, attempts that failed, cancellations
 */
static void
add_activities(Batch *batch, Turn *turn)
{
	Execution  *e = turn->execution;
	ListCell   *cell;

	if (turn->effects.pending)
	{
		activity_add(&batch->activities, turn->effects.pending);
		timer_add(&batch->timers, &e->run_id, MESSAGE_ACTIVITY_RETRY, turn->effects.pending->command,
				  e->owner, (DueTime) {turn->effects.pending->next_attempt_at, durable_now()});
		e->has_timers = true;
	}
	if (turn->effects.pending_done)
	{
		TimerKey   *key = palloc(sizeof(TimerKey));

		*key = (TimerKey) {e->run_id, turn->effects.pending_done, true};
		batch->cancelled = lappend(batch->cancelled, key);
	}
	foreach(cell, turn->effects.attempts)
	{
		FailedAttempt *failed = lfirst(cell);

		attempt_log_add(&batch->attempts, &failed->activity, failed->outcome, failed->at, failed->failure);
	}
	foreach(cell, turn->effects.cancels)
	{
		ActivityKey *key = palloc(sizeof(ActivityKey));

		*key = (ActivityKey) {e->run_id, lfirst_int(cell), 0};
		batch->cancels = lappend(batch->cancels, key);
	}
}

/*
 * Collect what the turn does besides events
 */
void
batch_add_effects(Batch *batch, Turn *turn, bool closing)
{
	Execution  *e = turn->execution;
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	add_timers(batch, turn);
	add_scheduled(batch, turn);
	add_activities(batch, turn);
	child_starts_add(batch, turn, closing);
	child_cancels_add(batch, turn);
	for (int i = 0; i < turn->effects.npublished; i++)
		state_add(&batch->state, &e->run_id, turn->effects.published[i].key, e->owner,
				  turn->effects.published[i].value, turn->at);
	MemoryContextSwitchTo(old);
}
