/*-------------------------------------------------------------------------
 *
 * retry.h
 *	  Retry policies, as wf_retry() makes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_RETRY_H
#define DURABLE_RETRY_H

#include "utils/jsonb.h"

extern bool retry_exhausted(Jsonb *policy, int attempt);
extern int64 retry_delay(Jsonb *policy, int attempt);

#endif							/* DURABLE_RETRY_H */
