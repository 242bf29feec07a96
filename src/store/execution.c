/*-------------------------------------------------------------------------
 *
 * execution.c
 *	  Runs: the open ones and the closed ones.
 *
 *	  Locks on rows of durable.execution:
 *
 *	  - A turn holds FOR NO KEY UPDATE from its claim to its commit, so a run is
 *	  in one pair of hands.  Others skip it.
 *	  - A signal holds FOR KEY SHARE until its transaction ends, as a row that
 *	  references the run would.  The two do not conflict, so neither waits for
 *	  the other; but the run cannot close before the signal is committed or
 *	  undone, so no committed signal is lost.
 *	  - Who pauses a run takes FOR NO KEY UPDATE too; a turn that has it is undone
 *	  (run_take).
 *	  - Who closes a run takes FOR UPDATE and deletes it.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/testmode.h"
#include "catalog/pg_type.h"
#include "store/columns.h"
#include "store/execution.h"
#include "store/store.h"
#include "utils/builtins.h"

#define BOTH	(COLUMN_OPEN | COLUMN_CLOSED)

/* The columns of durable.execution and of durable.closed */
static const Column run_columns[] = {
	{"run_id", COLUMN_UUID, offsetof(Execution, run_id), COLUMN_KEY | BOTH},
	{"namespace", COLUMN_VARLENA, offsetof(Execution, namespace), BOTH},
	{"workflow_id", COLUMN_VARLENA, offsetof(Execution, workflow_id), BOTH},
	{"owner", COLUMN_OID, offsetof(Execution, owner), BOTH},
	{"workflow", COLUMN_VARLENA, offsetof(Execution, workflow), BOTH},
	{"function", COLUMN_VARLENA, offsetof(Execution, function), BOTH},
	{"settings", COLUMN_VARLENA, offsetof(Execution, settings), BOTH},
	{"first_run_id", COLUMN_UUID_OR_NULL, offsetof(Execution, first_run_id), BOTH},
	{"continued_from", COLUMN_UUID_OR_NULL, offsetof(Execution, continued_from), BOTH},
	{"attempt", COLUMN_INT4, offsetof(Execution, attempt), BOTH},
	{"started_at", COLUMN_TIME, offsetof(Execution, started_at), BOTH},
	{"execution_deadline", COLUMN_TIME, offsetof(Execution, execution_deadline), BOTH, NULL_IF_NONE},
	{"run_timeout", COLUMN_INTERVAL_OR_NULL, offsetof(Execution, run_timeout), BOTH},
	{"retry", COLUMN_VARLENA, offsetof(Execution, retry), BOTH},
	{"request_id", COLUMN_VARLENA, offsetof(Execution, request_id), BOTH},
	{"memo", COLUMN_VARLENA, offsetof(Execution, memo), BOTH | COLUMN_SELDOM},
	{"search_attributes", COLUMN_VARLENA, offsetof(Execution, search_attributes), BOTH | COLUMN_SELDOM},
	{"priority", COLUMN_INT2, offsetof(Execution, priority), BOTH, NULL_IF_NONE},
	{"fairness_key", COLUMN_VARLENA, offsetof(Execution, fairness_key), BOTH},
	{"weight", COLUMN_FLOAT8, offsetof(Execution, weight), BOTH, NULL_IF_NONE},
	{"version", COLUMN_INT4, offsetof(Execution, version), BOTH | COLUMN_CHANGES, NULL_IF_NONE},
	{"seed", COLUMN_UUID_OR_NULL, offsetof(Execution, seed), BOTH},
	{"parent_run_id", COLUMN_UUID_OR_NULL, offsetof(Execution, parent_run_id), BOTH},
	{"parent_command", COLUMN_INT4, offsetof(Execution, parent_command), BOTH, NULL_IF_NONE},
	{"parent_close_policy", COLUMN_INT2, offsetof(Execution, parent_close_policy), BOTH, NULL_WITHOUT, offsetof(Execution, parent_run_id)},
	{"parent_workflow_id", COLUMN_VARLENA, offsetof(Execution, parent_workflow_id), BOTH},
	{"next_event", COLUMN_INT4, offsetof(Execution, next_event), COLUMN_OPEN | COLUMN_CHANGES},
	{"history_bytes", COLUMN_INT8, offsetof(Execution, history_bytes), BOTH | COLUMN_CHANGES},
	{"has_timers", COLUMN_BOOL, offsetof(Execution, has_timers), COLUMN_OPEN | COLUMN_CHANGES},
	{"has_children", COLUMN_BOOL, offsetof(Execution, has_children), COLUMN_OPEN | COLUMN_CHANGES},
	{"compensates", COLUMN_BOOL, offsetof(Execution, compensates), COLUMN_OPEN | COLUMN_CHANGES},
	{"cancel_requested", COLUMN_BOOL, offsetof(Execution, cancel_requested), COLUMN_OPEN | COLUMN_CHANGES},
	{"wait_signal", COLUMN_VARLENA, offsetof(Execution, wait_signal), COLUMN_OPEN | COLUMN_CHANGES},
	{"wait_command", COLUMN_INT4, offsetof(Execution, wait_command), COLUMN_OPEN | COLUMN_CHANGES, NULL_IF_NONE, 0, WAIT_NOTHING},
	{"wait_update", COLUMN_VARLENA, offsetof(Execution, wait_update), COLUMN_OPEN | COLUMN_CHANGES},
	{"wait_set", COLUMN_VARLENA, offsetof(Execution, wait_set), COLUMN_OPEN | COLUMN_CHANGES},
	{"wait_left", COLUMN_INT4, offsetof(Execution, wait_left), COLUMN_OPEN | COLUMN_CHANGES, NULL_WITHOUT, offsetof(Execution, wait_set)},
	{"wait_signals", COLUMN_VARLENA, offsetof(Execution, wait_signals), COLUMN_OPEN | COLUMN_CHANGES},
	{"waiting_for", COLUMN_VARLENA, offsetof(Execution, waiting_for), COLUMN_OPEN | COLUMN_CHANGES},
	{"waiting_at", COLUMN_VARLENA, offsetof(Execution, waiting_at), COLUMN_OPEN | COLUMN_CHANGES},
	{"waiting_since", COLUMN_TIME, offsetof(Execution, waiting_since), COLUMN_OPEN | COLUMN_CHANGES, NULL_IF_NONE},
	{"turn_failures", COLUMN_INT4, offsetof(Execution, turn_failures), COLUMN_OPEN | COLUMN_CHANGES},
	{"turn_error", COLUMN_VARLENA, offsetof(Execution, turn_error), COLUMN_OPEN | COLUMN_CHANGES},
	{"turn_retry_at", COLUMN_TIME, offsetof(Execution, turn_retry_at), COLUMN_OPEN | COLUMN_CHANGES, NULL_IF_NONE},
	{"lost_tries", COLUMN_INT4, offsetof(Execution, lost_tries), COLUMN_OPEN | COLUMN_CHANGES},
	{"paused_at", COLUMN_TIME, offsetof(Execution, paused_at), COLUMN_OPEN, NULL_IF_NONE},
	{"pause_reason", COLUMN_VARLENA, offsetof(Execution, pause_reason), COLUMN_OPEN},
	{"status", COLUMN_INT2, offsetof(ClosedRun, status), COLUMN_CLOSED},
	{"next_run_id", COLUMN_UUID_OR_NULL, offsetof(ClosedRun, next_run_id), COLUMN_CLOSED},
	{"closed_at", COLUMN_TIME, offsetof(ClosedRun, closed_at), COLUMN_CLOSED},
	{"history_events", COLUMN_INT4, offsetof(ClosedRun, history_events), COLUMN_CLOSED},
	{NULL}
};

