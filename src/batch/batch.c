/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Several turns in one transaction: claim and run.
 *
 *	  1. A claim looks at the next messages of one owner, in the order of seq,
 *	  locks the runs they belong to, skipping those in other hands, and reads all
 *	  their mail.  Mail is deleted when the batch is written (flush.c), so an
 *	  aborted batch leaves everything as it was.
 *
 *	  2. One scan of a queue at a time: the claim lock is held while the cursor
 *	  moves and the rows get locked, not longer.
 *
 *	  3. Each run with mail it waits for gets a turn; for the others mail is just
 *	  appended to the history.  Code is run until it waits or ends, with steps
 *	  in between.
 *
 *	  4. The batch closes when durable.batch_time is over, when its steps have
 *	  used up the subtransaction ids that stay cheap for others to look at, or
 *	  before a step that is known to be slow.  A run in the middle of its turn
 *	  then goes on in another transaction: a message to itself sees to that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/settings.h"
#include "base/testmode.h"
#include "base/text.h"
#include "base/vec.h"
#include "batch/batch.h"
#include "batch/flush.h"
#include "batch/loss.h"
#include "batch/mail.h"
#include "batch/outbox.h"
#include "call/running.h"
#include "code/pass.h"
#include "code/pinning.h"
#include "command/saga.h"
#include "command/step.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "run/owner.h"
#include "shared/holder.h"
#include "shared/queue.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "shared/txn.h"
#include "shared/watchdog.h"
#include "storage/lock.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* The subxid cache of a backend holds 64; beyond that, snapshots get slow */
#define MAX_SUBXIDS		50

/* As an advisory lock of a class that SQL's functions do not use */
#define CLAIM_LOCK_CLASS	3
#define CLAIM_LOCK_KEY		0x64757262	/* "durb" */

static void
set_claim_lock(LOCKTAG *tag, Oid owner)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, CLAIM_LOCK_KEY, owner, CLAIM_LOCK_CLASS);
}

/*
 * Runs that could not close because someone held them open (execution.c):
 * while that is so they are not worth a turn
 */
static pg_uuid_t *held = NULL;
static int	nheld = 0;
static int	held_room = 0;

/*
 * This run cannot close yet: it is not taken until it can
 */
void
batch_hold(const pg_uuid_t *run_id)
{
	held = vec_room(held, nheld, &held_room, sizeof(pg_uuid_t), TopMemoryContext);
	held[nheld++] = *run_id;
}

static bool
is_held(const pg_uuid_t *run_id)
{
	for (int i = 0; i < nheld; i++)
		if (uuid_equal(&held[i], run_id))
		{
			if (!execution_can_close(run_id))
				return true;
			held[i] = held[--nheld];
			return false;
		}
	return false;
}

static int
compare_runs(const void *a, const void *b)
{
	return memcmp(&((const BatchRun *) a)->execution->run_id,
				  &((const BatchRun *) b)->execution->run_id, sizeof(pg_uuid_t));
}

