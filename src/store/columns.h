/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Rows as structs: which column is which member.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_COLUMNS_H
#define DURABLE_COLUMNS_H

#include "store/store.h"

/* What a member is; the type of the column follows from it */
typedef enum ColumnKind
{
	COLUMN_UUID,				/* pg_uuid_t */
	COLUMN_UUID_OR_NULL,		/* pg_uuid_t * */
	COLUMN_INTERVAL_OR_NULL,	/* Interval * */
	COLUMN_VARLENA,				/* text *, Jsonb *, ArrayType *; NULL: null */
	COLUMN_OID,
	COLUMN_INT2,				/* int, or an enum */
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_FLOAT8,
	COLUMN_BOOL,
	COLUMN_TIME					/* TimestampTz; DT_NOEND: null */
} ColumnKind;

/* When a number is null; it is read as `none' then */
typedef enum ColumnNull
{
	NULL_NEVER,
	NULL_IF_NONE,				/* it is `none' */
	NULL_WITHOUT,				/* the pointer at `other' is NULL */
	NULL_IF,					/* the bool at `other' is true, and is set when it is read */
	NULL_UNLESS					/* the same, where it is false */
} ColumnNull;

/* What is done with it, besides being read; bits that the table of columns is used with */
#define COLUMN_KEY		0x01	/* names the row */
#define COLUMN_CHANGES	0x02	/* after the row was inserted */
#define COLUMN_SELDOM	0x04	/* changes, but seldom */
#define COLUMN_OPEN		0x08	/* of durable.execution */
#define COLUMN_CLOSED	0x10	/* of durable.closed */

typedef struct Column
{
	const char *name;			/* NULL: there are no more */
	ColumnKind	kind;
	Size		offset;			/* of the member */
	int			uses;
	ColumnNull	null;
	Size		other;
	int			none;
} Column;

/* A table whose rows are made of such columns, those with `uses' */
typedef struct ColumnTable
{
	TableId		table;
	const Column *columns;
	int			uses;
	/* found out */
	uint64		identifier;		/* of the row type that is known */
	int			natts;
	int16	   *attnums;		/* of each column, 0: not of this table */
} ColumnTable;

extern void columns_add(RowBatch *batch, ColumnTable *table, const void *object, int uses);
extern Datum columns_row(ColumnTable *table, const void *object, int uses);
extern void columns_read(ColumnTable *table, Datum row, void *object);
extern const char *columns_update(const ColumnTable *table, int uses, const char *name);

#endif							/* DURABLE_COLUMNS_H */
