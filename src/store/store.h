/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The engine's own statements: kept plans, run as the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STORE_H
#define DURABLE_STORE_H

#include "access/htup.h"
#include "base/compat.h"
#include "executor/spi.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#define STORE_MAX_ARGS	24

/*
 * A statement, as a static variable.  A type of ROWS_OF(n) stands for an array
 * of rows of the n-th table below.
 */
typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			types[STORE_MAX_ARGS];
	SPIPlanPtr	plan;			/* the rest is store.c's */
	bool		listed;
	struct Statement *next;
} Statement;

typedef enum TableId
{
	TABLE_EXECUTION,
	TABLE_CLOSED,
	TABLE_HISTORY,
	TABLE_MESSAGE,
	TABLE_TIMER,
	TABLE_ACTIVITY,
	TABLE_ATTEMPT,
	TABLE_STATE,
	TABLE_UPDATE,
	TABLE_EVENT,				/* the type of an event, no table */
	TABLE_COUNT
} TableId;

#define ROWS_OF(table)	((Oid) (table) + 1)	/* no built-in type is that low */

typedef struct StoreScope
{
	Oid			save_userid;
	int			save_sec_context;
	SearchPathPin pin;
	bool		pushed_snapshot;
	ResourceOwner look;			/* has the locks of a look; NULL: they stay */
	ResourceOwner outer;
} StoreScope;

/* Rows to be written with one statement. */
typedef struct RowBatch
{
	TableId		table;
	MemoryContext context;
	int			count;
	int			room;
	Datum	   *rows;
} RowBatch;

/* Is a statement of the engine's own being planned or executed? */
extern bool store_executing;

extern void store_begin(StoreScope *scope);
extern void store_begin_look(StoreScope *scope);
extern void store_end(StoreScope *scope);
extern void store_end_kept(StoreScope *scope);
extern int	store_depth(void);
extern void store_forget(int depth);
extern uint64 store_execute(Statement *statement, Datum *values, const char *nulls);
extern bool store_is_null(uint64 row, int column);
extern Datum store_value(uint64 row, int column);
extern Oid	row_type(TableId table);
extern Datum row_form(TableId table, const Datum *values, const bool *nulls, int columns);
extern void row_deform(TableId table, Datum row, Datum *values, bool *nulls, int columns);

extern void rows_init(RowBatch *batch, TableId table, MemoryContext context);
extern void rows_add_columns(RowBatch *batch, Datum *values, bool *nulls, int columns);
extern void rows_add_row(RowBatch *batch, Datum row);
extern void rows_write(RowBatch *batch, Statement *statement);
extern Datum rows_array(TableId table, Datum *rows, int count);
extern Datum uuid_array(const pg_uuid_t *ids, int count);

/* values is an array */
#define rows_add(batch, values, nulls)	rows_add_columns(batch, values, nulls, lengthof(values))

#endif							/* DURABLE_STORE_H */