static ColumnTable open_runs = {TABLE_EXECUTION, run_columns, COLUMN_OPEN};
static ColumnTable closed_runs = {TABLE_CLOSED, run_columns, COLUMN_CLOSED};

/*
 * As wf_executions.status has it
 */
const char *
status_name(RunStatus status)
{
	static const char *const names[] = {
		"running", "completed", "failed", "cancelled", "terminated", "timed_out",
		"continued_as_new"
	};

	if ((int) status < 0 || status >= lengthof(names))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unrecognized status %d", (int) status));
	return names[status];
}

/*
 * Row `row' of the last result, which is a row of durable.execution as one
 * value: as columns they would cost more than the statement
 */
static void
from_row(uint64 row, Execution *e)
{
	columns_read(&open_runs, store_value(row, 1), e);
}

/*
 * Insert an open run; false where its workflow id or request id is taken by
 * another open run
 */
bool
execution_insert(const Execution *e)
{
	static Statement statement = {
		"INSERT INTO durable.execution SELECT n.* FROM pg_catalog.unnest($1) n ON CONFLICT DO NOTHING",
		1, {ROWS_OF(TABLE_EXECUTION)}
	};
	Datum		row = columns_row(&open_runs, e, COLUMN_OPEN);
	Datum		array = rows_array(TABLE_EXECUTION, &row, 1);

	if (store_execute(&statement, &array, NULL) == 0)
		return false;
	test_mode_add_run(&e->run_id);
	return true;
}

/*
 * Lock those of the given runs that are open and not locked by others, and
 * read them.  Returns how many.
 */
