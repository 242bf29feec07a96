/*-------------------------------------------------------------------------
 *
 * procedure.h
 *	  Calls that are procedures: their transactions are their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PROCEDURE_H
#define DURABLE_PROCEDURE_H

#include "fmgr.h"
#include "utils/jsonb.h"

extern void procedure_begin(FunctionCallInfo fcinfo, const char *call);
extern void procedure_go_on(void);
extern Datum procedure_end(FunctionCallInfo fcinfo, Jsonb *result);

#endif							/* DURABLE_PROCEDURE_H */
