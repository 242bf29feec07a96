/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The engine's own statements: kept plans, run as the extension's owner.
 *
 *	  1. Only the files of this layer know tables.  They run fully qualified
 *	  statements between store_begin() and store_end(): as the extension's
 *	  owner, with a search path of pg_catalog alone, under SPI.
 *
 *	  2. A statement is a static variable.  Its plan is made at first use and
 *	  kept, generic, for the life of the backend.  planning.c sees to it that it
 *	  is the same whatever the tables hold.
 *
 *	  3. What a batch writes is collected as rows of the table's type and
 *	  inserted by one statement from unnest($1).
 *
 *	  4. All of it is forgotten when the extension is created anew.
 *
 *	  5. Locks on tables stay until the transaction ends, as those of any
 *	  statement do.  Not so where the caller may wait afterwards for what others
 *	  do to these tables: nobody would see that deadlock, since who waits for a
 *	  latch waits for no lock.  So he looks between store_begin_look() and
 *	  store_end(), and what that locked is let go of with it.
 *
 *	  An error needs no cleanup: the (sub)transaction's abort restores the role
 *	  and the search path, and ends SPI; store_begin() notices that in the count
 *	  of open scopes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/vec.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "store/planning.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static const char *const table_names[TABLE_COUNT] = {
	"execution", "closed", "history", "message", "timer", "activity", "attempt", "state", "update", "event"
};

bool		store_executing = false;

static Statement *prepared = NULL;
static Oid	rowtypes[TABLE_COUNT];
static Oid	known_schema = InvalidOid;
static int	scopes = 0;

/*
 * Drop what refers to an extension that is no longer the one installed
 */
static void
forget_plans(void)
{
	for (Statement *s = prepared; s; s = s->next)
		if (s->plan)
		{
			SPI_freeplan(s->plan);
			s->plan = NULL;
		}
	memset(rowtypes, 0, sizeof(rowtypes));
}

/*
 * From here to store_end() statements run as the extension's owner, under a
 * pinned search_path
 */
void
store_begin(StoreScope *scope)
{
	Oid			owner = durable_owner();
	Oid			schema = durable_schema();

	if (schema != known_schema)
	{
		forget_plans();
		known_schema = schema;
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&scope->save_userid, &scope->save_sec_context);
	SetUserIdAndSecContext(owner, scope->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	scope->pin = pin_search_path();
	scope->look = NULL;
	scope->pushed_snapshot = !ActiveSnapshotSet();
	if (scope->pushed_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	scopes++;
}

/*
 * The same for who only looks, and takes no locks along.  An error leaves the
 * owner of these locks to the one around it, whose they are then.
 */
void
store_begin_look(StoreScope *scope)
{
	ResourceOwner outer = CurrentResourceOwner;
	ResourceOwner look = ResourceOwnerCreate(outer, "durable look");

	CurrentResourceOwner = look;
	store_begin(scope);
	scope->look = look;
	scope->outer = outer;
}

/*
 * End of a look: its locks go, or are the transaction's, where it wrote
 */
static void
end_look(StoreScope *scope, bool keep)
{
	CurrentResourceOwner = scope->outer;
	ResourceOwnerRelease(scope->look, RESOURCE_RELEASE_BEFORE_LOCKS, keep, false);
	ResourceOwnerRelease(scope->look, RESOURCE_RELEASE_LOCKS, keep, false);
	ResourceOwnerRelease(scope->look, RESOURCE_RELEASE_AFTER_LOCKS, keep, false);
	ResourceOwnerDelete(scope->look);
	scope->look = NULL;
}

/*
 * store_end() after a look that became more than that
 */
void
store_end_kept(StoreScope *scope)
{
	end_look(scope, true);
	store_end(scope);
}

/*
 * What the statements returned is gone
 */
void
store_end(StoreScope *scope)
{
	scopes--;
	if (scope->pushed_snapshot)
		PopActiveSnapshot();
	unpin_search_path(scope->pin);
	SetUserIdAndSecContext(scope->save_userid, scope->save_sec_context);
	if (scope->look)
		end_look(scope, false);
	SPI_finish();
}

/*
 * How many scopes are open.  Who catches an error and goes on notes it before,
 * and tells store_forget() after.
 */
int
store_depth(void)
{
	return scopes;
}

/*
 * The scopes beyond that depth ended with an error that was caught: a
 * subtransaction was rolled back, or a frame unwound (unwind.c)
 */
void
store_forget(int depth)
{
	scopes = depth;
}

/*
 * Row type of a table, or of durable.event
 */
Oid
row_type(TableId table)
{
	if (!OidIsValid(rowtypes[table]))
		rowtypes[table] = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										  CStringGetDatum(table_names[table]),
										  ObjectIdGetDatum(durable_schema()));
	return rowtypes[table];
}

/*
 * The columns of a table as it is now: not for longer than until the next look
 * at a catalog.  They begin with those that this library knows.
 */
static TupleDesc
table_columns(TableId table, int known)
{
	TupleDesc	desc = lookup_type_cache(row_type(table), TYPECACHE_TUPDESC)->tupDesc;

	if (!desc || desc->natts < known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"durable.%s\" has not the %d columns that the library of durable knows",
						table_names[table], known),
				 errhint("Restart the server where the library is newer than the one it has loaded.")));
	return desc;
}

