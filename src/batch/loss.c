/*-------------------------------------------------------------------------
 *
 * loss.c
 *	  Turns whose process was lost.
 *
 *	  1. A run that was in the hands of a process when it died (suspect.c) has no
 *	  turn when it is claimed next.  Instead the lost try is counted, as a turn
 *	  that failed, so it comes again with the delay of one.
 *
 *	  2. As long as its tries get lost it is taken in a transaction of its own:
 *	  others' work is not to go down with it again.
 *
 *	  3. After durable.max_lost_tries of them in a row it is paused, by an event
 *	  and with a reason like by an operator's wf_pause().  wf_unpause() gives it
 *	  its tries again.  Its timeouts close it all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/guc.h"
#include "batch/loss.h"
#include "batch/outbox.h"
#include "run/pausing.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/message.h"
#include "store/store.h"
#include "turn/turn.h"
#include "utils/builtins.h"

/*
 * Mail of a run is looked at again when this transaction is over
 */
static void
give_back(const Batch *batch, const BatchRun *run)
{
	if (run->nmail > 0)
		txn_mail(batch->owner, run->mail[0]->seq);
}

static bool
is_before(const BatchRun *a, const BatchRun *b)
{
	return a->nmail > 0 && (b->nmail == 0 || a->mail[0]->seq < b->mail[0]->seq);
}

/*
 * Runs with lost tries do not share the transaction: the first in the order of
 * mail is such a one and alone, or there is none left.  The others' turn comes
 * with the next claim, which starts with them.
 */
static void
keep_apart(Batch *batch)
{
	int			first = 0;
	int			kept = 0;
	bool		alone;

	for (int i = 1; i < batch->nruns; i++)
		if (is_before(&batch->runs[i], &batch->runs[first]))
			first = i;
	alone = batch->runs[first].execution->lost_tries > 0;
	for (int i = 0; i < batch->nruns; i++)
	{
		if (alone ? i == first : batch->runs[i].execution->lost_tries == 0)
			batch->runs[kept++] = batch->runs[i];
		else
			give_back(batch, &batch->runs[i]);
	}
	batch->nruns = kept;
	if (alone)
		batch->runs[0].alone = true;
}

/*
 * See which of the claimed runs got lost, and keep those apart that may again
 */
void
losses_find(Batch *batch)
{
	bool		any = false;
	char		step[NAMEDATALEN];

	for (int i = 0; i < batch->nruns; i++)
	{
		BatchRun   *run = &batch->runs[i];

		run->lost = suspect_find(&run->execution->run_id, step);
		any |= run->execution->lost_tries > 0 && !run->lost;
	}
	if (any)
		keep_apart(batch);
}

/*
 * The message of a timeout becomes no event: it stays for a turn to come
 */
void
leave_timeouts(BatchRun *run)
{
	int			kept = 0;

	for (int i = 0; i < run->nmail; i++)
		if (run->mail[i]->kind != MESSAGE_RUN_TIMEOUT && run->mail[i]->kind != MESSAGE_EXECUTION_TIMEOUT)
			run->mail[kept++] = run->mail[i];
	run->nmail = kept;
}

/*
 * What takes the place of the turn: the count of the one that was lost
 */
TurnEnd
loss_take(BatchRun *run, Turn *turn)
{
	Execution  *e = run->execution;
	char		step[NAMEDATALEN] = "";

	(void) suspect_find(&e->run_id, step);
	leave_timeouts(run);
	e->lost_tries++;
	turn->problem = palloc0(sizeof(ErrorData));
	turn->problem->elevel = ERROR;
	turn->problem->sqlerrcode = ERRCODE_CRASH_SHUTDOWN;
	turn->problem->message = psprintf("the process that ran it was lost%s%s%s, %d of %d times",
									  step[0] ? " in step \"" : "", step, step[0] ? "\"" : "",
									  e->lost_tries, durable_max_lost_tries);
	turn->problem->hint = pstrdup("See the server's log for how it ended.");
	ereport(LOG,
			(errmsg("workflow \"%s\" (run %s): %s", text_to_cstring(e->workflow_id),
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&e->run_id))), turn->problem->message)));
	suspect_recorded(&e->run_id);
	STOP_EVENT(loss_counted);
	return TURN_STUCK;
}

/*
 * The batch is written: pause those whose tries are used up
 */
void
losses_hold(const Batch *batch)
{
	for (int i = 0; i < batch->nruns; i++)
	{
		const Execution *e = batch->runs[i].execution;
		StoreScope	scope;

		if (!batch->runs[i].lost || !batch->runs[i].done || e->lost_tries < durable_max_lost_tries)
			continue;
		store_begin(&scope);
		(void) run_pause(&e->run_id, cstring_to_text(psprintf("its process was lost %d times in a row", e->lost_tries)));
		store_end(&scope);
	}
}