int
execution_claim(const pg_uuid_t *run_ids, int count, MemoryContext context, Execution **result)
{
	static Statement statement = {
		"SELECT e FROM durable.execution e WHERE e.run_id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);
	int			n = (int) store_execute(&statement, &ids, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	*result = palloc(Max(n, 1) * sizeof(Execution));
	for (int i = 0; i < n; i++)
		from_row(i, &(*result)[i]);
	MemoryContextSwitchTo(old);
	return n;
}

static bool
lock_one(Statement *statement, const pg_uuid_t *run_id, MemoryContext context, Execution *result)
{
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;

	if (store_execute(statement, &id, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	from_row(0, result);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Read those of the given runs that are open, in order; with `lock' as a turn
 * locks them, but waiting.  Returns how many.
 */
int
execution_read(const pg_uuid_t *run_ids, int count, bool lock, MemoryContext context, Execution **result)
{
	static Statement read = {
		"SELECT e FROM durable.execution e WHERE e.run_id = ANY ($1) ORDER BY e.run_id", 1, {UUIDARRAYOID}
	};
	static Statement take = {
		"SELECT e FROM durable.execution e WHERE e.run_id = ANY ($1) ORDER BY e.run_id FOR NO KEY UPDATE",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);
	int			n = (int) store_execute(lock ? &take : &read, &ids, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	*result = palloc(Max(n, 1) * sizeof(Execution));
	for (int i = 0; i < n; i++)
		from_row(i, &(*result)[i]);
	MemoryContextSwitchTo(old);
	return n;
}

/*
 * Lock a run in order to close it from outside, waiting for who has it; false
 * where it is not open
 */
bool
execution_lock(const pg_uuid_t *run_id, MemoryContext context, Execution *result)
{
	static Statement statement = {
		"SELECT e FROM durable.execution e WHERE e.run_id = $1 FOR UPDATE", 1, {UUIDOID}
	};

	return lock_one(&statement, run_id, context, result);
}

/*
 * The same in order to change it: keeps turns off, but not signals
 */
bool
execution_lock_turns(const pg_uuid_t *run_id, MemoryContext context, Execution *result)
{
	static Statement statement = {
		"SELECT e FROM durable.execution e WHERE e.run_id = $1 FOR NO KEY UPDATE", 1, {UUIDOID}
	};

	return lock_one(&statement, run_id, context, result);
}

/*
 * Write what pausing changes
 */
void
execution_write_pause(const Execution *e)
{
	static Statement statement = {
		"UPDATE durable.execution e SET paused_at = $2, pause_reason = $3, next_event = $4, history_bytes = $5,"
		" lost_tries = $6 WHERE e.run_id = $1",
		6, {UUIDOID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT8OID, INT4OID}
	};
	Datum		values[6] = {
		UUIDPGetDatum(&e->run_id), TimestampTzGetDatum(e->paused_at), PointerGetDatum(e->pause_reason),
		Int32GetDatum(e->next_event), Int64GetDatum(e->history_bytes), Int32GetDatum(e->lost_tries)
	};
	char		nulls[6] = {' ', e->paused_at == DT_NOEND ? 'n' : ' ', e->pause_reason ? ' ' : 'n', ' ', ' ', ' '};

	store_execute(&statement, values, nulls);
}

/*
 * Lock children of some runs in order to close them, those of a policy
 * (child.h) that nobody has locked, at most `limit'.  Returns how many.
 */
int
execution_lock_children(const pg_uuid_t *parents, int count, int policy, int limit, Execution **result)
{
	static Statement statement = {
		"SELECT e FROM durable.execution e WHERE e.parent_run_id = ANY ($1) AND e.parent_run_id IS NOT NULL"
		" AND e.parent_close_policy = $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
		3, {UUIDARRAYOID, INT2OID, INT4OID}
	};
	Datum		values[3] = {uuid_array(parents, count), Int16GetDatum(policy), Int32GetDatum(limit)};
	int			n = (int) store_execute(&statement, values, NULL);

	*result = palloc(Max(n, 1) * sizeof(Execution));
	for (int i = 0; i < n; i++)
		from_row(i, &(*result)[i]);
	return n;
}

/*
 * Keep a run open until this transaction ends; false where it is closed, or
 * somebody is about to close it
 */
bool
execution_try_hold(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = $1 FOR KEY SHARE SKIP LOCKED", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	return store_execute(&statement, &id, NULL) > 0;
}

/*
 * The same, waiting for who is about to close it
 */
bool
execution_hold(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = $1 FOR KEY SHARE", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	return store_execute(&statement, &id, NULL) > 0;
}

/*
 * Is the run open, for this transaction's snapshot?
 */
bool
execution_is_open(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = $1", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	return store_execute(&statement, &id, NULL) > 0;
}

/*
 * The settings of a run; *open tells whether it is open
 */
ArrayType *
execution_settings(const pg_uuid_t *run_id, MemoryContext context, bool *open)
{
	static Statement statement = {
		"SELECT e.settings FROM durable.execution e WHERE e.run_id = $1", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;
	ArrayType  *result;

	*open = store_execute(&statement, &id, NULL) > 0;
	if (!*open || store_is_null(0, 1))
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = DatumGetArrayTypePCopy(store_value(0, 1));
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Does nobody hold this run, which we have claimed, open?
 */
bool
execution_can_close(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = $1 FOR UPDATE SKIP LOCKED", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	return store_execute(&statement, &id, NULL) > 0;
}

/*
 * Remove runs that close, which this transaction has claimed.  False where
 * someone holds one open; the transaction must then be undone.
 */
bool
execution_remove(const pg_uuid_t *run_ids, int count)
{
	static Statement lock = {
		"SELECT 1 FROM durable.execution e WHERE e.run_id = ANY ($1) FOR UPDATE SKIP LOCKED",
		1, {UUIDARRAYOID}
	};
	static Statement delete = {
		"DELETE FROM durable.execution e WHERE e.run_id = ANY ($1)", 1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	if (store_execute(&lock, &ids, NULL) != count)
		return false;
	store_execute(&delete, &ids, NULL);
	return true;
}

/*
 * Collect the new state of an open run
 */
void
execution_add(RowBatch *batch, const Execution *e)
{
	columns_add(batch, &open_runs, e, COLUMN_OPEN);
}

/*
 * Write the collected states: only what turns change, which is seldom memo and
 * search attributes
 */
void
execution_write_updates(RowBatch *batch, bool upserts)
{
	static Statement statement = {NULL, 1, {ROWS_OF(TABLE_EXECUTION)}};
	static Statement with_upserts = {NULL, 1, {ROWS_OF(TABLE_EXECUTION)}};

	if (!statement.sql)
		statement.sql = columns_update(&open_runs, COLUMN_CHANGES, "execution");
	if (!with_upserts.sql)
		with_upserts.sql = columns_update(&open_runs, COLUMN_CHANGES | COLUMN_SELDOM, "execution");
	rows_write(batch, upserts ? &with_upserts : &statement);
}

/*
 * Collect a run that closes; next is the run that goes on for it, or NULL
 */
void
closed_add(RowBatch *batch, const Execution *e, RunStatus status, TimestampTz at, const pg_uuid_t *next)
{
	ClosedRun	run = {
		.run = *e, .status = status, .next_run_id = unconstify(pg_uuid_t *, next), .closed_at = at, .history_events = e->next_event - 1
	};

	test_mode_close_run(&e->run_id);
	columns_add(batch, &closed_runs, &run, COLUMN_CLOSED);
}

/*
 * Write the collected ones
 */
void
closed_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.closed SELECT n.* FROM pg_catalog.unnest($1) n",
		1, {ROWS_OF(TABLE_CLOSED)}
	};

	rows_write(batch, &statement);
}

/*
 * What identifies and shapes a closed run; false where there is none
 */
bool
closed_read(const pg_uuid_t *run_id, MemoryContext context, Execution *e, RunStatus *status)
{
	static Statement statement = {
		"SELECT c FROM durable.closed c WHERE c.run_id = $1", 1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;
	ClosedRun	closed = {0};

	if (store_execute(&statement, &id, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	columns_read(&closed_runs, store_value(0, 1), &closed);
	MemoryContextSwitchTo(old);
	*e = closed.run;
	*status = (RunStatus) closed.status;
	e->waiting_since = e->turn_retry_at = e->paused_at = DT_NOEND;
	return true;
}

/*
 * Delete a closed run and all that is kept of it
 */
void
execution_delete_closed(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"WITH c AS (DELETE FROM durable.closed WHERE run_id = $1),"
		" h AS (DELETE FROM durable.history WHERE run_id = $1),"
		" p AS (DELETE FROM durable.payload WHERE run_id = $1),"
		" s AS (DELETE FROM durable.state WHERE run_id = $1),"
		" a AS (DELETE FROM durable.attempt WHERE run_id = $1),"
		" m AS (DELETE FROM durable.message WHERE run_id = $1),"
		" u AS (DELETE FROM durable.update WHERE run_id = $1),"
		" r AS (DELETE FROM durable.start_request WHERE run_id = $1)"
		" DELETE FROM durable.signal_request WHERE run_id = $1",
		1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);

	store_execute(&statement, &id, NULL);
}
