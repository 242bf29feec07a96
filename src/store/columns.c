/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Rows as structs: which column is which member.
 *
 *	  Columns are found by their names, once for each form that a table's row type
 *	  has had in this process.  So it does not matter where an upgrade script has
 *	  put a new one, nor what else has been added or dropped.  A column that this
 *	  library does not know is null in what it inserts.
 *
 *	  All functions run between store_begin() and store_end(), and are called for
 *	  every row of every turn: after the first one they look nothing up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/text.h"
#include "funcapi.h"
#include "store/columns.h"
#include "store/store.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#define MEMBER(type, object, offset)	((type *) ((char *) (object) + (offset)))

static int
count_columns(const Column *columns)
{
	int			n = 0;

	while (columns[n].name)
		n++;
	return n;
}

/*
 * The number of a column of that name, an error where there is none
 */
static int16
find_column(TupleDesc desc, const Column *column)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), column->name) == 0)
			return i + 1;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a table of durable has no column \"%s\", which its library knows", column->name),
			 errhint("Restart the server where the library is newer than the one it has loaded.")));
}

/*
 * The row type as it is now: not for longer than until the next look at a catalog
 */
static TupleDesc
look_up(ColumnTable *t)
{
	TypeCacheEntry *type = lookup_type_cache(row_type(t->table), TYPECACHE_TUPDESC);
	int			n = count_columns(t->columns);

	if (t->attnums && t->identifier == type->tupDesc_identifier)
		return type->tupDesc;
	if (!t->attnums)
		t->attnums = MemoryContextAllocZero(TopMemoryContext, n * sizeof(int16));
	t->identifier = 0;
	for (int i = 0; i < n; i++)
		if (t->columns[i].uses & t->uses)
			t->attnums[i] = find_column(type->tupDesc, &t->columns[i]);
	t->identifier = type->tupDesc_identifier;
	return type->tupDesc;
}

static bool
is_null(const Column *c, const void *object, int64 value)
{
	switch (c->null)
	{
		case NULL_NEVER:
			return false;
		case NULL_IF_NONE:
			return value == c->none;
		case NULL_WITHOUT:
			return *MEMBER(void *const, object, c->other) == NULL;
		case NULL_IF:
			return *MEMBER(const bool, object, c->other);
		case NULL_UNLESS:
			return !*MEMBER(const bool, object, c->other);
	}
	return false;
}

/*
 * A member as the value of its column
 */
static Datum
get_member(const Column *c, const void *object, bool *isnull)
{
	Datum		value;

	*isnull = false;
	switch (c->kind)
	{
		case COLUMN_UUID:
			return UUIDPGetDatum(MEMBER(const pg_uuid_t, object, c->offset));
		case COLUMN_UUID_OR_NULL:
		case COLUMN_INTERVAL_OR_NULL:
		case COLUMN_VARLENA:
			value = PointerGetDatum(*MEMBER(void *const, object, c->offset));
			*isnull = DatumGetPointer(value) == NULL;
			return value;
		case COLUMN_OID:
			return ObjectIdGetDatum(*MEMBER(const Oid, object, c->offset));
		case COLUMN_INT2:
			*isnull = is_null(c, object, *MEMBER(const int, object, c->offset));
			return Int16GetDatum(*MEMBER(const int, object, c->offset));
		case COLUMN_INT4:
			*isnull = is_null(c, object, *MEMBER(const int32, object, c->offset));
			return Int32GetDatum(*MEMBER(const int32, object, c->offset));
		case COLUMN_INT8:
			*isnull = is_null(c, object, *MEMBER(const int64, object, c->offset));
			return Int64GetDatum(*MEMBER(const int64, object, c->offset));
		case COLUMN_FLOAT8:
			*isnull = c->null == NULL_IF_NONE && *MEMBER(const double, object, c->offset) == c->none;
			return Float8GetDatum(*MEMBER(const double, object, c->offset));
		case COLUMN_BOOL:
			return BoolGetDatum(*MEMBER(const bool, object, c->offset));
		case COLUMN_TIME:
			*isnull = c->null == NULL_IF_NONE && *MEMBER(const TimestampTz, object, c->offset) == DT_NOEND;
			return TimestampTzGetDatum(*MEMBER(const TimestampTz, object, c->offset));
	}
	return (Datum) 0;
}