/*
 * A row of so many columns; those that the table has got since are null
 */
Datum
row_form(TableId table, const Datum *values, const bool *nulls, int columns)
{
	TupleDesc	desc = table_columns(table, columns);
	Datum	   *all;
	bool	   *all_nulls;

	if (desc->natts == columns)
		return HeapTupleGetDatum(heap_form_tuple(desc, unconstify(Datum *, values), unconstify(bool *, nulls)));
	all = palloc0(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	memset(all_nulls, true, desc->natts * sizeof(bool));
	memcpy(all, values, columns * sizeof(Datum));
	memcpy(all_nulls, nulls, columns * sizeof(bool));
	return HeapTupleGetDatum(heap_form_tuple(desc, all, all_nulls));
}

/*
 * The first columns of a row
 */
void
row_deform(TableId table, Datum row, Datum *values, bool *nulls, int columns)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	TupleDesc	desc = table_columns(table, columns);
	Datum	   *all;
	bool	   *all_nulls;

	if (desc->natts == columns)
	{
		heap_deform_tuple(&tuple, desc, values, nulls);
		return;
	}
	all = palloc(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(&tuple, desc, all, all_nulls);
	memcpy(values, all, columns * sizeof(Datum));
	memcpy(nulls, all_nulls, columns * sizeof(bool));
}

static void
prepare(Statement *s)
{
	Oid			types[STORE_MAX_ARGS];

	for (int i = 0; i < s->nargs; i++)
		types[i] = s->types[i] > TABLE_COUNT ? s->types[i] :
			get_array_type(row_type((TableId) (s->types[i] - 1)));
	s->plan = SPI_prepare_cursor(s->sql, s->nargs, types, CURSOR_OPT_GENERIC_PLAN);
	if (!s->plan)
		elog(ERROR, "could not prepare \"%s\": %s", s->sql, SPI_result_code_string(SPI_result));
	SPI_keepplan(s->plan);
	if (!s->listed)
	{
		s->next = prepared;
		prepared = s;
		s->listed = true;
	}
}

/*
 * Run a statement, planning it where needed, which may be at any execution
 */
static uint64
execute(Statement *s, Datum *values, const char *nulls, Snapshot snapshot)
{
	PlannerPin	pin;
	bool		outer = store_executing;
	volatile int rc = 0;

	planner_pin(&pin);
	store_executing = true;
	PG_TRY();
	{
		if (!s->plan)
			prepare(s);
		rc = snapshot ?
			SPI_execute_snapshot(s->plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0) :
			SPI_execute_plan(s->plan, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		store_executing = outer;
		planner_unpin(&pin);
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "could not execute \"%s\": %s", s->sql, SPI_result_code_string(rc));
	return SPI_processed;
}

/*
 * Run a statement; nulls as in SPI_execute_plan, NULL for none.  It sees what
 * is committed now, whatever the isolation level of the transaction.
 * Returns the number of rows, which store_value() reads.
 */
uint64
store_execute(Statement *statement, Datum *values, const char *nulls)
{
	Snapshot	snapshot;
	uint64		result;

	if (!IsolationUsesXactSnapshot())
		return execute(statement, values, nulls, InvalidSnapshot);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	result = execute(statement, values, nulls, snapshot);
	UnregisterSnapshot(snapshot);
	return result;
}

/*
 * Is that column of the last result null?  Columns count from 1
 */
bool
store_is_null(uint64 row, int column)
{
	bool		isnull;

	(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	return isnull;
}

/*
 * A value of the last result, 0 where it is null; it lives until store_end()
 */
Datum
store_value(uint64 row, int column)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
}

/*
 * No rows of a table yet; they are made in memory of `context'
 */
void
rows_init(RowBatch *batch, TableId table, MemoryContext context)
{
	batch->table = table;
	batch->context = context;
	batch->count = 0;
	batch->room = 0;
	batch->rows = NULL;
}

/*
 * Add a row: values and nulls in the order of the table's columns, copied
 */
void
rows_add_columns(RowBatch *batch, Datum *values, bool *nulls, int columns)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	rows_add_row(batch, row_form(batch->table, values, nulls, columns));
	MemoryContextSwitchTo(old);
}

/*
 * The same of a row that was made in the batch's memory
 */
void
rows_add_row(RowBatch *batch, Datum row)
{
	batch->rows = vec_room(batch->rows, batch->count, &batch->room, sizeof(Datum), batch->context);
	batch->rows[batch->count++] = row;
}

/*
 * Write what was added by a statement whose only argument is the rows
 */
void
rows_write(RowBatch *batch, Statement *statement)
{
	Datum		array;

	if (batch->count == 0)
		return;
	array = rows_array(batch->table, batch->rows, batch->count);
	(void) store_execute(statement, &array, NULL);
	batch->count = 0;
}

/*
 * An array of rows of a table, or of events
 */
Datum
rows_array(TableId table, Datum *rows, int count)
{
	return PointerGetDatum(construct_array(rows, count, row_type(table), -1, false, TYPALIGN_DOUBLE));
}

/*
 * Ids as an array, for SQL
 */
Datum
uuid_array(const pg_uuid_t *ids, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = UUIDPGetDatum(&ids[i]);
	return PointerGetDatum(construct_array(values, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
