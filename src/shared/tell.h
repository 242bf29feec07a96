/*-------------------------------------------------------------------------
 *
 * tell.h
 *	  Lines in the log about what goes wrong with runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TELL_H
#define DURABLE_TELL_H

#include "base/compat.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

extern void tell_turn_fails(const text *workflow_id, const pg_uuid_t *run_id, int failures, const ErrorData *problem);
extern void tell_retried(const text *workflow_id, const pg_uuid_t *run_id, const text *activity, int attempt,
						 Jsonb *failure);
extern void tell_unpolled(const char *queue, Oid owner);

#endif							/* DURABLE_TELL_H */