static void
set_member(const Column *c, void *object, Datum value, bool isnull)
{
	switch (c->kind)
	{
		case COLUMN_UUID:
			*MEMBER(pg_uuid_t, object, c->offset) = *DatumGetUUIDP(value);
			break;
		case COLUMN_UUID_OR_NULL:
			*MEMBER(void *, object, c->offset) = isnull ? NULL : fixed_copy(DatumGetPointer(value), sizeof(pg_uuid_t));
			break;
		case COLUMN_INTERVAL_OR_NULL:
			*MEMBER(void *, object, c->offset) = isnull ? NULL : fixed_copy(DatumGetPointer(value), sizeof(Interval));
			break;
		case COLUMN_VARLENA:
			*MEMBER(void *, object, c->offset) = isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
			break;
		case COLUMN_OID:
			*MEMBER(Oid, object, c->offset) = DatumGetObjectId(value);
			break;
		case COLUMN_INT2:
			*MEMBER(int, object, c->offset) = isnull ? c->none : DatumGetInt16(value);
			break;
		case COLUMN_INT4:
			*MEMBER(int32, object, c->offset) = isnull ? c->none : DatumGetInt32(value);
			break;
		case COLUMN_INT8:
			*MEMBER(int64, object, c->offset) = isnull ? c->none : DatumGetInt64(value);
			break;
		case COLUMN_FLOAT8:
			*MEMBER(double, object, c->offset) = isnull ? c->none : DatumGetFloat8(value);
			break;
		case COLUMN_BOOL:
			*MEMBER(bool, object, c->offset) = DatumGetBool(value);
			break;
		case COLUMN_TIME:
			*MEMBER(TimestampTz, object, c->offset) = isnull ? DT_NOEND : DatumGetTimestampTz(value);
			break;
	}
	if (c->null == NULL_IF || c->null == NULL_UNLESS)
		*MEMBER(bool, object, c->other) = isnull == (c->null == NULL_IF);
}

/*
 * An object as a row, with the columns that have one of these uses; the others are
 * null
 */
Datum
columns_row(ColumnTable *t, const void *object, int uses)
{
	TupleDesc	desc = look_up(t);
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];

	memset(nulls, true, desc->natts * sizeof(bool));
	memset(values, 0, desc->natts * sizeof(Datum));
	for (int i = 0; t->columns[i].name; i++)
		if ((t->columns[i].uses & t->uses) && (t->columns[i].uses & uses))
			values[t->attnums[i] - 1] = get_member(&t->columns[i], object, &nulls[t->attnums[i] - 1]);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * Add one to a batch of rows of the table
 */
void
columns_add(RowBatch *batch, ColumnTable *t, const void *object, int uses)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	rows_add_row(batch, columns_row(t, object, uses));
	MemoryContextSwitchTo(old);
}

/*
 * A row as an object, in the current memory context; members that are no columns
 * of the table stay as they are
 */
void
columns_read(ColumnTable *t, Datum row, void *object)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	TupleDesc	desc = look_up(t);
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];

	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; t->columns[i].name; i++)
		if (t->columns[i].uses & t->uses)
			set_member(&t->columns[i], object, values[t->attnums[i] - 1], nulls[t->attnums[i] - 1]);
}

/*
 * The statement that sets the columns with one of these uses to those of the rows
 * in its argument, by the keys.  Made of our own names, once a process.
 */
const char *
columns_update(const ColumnTable *t, int uses, const char *name)
{
	StringInfoData to;
	StringInfoData from;
	StringInfoData keys;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	char	   *result;

	initStringInfo(&to);
	initStringInfo(&from);
	initStringInfo(&keys);
	for (const Column *c = t->columns; c->name; c++)
	{
		if (!(c->uses & t->uses))
			continue;
		if (c->uses & COLUMN_KEY)
			appendStringInfo(&keys, "%st.%s = n.%s", keys.len ? " AND " : "", c->name, c->name);
		else if (c->uses & uses)
		{
			appendStringInfo(&to, "%s%s", to.len ? ", " : "", c->name);
			appendStringInfo(&from, "%sn.%s", from.len ? ", " : "", c->name);
		}
	}
	result = psprintf("UPDATE durable.%s t SET (%s) = (%s) FROM pg_catalog.unnest($1) n WHERE %s", name, to.data, from.data,
					  keys.data);
	pfree(to.data);
	pfree(from.data);
	pfree(keys.data);
	MemoryContextSwitchTo(old);
	return result;
}
