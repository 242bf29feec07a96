/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  Payloads too large to be kept among the events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PAYLOAD_H
#define DURABLE_PAYLOAD_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

extern void payload_check(Jsonb *payload, const char *what);
extern int64 payload_set_aside(const pg_uuid_t *run_id, Jsonb **payload);
extern Jsonb *payload_find(int64 payload_id);
extern Jsonb *payload_load(int64 payload_id);
extern int64 payload_copy(int64 payload_id, const pg_uuid_t *run_id);

#endif							/* DURABLE_PAYLOAD_H */