static BatchRun *
batch_run_of(Batch *batch, const pg_uuid_t *run_id)
{
	int			low = 0;
	int			high = batch->nruns - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = memcmp(&batch->runs[middle].execution->run_id, run_id, sizeof(pg_uuid_t));

		if (order == 0)
			return &batch->runs[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

/*
 * Lock the runs, but for those that somebody wants, and read their mail.  Fills
 * batch->runs, sorted by id.
 */
static void
take_runs(Batch *batch, const pg_uuid_t *ids, int count)
{
	Execution  *executions;
	Message    *messages;
	pg_uuid_t  *locked = palloc(Max(count, 1) * sizeof(pg_uuid_t));
	pg_uuid_t  *free_ids = palloc(Max(count, 1) * sizeof(pg_uuid_t));
	int			nfree = 0;
	int			nmessages;
	int			claimed;

	for (int i = 0; i < count; i++)
		if (!holders_keep_off(&ids[i]))
			free_ids[nfree++] = ids[i];
	claimed = execution_claim(free_ids, nfree, batch->context, &executions);
	batch->nruns = 0;
	batch->runs = MemoryContextAllocZero(batch->context, Max(claimed, 1) * sizeof(BatchRun));
	for (int i = 0; i < claimed; i++)
	{
		if (nheld > 0 && is_held(&executions[i].run_id))
			continue;
		if (executions[i].owner != batch->owner && !test_mode)
		{
			mail_readdress(&executions[i].run_id, executions[i].owner);
			continue;
		}
		txn_locked(batch->owner, &executions[i].run_id);
		batch->runs[batch->nruns].execution = &executions[i];
		locked[batch->nruns++] = executions[i].run_id;
	}
	if (batch->nruns == 0)
		return;
	qsort(batch->runs, batch->nruns, sizeof(BatchRun), compare_runs);

	nmessages = mailbox_read(locked, batch->nruns, batch->context, &messages);
	for (int i = 0; i < nmessages; i++)
	{
		BatchRun   *run = batch_run_of(batch, &messages[i].run_id);

		run->mail = vec_room_counted(run->mail, run->nmail, sizeof(Message *), batch->context);
		run->mail[run->nmail++] = &messages[i];
		run->alone |= messages[i].alone;
	}
	losses_find(batch);
}

/*
 * Mail of runs we did not get: either someone else has the run, and his end
 * brings it back, or the run is closed and its mail of no use.
 *
 * Whoever had the run may have ended before it was put aside.  So try to lock
 * it once more after that; if that works our own end brings it back.
 */
static void
put_aside(Batch *batch, const pg_uuid_t *ids, const int64 *seqs, int count)
{
	Execution  *unused;

	for (int i = 0; i < count; i++)
	{
		if (batch_run_of(batch, &ids[i]))
			continue;
		if (execution_is_open(&ids[i]))
		{
			queue_skip(batch->queue, &ids[i], seqs[i]);
			STOP_EVENT(claim_put_aside);
			if (!holders_keep_off(&ids[i]) &&
				execution_claim(&ids[i], 1, batch->context, &unused) > 0 && !is_held(&ids[i]))
				txn_locked(batch->owner, &ids[i]);
		}
		else
			mailbox_empty(&ids[i], 1);
	}
}

/*
 * How many of the scanned messages go into one batch: up to the first whose
 * run wants to be alone, or just that one
 */
static int
choose(const pg_uuid_t *ids, const bool *alone, int found, int limit)
{
	int			runs = 0;
	int			i;

	for (i = 0; i < found; i++)
	{
		if (alone[i])
			return i == 0 ? 1 : i;
		if (i == 0 || !uuid_equal(&ids[i], &ids[i - 1]))
			runs++;
		if (runs > limit)
			break;
	}
	return i;
}

/*
 * How many runs a batch of this process gets through.  What is claimed beyond
 * that is given back, and others then scan over it in vain; so the pace drops
 * at once and grows with care.
 */
#define PACE_TRIAL		32		/* batches before a faster pace is tried */

static int	batch_pace = INT_MAX;

static void
adapt_pace(const Batch *batch)
{
	static int	kept = 0;

	if (batch->turns < batch->nruns)
	{
		batch_pace = Max(batch->turns, 1);
		kept = 0;
	}
	else if (batch_pace < durable_batch_size && ++kept >= PACE_TRIAL)
	{
		batch_pace += batch_pace / 4 + 1;
		kept = 0;
	}
}

/*
 * Claim the next messages' runs, and the one carried over (or NULL)
 */
static bool
claim_next(Batch *batch, const pg_uuid_t *carried)
{
	int			limit = suspect_among(batch->owner) ? 1 : Min(durable_batch_size, batch_pace);
	int			room = limit * 2;
	pg_uuid_t  *ids = palloc((room + 1) * sizeof(pg_uuid_t));
	int64	   *seqs = palloc(room * sizeof(int64));
	bool	   *alone = palloc(room * sizeof(bool));
	LOCKTAG		tag;
	int64		from;
	int			found;
	int			count;

	set_claim_lock(&tag, batch->owner);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	STOP_EVENT(claim_locked);
	from = queue_begin_scan(batch->queue);
	txn_claimed(batch->queue, from);
	STOP_EVENT(claim_scanning);
	found = mailbox_scan(batch->owner, from, room, ids, seqs, alone);
	count = choose(ids, alone, found, limit);
	batch->full_scan = found == room || count < found;
	STOP_EVENT(claim_scanned);
	if (carried)
		ids[count] = *carried;
	if (count > 0 || carried)
		take_runs(batch, ids, count + (carried != NULL));
	if (count > 0)
		txn_claimed(batch->queue, seqs[0]);
	STOP_EVENT(claim_taken);
	queue_end_scan(batch->queue, from, count > 0 ? seqs[count - 1] + 1 : from);
	STOP_EVENT(claim_moved);
	(void) LockRelease(&tag, ExclusiveLock, false);
	STOP_EVENT(claim_unlocked);

	put_aside(batch, ids, seqs, count);
	return count > 0 || batch->nruns > 0;
}

/*
 * See whose code is to run, and read the histories for that
 */
static void
read_histories(Batch *batch)
{
	pg_uuid_t  *ids = palloc(Max(batch->nruns, 1) * sizeof(pg_uuid_t));
	HistoryRow *rows;
	int			n = 0;
	int			nrows;

	for (int i = 0; i < batch->nruns; i++)
	{
		batch->runs[i].wakes = !batch->runs[i].lost && mail_wakes(&batch->runs[i]);
		if (batch->runs[i].execution->next_event > 1 && batch->runs[i].wakes)
			ids[n++] = batch->runs[i].execution->run_id;
	}
	if (n == 0)
		return;
	nrows = history_read(ids, n, batch->context, &rows);
	for (int i = 0; i < nrows; i++)
	{
		BatchRun   *run = batch_run_of(batch, &rows[i].run_id);

		if (run->nhistory++ == 0)
			run->history = &rows[i];
	}
}

/*
 * Claim the next runs with mail, and the one carried over from the batch
 * before.  False where there is no mail; true may mean that all of it was put
 * aside.
 */
bool
batch_claim(Batch *batch, const pg_uuid_t *carried)
{
	StoreScope	scope;
	bool		any;

	store_begin(&scope);
	any = claim_next(batch, carried);
	read_histories(batch);
	STOP_EVENT(claim_read);
	store_end(&scope);
	return any;
}

/*
 * Claim this run only, if nobody else has it
 */
void
batch_claim_run(Batch *batch, const pg_uuid_t *run_id, bool alone)
{
	StoreScope	scope;

	store_begin(&scope);
	take_runs(batch, run_id, 1);
	if (batch->nruns == 1)
		batch->runs[0].alone |= alone;
	read_histories(batch);
	store_end(&scope);
}

/*
 * Is there room for one more run, if it is like those before?
 */
static bool
has_room(const Batch *batch)
{
	int			typical = batch->turns > 0 ? batch->subxids / batch->turns : 0;

	return batch->subxids + typical <= MAX_SUBXIDS;
}

static bool
batch_is_full(const Batch *batch, const Turn *turn)
{
	return batch->subxids + (turn ? turn->effects.subxids : 0) >= MAX_SUBXIDS ||
		durable_steady() - batch->started > (int64) durable_batch_time * 1000;
}

/*
 * After so many turns that ran to the workflow's end, steps are taken in place
 */
#define STRAIGHT_TURNS	3

static bool
take_steps_in_place(const Batch *batch, const Turn *turn)
{
	/* mocks are used up by a pass, even if it is undone */
	return turn->workflow->straight >= STRAIGHT_TURNS && !turn->mode.alone &&
		turn->effects.steps == 0 && !test_mode;
}

/*
 * Do others wait for this transaction, which has a version to commit (pinning.c)?
 */
static bool
holds_version(const Turn *turn)
{
	return turn->registered && !test_mode;
}

/*
 * Run passes and steps until the code waits, ends, or the batch is full
 */
static TurnEnd
run_code(Batch *batch, Turn *turn)
{
	bool		in_place = take_steps_in_place(batch, turn);
	uint64		messages = test_mode_messages;

	for (;;)
	{
		/* the function may have been replaced since the last pass */
		if (!turn->workflow->valid && !pinned_code(turn))
			return TURN_STUCK;
		if (holds_version(turn))
			return TURN_GOES_ON;
		switch (turn_pass(turn, in_place))
		{
			case PASS_COMPLETED:
				turn->workflow->straight += turn->effects.steps > 0;
				return TURN_COMPLETED;
			case PASS_FAILED:
				return turn->cancelled ? TURN_CANCELLED : TURN_FAILED;
			case PASS_TIMED_OUT:
				return TURN_TIMED_OUT;
			case PASS_CONTINUED:
				return TURN_CONTINUED;
			case PASS_WAIT:
				turn->workflow->straight = turn->effects.steps > 0 ? 0 : turn->workflow->straight;
				return TURN_WAITS;
			case PASS_PROBLEM:
				return TURN_STUCK;
			case PASS_REDO:
				turn->workflow->straight = 0;
				in_place = false;
				continue;
			case PASS_STEP:
				break;
		}
		/* nobody's finished work waits for a slow step */
		if (step_is_slow(&turn->step) && (batch->turns > 0 || turn->effects.steps > 0))
			return TURN_GOES_ON_ALONE;
		switch (step_run(turn))
		{
			case STEP_ALONE:
				return TURN_GOES_ON_ALONE;
			case STEP_BACKOFF:
				/* one more pass, to wait for the next attempt */
				break;
			case STEP_DONE:
				/* constraints were set to immediate for a step alone (step.c); of messages see testkit.c */
				if (turn->mode.alone || batch_is_full(batch, turn) || (test_mode && test_mode_messages != messages))
					return TURN_GOES_ON;
				break;
		}
		in_place = false;
	}
}

static TurnEnd
take_turn(Batch *batch, BatchRun *run, Turn *turn)
{
	TurnEnd		end;

	for (int i = 0; i < run->nhistory; i++)
		turn_load_row(turn, &run->history[i]);
	turn_begin_row(turn);
	mail_take(turn, run);
	if (turn->timeout)
		return TURN_TIMED_OUT;

	settings_apply(run->execution->settings);
	if (!turn->input && turn->input_id)
		turn->input = payload_load(turn->input_id);
	if (!pinned_code(turn))
		return TURN_STUCK;
	if (holds_version(turn))
		return TURN_MAIL_ONLY;	/* batch_run() drops it */
	/* that is done once, and nobody's finished work has waited for it */
	if (turn->looked_up && batch->turns == 0)
		batch->started = durable_steady();
	end = run_code(batch, turn);
	if (end == TURN_STUCK && pinned_move_on(turn))
		end = run_code(batch, turn);
	return end;
}

static void
init_turn(Batch *batch, BatchRun *run, Turn *turn)
{
	turn_init(turn, run->execution, batch->context);
	turn->mode = (StepMode) {.shared = batch->nruns > 1, .alone = run->alone, .lock_timeout = batch->lock_timeout};
}

/*
 * Leave the run as it was, to be taken in the next transaction.  Its mail is
 * given back, or, where this process alone drives it, kept.
 */
static void
take_again(Batch *batch, BatchRun *run)
{
	batch->again++;
	if (!batch->keeps_mail)
		return;
	batch->cut = true;
	batch->cut_run = run->execution->run_id;
	batch->cut_alone = run->alone;
	batch->cut_seq = run->nmail > 0 ? run->mail[0]->seq : 0;
}

/*
 * Take the turns, until the batch is full.  The caller stops the watchdog.
 */
void
batch_run(Batch *batch)
{
	bool		holds = false;

	watchdog_start();
	for (int i = 0; i < batch->nruns; i++)
	{
		BatchRun   *run = &batch->runs[i];
		Turn		turn;
		TurnEnd		end;
		MemoryContext old;

		if (i > 0 && (batch_is_full(batch, NULL) || !has_room(batch)))
			break;
		CHECK_FOR_INTERRUPTS();
		init_turn(batch, run, &turn);
		turn.registered = holds;	/* no more code is run then */
		old = MemoryContextSwitchTo(turn.context);
		end = TURN_MAIL_ONLY;
		if (run->lost)
			end = loss_take(run, &turn);
		else if (run->wakes)
		{
			current_turn = &turn;
			if (!test_mode)
				hand_take(batch->owner, &run->execution->run_id);
			STOP_EVENT(turn_begin);
			end = take_turn(batch, run, &turn);
			hand_empty();
			current_turn = NULL;
			STOP_EVENT(turn_taken);
			if (end == TURN_MAIL_ONLY)
			{
				take_again(batch, run);
				batch->subxids += turn.effects.subxids;
				holds = true;
				MemoryContextSwitchTo(old);
				MemoryContextDelete(turn.context);
				continue;
			}
			if (end == TURN_STUCK && saga_gives_up(&turn))
				end = TURN_TIMED_OUT;
		}
		batch->subxids += turn.effects.subxids;
		batch_add_turn(batch, run, &turn, end);
		STOP_EVENT(turn_collected);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(turn.context);
		run->done = true;
		batch->turns++;
	}
	if (!holds)
		adapt_pace(batch);
}
