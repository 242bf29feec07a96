/*-------------------------------------------------------------------------
 *
 * validate.h
 *	  Validators of updates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_VALIDATE_H
#define DURABLE_VALIDATE_H

#include "store/find.h"

extern void validate_update(const Found *run, const char *workflow_id, const text *update, Jsonb *args);

#endif							/* DURABLE_VALIDATE_H */
