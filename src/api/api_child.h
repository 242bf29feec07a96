/*-------------------------------------------------------------------------
 *
 * api_child.h
 *	  The arguments of wf_child and of what starts a child without waiting.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_API_CHILD_H
#define DURABLE_API_CHILD_H

#include "command/child_command.h"
#include "fmgr.h"

extern void child_request(FunctionCallInfo fcinfo, ChildRequest *request);

#endif							/* DURABLE_API_CHILD_H */
