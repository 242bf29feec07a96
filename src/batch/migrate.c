/*-------------------------------------------------------------------------
 *
 * migrate.c
 *	  Checking open runs against code, and moving them to another version.
 *
 *	  1. Runs are taken some at a time, so memory does not grow with their
 *	  number.  A check locks nothing: it replays what is committed.
 *
 *	  2. A migration locks each run as a turn does, waiting for one that has it,
 *	  and looks at its history only then.  A run that fits gets the version, an
 *	  event that tells, in a row of its own as if it had come by mail, and a
 *	  message that has it run: the other code may wait for something else.
 *
 *	  3. Runs are locked in the order of their ids, so two migrations do not
 *	  deadlock; turns never wait for a run's lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "batch/migrate.h"
#include "code/pinning.h"
#include "code/rehearsal.h"
#include "miscadmin.h"
#include "run/outside.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/message.h"
#include "store/store.h"
#include "store/version.h"
#include "turn/turn.h"
#include "utils/memutils.h"

#define CHUNK		100

typedef struct Chunk
{
	Execution  *executions;
	int			count;
	HistoryRow *rows;			/* of all of them, by run */
	int			nrows;
} Chunk;

static void
read_chunk(Chunk *chunk, const pg_uuid_t *ids, int count, bool lock)
{
	MemoryContext context = CurrentMemoryContext;
	StoreScope	scope;

	store_begin(&scope);
	chunk->count = execution_read(ids, count, lock, context, &chunk->executions);
	for (int i = 0; lock && i < chunk->count; i++)
		txn_locked(chunk->executions[i].owner, &chunk->executions[i].run_id);
	chunk->nrows = history_read(ids, count, context, &chunk->rows);
	store_end(&scope);
}

/*
 * The rows of one run, but for those that came after it was read
 */
static int
rows_of(const Chunk *chunk, const Execution *e, HistoryRow **rows)
{
	const pg_uuid_t *run_id = &e->run_id;
	int			first = 0;
	int			n = 0;

	while (first < chunk->nrows && !uuid_equal(&chunk->rows[first].run_id, run_id))
		first++;
	while (first + n < chunk->nrows && uuid_equal(&chunk->rows[first + n].run_id, run_id) &&
		   chunk->rows[first + n].first_event < e->next_event)
		n++;
	*rows = &chunk->rows[first];
	return n;
}

static void
move_run(Execution *e, int32 version)
{
	Event		event = {.type = EVENT_OPTIONS_UPDATED, .at = durable_now()};
	Found		found = {.run_id = e->run_id, .owner = e->owner};
	Message		message = {.kind = MESSAGE_WAKE};
	RowBatch	history;
	RowBatch	updates;
	StoreScope	scope;
	JsonBuilder b;
	Datum		datum;

	json_begin(&b);
	json_add_int(&b, "from", e->version);
	json_add_int(&b, "version", version);
	event.attributes = json_end(&b);
	store_begin(&scope);
	rows_init(&history, TABLE_HISTORY, CurrentMemoryContext);
	rows_init(&updates, TABLE_EXECUTION, CurrentMemoryContext);
	datum = event_form(&event);
	e->history_bytes += history_add(&history, &e->run_id, e->owner, e->next_event, event.at, 1, false, false, &datum, 1);
	e->next_event++;
	e->version = version;
	history_write(&history);
	execution_add(&updates, e);
	execution_write_updates(&updates, false);
	STOP_EVENT(migrate_moved);
	run_send(&found, &message);
	store_end(&scope);
}

static void
take_chunk(const pg_uuid_t *ids, int count, const VersionCode *found, int32 version, ReportRun report, void *arg)
{
	Chunk		chunk;

	read_chunk(&chunk, ids, count, version != 0);
	for (int i = 0; i < chunk.count; i++)
	{
		Execution  *e = &chunk.executions[i];
		HistoryRow *rows;
		int			nrows = rows_of(&chunk, e, &rows);
		Misfit		misfit = {0};
		Code		code;

		CHECK_FOR_INTERRUPTS();
		/* it may have been moved while we waited for it */
		if (version != 0 && e->version == version)
			continue;
		if (code_for_role(found, e->owner, &code, &misfit.problem))
			misfit = rehearse_run(e, rows, nrows, &code, version == 0);
		STOP_EVENT(migrate_fits);
		report(arg, e, &misfit);
		if (version != 0 && !misfit.problem)
			move_run(e, version);
	}
}

/*
 * Replay the open runs of a function that the caller may see against `code';
 * a version that is not 0: move those that fit to it
 */
static void
take_runs(const char *function, text *namespace, const VersionCode *code, int32 version, ReportRun report, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "durable runs", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	Oid			caller = GetUserId();
	pg_uuid_t  *ids;
	int			count;
	StoreScope	scope;
	Stage		stage;

	store_begin(&scope);
	count = version_open_runs(function, namespace, caller, version, old, &ids);
	store_end(&scope);
	stage_begin(&stage, true);
	for (int i = 0; i < count; i += CHUNK)
	{
		MemoryContextSwitchTo(context);
		take_chunk(&ids[i], Min(CHUNK, count - i), code, version, report, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	stage_end(&stage);
	MemoryContextDelete(context);
}

/*
 * Replay open runs of a workflow against code, without effects; `report' is told of
 * each
 */
void
check_runs(const char *function, text *namespace, Oid code, ReportRun report, void *arg)
{
	take_runs(function, namespace, &(VersionCode) {.function = function, .live = code}, 0, report, arg);
}

/*
 * Move open runs to a version where they replay; `report' is told of each
 */
void
migrate_runs(const char *function, text *namespace, int32 version, ReportRun report, void *arg)
{
	VersionCode code;

	find_code(function, version, &code);
	take_runs(function, namespace, &code, version, report, arg);
}
