/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  Values as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "call/convert.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"

/*
 * Have to_jsonb() ready for values of a type, in memory of `context'
 */
void
init_to_jsonb(FmgrInfo *finfo, Oid type, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Node	   *arg = (Node *) makeNullConst(type, -1, InvalidOid);

	fmgr_info_cxt(F_TO_JSONB, finfo, context);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL), finfo);
	MemoryContextSwitchTo(old);
}

/*
 * A value as JSON
 */
Jsonb *
datum_to_json(FmgrInfo *to_jsonb, Datum value)
{
	return DatumGetJsonbP(FunctionCall1(to_jsonb, value));
}
