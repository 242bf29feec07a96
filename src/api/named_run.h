/*-------------------------------------------------------------------------
 *
 * named_run.h
 *	  The run that a client call names, and the workflow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_NAMED_RUN_H
#define DURABLE_NAMED_RUN_H

#include "fmgr.h"
#include "store/find.h"

extern void check_may_run(Oid function);
extern void refuse_in_code(const char *call, const char *instead);
extern Found named_run(FunctionCallInfo fcinfo, int id_arg, int run_id_arg, int namespace_arg);

#endif							/* DURABLE_NAMED_RUN_H */
