/*-------------------------------------------------------------------------
 *
 * api_wait.h
 *	  What applications call to wait for a workflow's end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_API_WAIT_H
#define DURABLE_API_WAIT_H

#include "fmgr.h"

extern int64 deadline_of(FunctionCallInfo fcinfo, int arg, bool in_test);

#endif							/* DURABLE_API_WAIT_H */
