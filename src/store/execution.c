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

#include "access/htup_details.h"
#include "base/testmode.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "store/execution.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/datum.h"

/* Columns of durable.execution, in order */
enum
{
	C_RUN_ID, C_NAMESPACE, C_WORKFLOW_ID, C_OWNER, C_WORKFLOW, C_FUNCTION, C_SETTINGS,
	C_FIRST_RUN_ID, C_CONTINUED_FROM, C_ATTEMPT, C_STARTED_AT, C_EXECUTION_DEADLINE,
	C_RUN_TIMEOUT, C_RETRY, C_REQUEST_ID, C_MEMO, C_SEARCH_ATTRIBUTES, C_PRIORITY,
	C_FAIRNESS_KEY, C_WEIGHT, C_VERSION, C_SEED, C_PARENT_RUN_ID, C_PARENT_COMMAND, C_PARENT_CLOSE_POLICY, C_PARENT_WORKFLOW_ID,
	C_NEXT_EVENT, C_HISTORY_BYTES, C_HAS_TIMERS, C_HAS_CHILDREN, C_COMPENSATES, C_CANCEL_REQUESTED, C_WAIT_SIGNAL, C_WAIT_COMMAND,
	C_WAIT_UPDATE, C_WAIT_SET, C_WAIT_LEFT, C_WAIT_SIGNALS, C_WAITING_FOR,
	C_WAITING_AT, C_WAITING_SINCE, C_TURN_FAILURES, C_TURN_ERROR, C_TURN_RETRY_AT, C_LOST_TRIES, C_PAUSED_AT, C_PAUSE_REASON,
	EXECUTION_COLUMNS
};

/* Columns of durable.closed, in order */
enum
{
	D_RUN_ID, D_NAMESPACE, D_WORKFLOW_ID, D_OWNER, D_WORKFLOW, D_FUNCTION, D_STATUS,
	D_FIRST_RUN_ID, D_CONTINUED_FROM, D_NEXT_RUN_ID, D_ATTEMPT, D_STARTED_AT, D_CLOSED_AT,
	D_REQUEST_ID, D_MEMO, D_SEARCH_ATTRIBUTES, D_VERSION, D_PARENT_RUN_ID, D_PARENT_COMMAND, D_HISTORY_EVENTS, D_HISTORY_BYTES,
	D_SETTINGS, D_EXECUTION_DEADLINE, D_RUN_TIMEOUT, D_RETRY, D_PRIORITY, D_FAIRNESS_KEY, D_WEIGHT, D_SEED,
	D_PARENT_CLOSE_POLICY, D_PARENT_WORKFLOW_ID,
	CLOSED_COLUMNS
};

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

