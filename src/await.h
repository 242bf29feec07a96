/*-------------------------------------------------------------------------
 *
 * await.h
 *	  Waiting for a run to close, and its outcome.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_AWAIT_H
#define DURABLE_AWAIT_H

#include "find.h"

extern Jsonb *await_result(Found *run, const char *name, TimestampTz until);

#endif							/* DURABLE_AWAIT_H */
