/*-------------------------------------------------------------------------
 *
 * mail.c
 *	  What mail means to a run: whether its code has to run.
 *
 *	  What a run waits for is in its row: a command, signals, an update, or a
 *	  set of commands of which some are to end (handle.c).  Mail that it does not
 *	  wait for is appended to the history without running code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/text.h"
#include "batch/mail.h"
#include "batch/outbox.h"
#include "catalog/pg_type.h"
#include "command/saga.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/kinds.h"
#include "store/message.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/array.h"

/*
 * Does the run wait for a signal of this name?
 */
static bool
waits_for_signal(const Execution *e, const text *name)
{
	Datum	   *names;
	int			n;

	if (e->wait_signal && text_equal(e->wait_signal, name))
		return true;
	if (!e->wait_signals)
		return false;
	deconstruct_array(e->wait_signals, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	for (int i = 0; i < n; i++)
		if (text_equal(DatumGetTextPP(names[i]), name))
			return true;
	return false;
}

/*
 * A command has ended: is the wait over with it?  If it is one of a set, the
 * rest of the set counts down (handle.c).
 */
static bool
ends_wait(Execution *e, int32 command, bool completed)
{
	int32	   *ranges;
	int			n;

	if (command == e->wait_command)
		return true;
	if (!e->wait_set)
		return false;
	ranges = (int32 *) ARR_DATA_PTR(e->wait_set);
	n = ArrayGetNItems(ARR_NDIM(e->wait_set), ARR_DIMS(e->wait_set));
	for (int i = 0; i + 1 < n; i += 2)
		if (command >= ranges[i] && command <= ranges[i + 1])
			return --e->wait_left <= 0 || !completed;
	return false;
}

/*
 * Would this mail have the run's code run?  Asked once for each message, in
 * order.
 */
static bool
wakes(Execution *e, const Message *m)
{
	MailWakes	wakes = mail_kind(m->kind)->wakes;

	if (e->paused_at != DT_NOEND)
		return wakes == WAKES_EVEN_PAUSED;
	/* a failed turn waits for its next try */
	if (e->turn_failures > 0)
		return wakes == WAKES_EVEN_PAUSED || wakes == WAKES_EVEN_FAILING;
	switch (wakes)
	{
		case WAKES_NEVER:
			return false;
		case WAKES_EVEN_PAUSED:
		case WAKES_EVEN_FAILING:
		case WAKES_ALL:
			return true;
		case WAKES_SIGNAL:
			return waits_for_signal(e, m->name);
		case WAKES_UPDATE:
			return e->wait_update &&
				(VARSIZE_ANY_EXHDR(e->wait_update) == 0 || text_equal(e->wait_update, m->name));
		case WAKES_ENDED:
			return ends_wait(e, m->command, true);
		case WAKES_ENDED_BADLY:
			return ends_wait(e, m->command, false);
	}
	pg_unreachable();
}

/*
 * Has a run mail that it waits for?  Asked once for the mail it has: what it
 * does not wait for is counted.
 */
bool
mail_wakes(const BatchRun *run)
{
	for (int i = 0; i < run->nmail; i++)
		if (wakes(run->execution, run->mail[i]))
			return true;
	return false;
}

/*
 * Make events of a run's mail, and note what else it says
 */
void
mail_take(Turn *turn, const BatchRun *run)
{
	for (int i = 0; i < run->nmail; i++)
	{
		const Message *m = run->mail[i];
		Event		event;

		/* parents and clients may have asked at the same time */
		if (m->kind == MESSAGE_CANCEL && turn->history.cancel_event >= 0)
			continue;
		turn->execution->cancel_requested |= m->kind == MESSAGE_CANCEL;
		if (mail_to_event(m, &event))
			turn_add_event(turn, &event);
		else if (m->kind == MESSAGE_RUN_TIMEOUT)
			turn->timeout = "run";
		else if (m->kind == MESSAGE_EXECUTION_TIMEOUT)
			turn->timeout = "execution";
	}
	if (turn->timeout)
		saga_take_timeout(turn);
	turn_end_mail(turn);
}
