/*-------------------------------------------------------------------------
 *
 * procedure.c
 *	  Calls that are procedures: their transactions are their own.
 *
 *	  A procedure that has committed waits without a snapshot, which a function
 *	  never can: a statement has one.  So it holds back no vacuum.  Where
 *	  transactions are REPEATABLE READ by default the first look in one would
 *	  bring a snapshot back, for all of it; so the one it waits in is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "call/procedure.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"

/*
 * A procedure begins; not where it cannot commit
 */
void
procedure_begin(FunctionCallInfo fcinfo, const char *call)
{
	MemoryContext context = CurrentMemoryContext;
	CallContext *how = (CallContext *) fcinfo->context;

	if (!how || !IsA(how, CallContext) || how->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", call),
				 errhint("It commits; call it by itself.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	MemoryContextSwitchTo(context);
}

/*
 * Commit, and go on in a transaction to wait in
 */
void
procedure_go_on(void)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	MemoryContextSwitchTo(context);
}

/*
 * It ends, with one value; the caller goes on in a transaction as is usual here
 */
Datum
procedure_end(FunctionCallInfo fcinfo, Jsonb *result)
{
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	desc;
	Datum		value = JsonbPGetDatum(result);
	bool		isnull = result == NULL;

	if (XactIsoLevel != DefaultXactIsoLevel)
		SPI_commit();
	SPI_finish();
	MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull));
}