static void
set_pointer(Datum *values, bool *nulls, int column, const void *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

static void
set_time(Datum *values, bool *nulls, int column, TimestampTz value)
{
	values[column] = TimestampTzGetDatum(value);
	nulls[column] = value == DT_NOEND;
}

static void
to_row(const Execution *e, Datum *values, bool *nulls)
{
	memset(nulls, 0, EXECUTION_COLUMNS * sizeof(bool));
	values[C_RUN_ID] = UUIDPGetDatum(&e->run_id);
	values[C_NAMESPACE] = PointerGetDatum(e->namespace);
	values[C_WORKFLOW_ID] = PointerGetDatum(e->workflow_id);
	values[C_OWNER] = ObjectIdGetDatum(e->owner);
	values[C_WORKFLOW] = PointerGetDatum(e->workflow);
	values[C_FUNCTION] = PointerGetDatum(e->function);
	set_pointer(values, nulls, C_SETTINGS, e->settings);
	set_pointer(values, nulls, C_FIRST_RUN_ID, e->first_run_id);
	set_pointer(values, nulls, C_CONTINUED_FROM, e->continued_from);
	values[C_ATTEMPT] = Int32GetDatum(e->attempt);
	values[C_STARTED_AT] = TimestampTzGetDatum(e->started_at);
	set_time(values, nulls, C_EXECUTION_DEADLINE, e->execution_deadline);
	set_pointer(values, nulls, C_RUN_TIMEOUT, e->run_timeout);
	set_pointer(values, nulls, C_RETRY, e->retry);
	set_pointer(values, nulls, C_REQUEST_ID, e->request_id);
	set_pointer(values, nulls, C_MEMO, e->memo);
	set_pointer(values, nulls, C_SEARCH_ATTRIBUTES, e->search_attributes);
	values[C_PRIORITY] = Int16GetDatum(e->priority);
	nulls[C_PRIORITY] = e->priority == 0;
	set_pointer(values, nulls, C_FAIRNESS_KEY, e->fairness_key);
	values[C_WEIGHT] = Float8GetDatum(e->weight);
	nulls[C_WEIGHT] = e->weight == 0;
	values[C_VERSION] = Int32GetDatum(e->version);
	nulls[C_VERSION] = e->version == 0;
	set_pointer(values, nulls, C_SEED, e->seed);
	set_pointer(values, nulls, C_PARENT_RUN_ID, e->parent_run_id);
	values[C_PARENT_COMMAND] = Int32GetDatum(e->parent_command);
	nulls[C_PARENT_COMMAND] = e->parent_command == 0;
	values[C_PARENT_CLOSE_POLICY] = Int16GetDatum(e->parent_close_policy);
	nulls[C_PARENT_CLOSE_POLICY] = e->parent_run_id == NULL;
	set_pointer(values, nulls, C_PARENT_WORKFLOW_ID, e->parent_workflow_id);
	values[C_NEXT_EVENT] = Int32GetDatum(e->next_event);
	values[C_HISTORY_BYTES] = Int64GetDatum(e->history_bytes);
	values[C_HAS_TIMERS] = BoolGetDatum(e->has_timers);
	values[C_HAS_CHILDREN] = BoolGetDatum(e->has_children);
	values[C_COMPENSATES] = BoolGetDatum(e->compensates);
	values[C_CANCEL_REQUESTED] = BoolGetDatum(e->cancel_requested);
	set_pointer(values, nulls, C_WAIT_SIGNAL, e->wait_signal);
	values[C_WAIT_COMMAND] = Int32GetDatum(e->wait_command);
	nulls[C_WAIT_COMMAND] = e->wait_command == WAIT_NOTHING;
	set_pointer(values, nulls, C_WAIT_UPDATE, e->wait_update);
	set_pointer(values, nulls, C_WAIT_SET, e->wait_set);
	values[C_WAIT_LEFT] = Int32GetDatum(e->wait_left);
	nulls[C_WAIT_LEFT] = e->wait_set == NULL;
	set_pointer(values, nulls, C_WAIT_SIGNALS, e->wait_signals);
	set_pointer(values, nulls, C_WAITING_FOR, e->waiting_for);
	set_pointer(values, nulls, C_WAITING_AT, e->waiting_at);
	set_time(values, nulls, C_WAITING_SINCE, e->waiting_since);
	values[C_TURN_FAILURES] = Int32GetDatum(e->turn_failures);
	set_pointer(values, nulls, C_TURN_ERROR, e->turn_error);
	set_time(values, nulls, C_TURN_RETRY_AT, e->turn_retry_at);
	values[C_LOST_TRIES] = Int32GetDatum(e->lost_tries);
	set_time(values, nulls, C_PAUSED_AT, e->paused_at);
	set_pointer(values, nulls, C_PAUSE_REASON, e->pause_reason);
}

static void *
get_pointer(Datum *values, bool *nulls, int column)
{
	return nulls[column] ? NULL : PG_DETOAST_DATUM_COPY(values[column]);
}

static void *
get_fixed(Datum *values, bool *nulls, int column, Size size)
{
	void	   *copy;

	if (nulls[column])
		return NULL;
	copy = palloc(size);
	memcpy(copy, DatumGetPointer(values[column]), size);
	return copy;
}

static TimestampTz
get_time(Datum *values, bool *nulls, int column)
{
	return nulls[column] ? DT_NOEND : DatumGetTimestampTz(values[column]);
}

/*
 * Row `row' of the last result, which is a row of durable.execution as one
 * value: as columns they would cost more than the statement
 */
static void
from_row(uint64 row, Execution *e)
{
	Datum		values[EXECUTION_COLUMNS];
	bool		nulls[EXECUTION_COLUMNS];

	row_deform(TABLE_EXECUTION, store_value(row, 1), values, nulls, EXECUTION_COLUMNS);
	e->run_id = *DatumGetUUIDP(values[C_RUN_ID]);
	e->namespace = get_pointer(values, nulls, C_NAMESPACE);
	e->workflow_id = get_pointer(values, nulls, C_WORKFLOW_ID);
	e->owner = DatumGetObjectId(values[C_OWNER]);
	e->workflow = get_pointer(values, nulls, C_WORKFLOW);
	e->function = get_pointer(values, nulls, C_FUNCTION);
	e->settings = get_pointer(values, nulls, C_SETTINGS);
	e->first_run_id = get_fixed(values, nulls, C_FIRST_RUN_ID, sizeof(pg_uuid_t));
	e->continued_from = get_fixed(values, nulls, C_CONTINUED_FROM, sizeof(pg_uuid_t));
	e->attempt = DatumGetInt32(values[C_ATTEMPT]);
	e->started_at = DatumGetTimestampTz(values[C_STARTED_AT]);
	e->execution_deadline = get_time(values, nulls, C_EXECUTION_DEADLINE);
	e->run_timeout = get_fixed(values, nulls, C_RUN_TIMEOUT, sizeof(Interval));
	e->retry = get_pointer(values, nulls, C_RETRY);
	e->request_id = get_pointer(values, nulls, C_REQUEST_ID);
	e->memo = get_pointer(values, nulls, C_MEMO);
	e->search_attributes = get_pointer(values, nulls, C_SEARCH_ATTRIBUTES);
	e->priority = nulls[C_PRIORITY] ? 0 : DatumGetInt16(values[C_PRIORITY]);
	e->fairness_key = get_pointer(values, nulls, C_FAIRNESS_KEY);
	e->weight = nulls[C_WEIGHT] ? 0 : DatumGetFloat8(values[C_WEIGHT]);
	e->version = nulls[C_VERSION] ? 0 : DatumGetInt32(values[C_VERSION]);
	e->seed = get_fixed(values, nulls, C_SEED, sizeof(pg_uuid_t));
	e->parent_run_id = get_fixed(values, nulls, C_PARENT_RUN_ID, sizeof(pg_uuid_t));
	e->parent_command = nulls[C_PARENT_COMMAND] ? 0 : DatumGetInt32(values[C_PARENT_COMMAND]);
	e->parent_close_policy = nulls[C_PARENT_CLOSE_POLICY] ? 0 : DatumGetInt16(values[C_PARENT_CLOSE_POLICY]);
	e->parent_workflow_id = get_pointer(values, nulls, C_PARENT_WORKFLOW_ID);
	e->next_event = DatumGetInt32(values[C_NEXT_EVENT]);
	e->history_bytes = DatumGetInt64(values[C_HISTORY_BYTES]);
	e->has_timers = DatumGetBool(values[C_HAS_TIMERS]);
	e->has_children = DatumGetBool(values[C_HAS_CHILDREN]);
	e->compensates = DatumGetBool(values[C_COMPENSATES]);
	e->cancel_requested = DatumGetBool(values[C_CANCEL_REQUESTED]);
	e->wait_signal = get_pointer(values, nulls, C_WAIT_SIGNAL);
	e->wait_command = nulls[C_WAIT_COMMAND] ? WAIT_NOTHING : DatumGetInt32(values[C_WAIT_COMMAND]);
	e->wait_update = get_pointer(values, nulls, C_WAIT_UPDATE);
	e->wait_set = get_pointer(values, nulls, C_WAIT_SET);
	e->wait_left = nulls[C_WAIT_LEFT] ? 0 : DatumGetInt32(values[C_WAIT_LEFT]);
	e->wait_signals = get_pointer(values, nulls, C_WAIT_SIGNALS);
	e->waiting_for = get_pointer(values, nulls, C_WAITING_FOR);
	e->waiting_at = get_pointer(values, nulls, C_WAITING_AT);
	e->waiting_since = get_time(values, nulls, C_WAITING_SINCE);
	e->turn_failures = DatumGetInt32(values[C_TURN_FAILURES]);
	e->turn_error = get_pointer(values, nulls, C_TURN_ERROR);
	e->turn_retry_at = get_time(values, nulls, C_TURN_RETRY_AT);
	e->lost_tries = DatumGetInt32(values[C_LOST_TRIES]);
	e->paused_at = get_time(values, nulls, C_PAUSED_AT);
	e->pause_reason = get_pointer(values, nulls, C_PAUSE_REASON);
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
	Datum		values[EXECUTION_COLUMNS];
	bool		nulls[EXECUTION_COLUMNS];
	Datum		row;
	Datum		array;

	to_row(e, values, nulls);
	row = row_form(TABLE_EXECUTION, values, nulls, EXECUTION_COLUMNS);
	array = rows_array(TABLE_EXECUTION, &row, 1);
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
	Datum		values[EXECUTION_COLUMNS];
	bool		nulls[EXECUTION_COLUMNS];

	to_row(e, values, nulls);
	rows_add(batch, values, nulls);
}

#define SET_STATE(columns, values) \
	"UPDATE durable.execution e SET (" columns "version, next_event, history_bytes, has_timers, has_children, compensates, cancel_requested," \
	" wait_signal, wait_command, wait_update, wait_set, wait_left, wait_signals," \
	" waiting_for, waiting_at, waiting_since, turn_failures, turn_error, turn_retry_at, lost_tries)" \
	" = (" values "n.version, n.next_event, n.history_bytes, n.has_timers, n.has_children, n.compensates, n.cancel_requested," \
	" n.wait_signal, n.wait_command, n.wait_update, n.wait_set, n.wait_left, n.wait_signals," \
	" n.waiting_for, n.waiting_at, n.waiting_since, n.turn_failures, n.turn_error, n.turn_retry_at, n.lost_tries)" \
	" FROM pg_catalog.unnest($1) n WHERE e.run_id = n.run_id"

/*
 * Write the collected states: only what turns change, which is seldom memo and
 * search attributes
 */
void
execution_write_updates(RowBatch *batch, bool upserts)
{
	static Statement statement = {SET_STATE("", ""), 1, {ROWS_OF(TABLE_EXECUTION)}};
	static Statement with_upserts = {
		SET_STATE("memo, search_attributes, ", "n.memo, n.search_attributes, "), 1, {ROWS_OF(TABLE_EXECUTION)}
	};

	rows_write(batch, upserts ? &with_upserts : &statement);
}

/*
 * Collect a run that closes; next is the run that goes on for it, or NULL
 */
void
closed_add(RowBatch *batch, const Execution *e, RunStatus status, TimestampTz at, const pg_uuid_t *next)
{
	Datum		values[CLOSED_COLUMNS];
	bool		nulls[CLOSED_COLUMNS] = {0};

	test_mode_close_run(&e->run_id);
	values[D_RUN_ID] = UUIDPGetDatum(&e->run_id);
	values[D_NAMESPACE] = PointerGetDatum(e->namespace);
	values[D_WORKFLOW_ID] = PointerGetDatum(e->workflow_id);
	values[D_OWNER] = ObjectIdGetDatum(e->owner);
	values[D_WORKFLOW] = PointerGetDatum(e->workflow);
	values[D_FUNCTION] = PointerGetDatum(e->function);
	values[D_STATUS] = Int16GetDatum(status);
	set_pointer(values, nulls, D_FIRST_RUN_ID, e->first_run_id);
	set_pointer(values, nulls, D_CONTINUED_FROM, e->continued_from);
	set_pointer(values, nulls, D_NEXT_RUN_ID, next);
	values[D_ATTEMPT] = Int32GetDatum(e->attempt);
	values[D_STARTED_AT] = TimestampTzGetDatum(e->started_at);
	values[D_CLOSED_AT] = TimestampTzGetDatum(at);
	set_pointer(values, nulls, D_REQUEST_ID, e->request_id);
	set_pointer(values, nulls, D_MEMO, e->memo);
	set_pointer(values, nulls, D_SEARCH_ATTRIBUTES, e->search_attributes);
	values[D_VERSION] = Int32GetDatum(e->version);
	nulls[D_VERSION] = e->version == 0;
	set_pointer(values, nulls, D_PARENT_RUN_ID, e->parent_run_id);
	values[D_PARENT_COMMAND] = Int32GetDatum(e->parent_command);
	nulls[D_PARENT_COMMAND] = e->parent_command == 0;
	values[D_HISTORY_EVENTS] = Int32GetDatum(e->next_event - 1);
	values[D_HISTORY_BYTES] = Int64GetDatum(e->history_bytes);
	set_pointer(values, nulls, D_SETTINGS, e->settings);
	set_time(values, nulls, D_EXECUTION_DEADLINE, e->execution_deadline);
	set_pointer(values, nulls, D_RUN_TIMEOUT, e->run_timeout);
	set_pointer(values, nulls, D_RETRY, e->retry);
	values[D_PRIORITY] = Int16GetDatum(e->priority);
	nulls[D_PRIORITY] = e->priority == 0;
	set_pointer(values, nulls, D_FAIRNESS_KEY, e->fairness_key);
	values[D_WEIGHT] = Float8GetDatum(e->weight);
	nulls[D_WEIGHT] = e->weight == 0;
	set_pointer(values, nulls, D_SEED, e->seed);
	values[D_PARENT_CLOSE_POLICY] = Int16GetDatum(e->parent_close_policy);
	nulls[D_PARENT_CLOSE_POLICY] = e->parent_run_id == NULL;
	set_pointer(values, nulls, D_PARENT_WORKFLOW_ID, e->parent_workflow_id);
	rows_add(batch, values, nulls);
}

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
