/*-------------------------------------------------------------------------
 *
 * workflow_type.h
 *	  What was registered of workflow functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WORKFLOW_TYPE_H
#define DURABLE_WORKFLOW_TYPE_H

#include "utils/jsonb.h"

typedef struct WorkflowType
{
	text	   *namespace;
	text	   *function;		/* schema-qualified, quoted */
	Oid			owner;			/* of the function */
	Jsonb	   *validators;
} WorkflowType;

extern void workflow_type_set(const WorkflowType *type);
extern bool workflow_type_of_run(const pg_uuid_t *run_id, MemoryContext context, WorkflowType *type);

#endif							/* DURABLE_WORKFLOW_TYPE_H */
