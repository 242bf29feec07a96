/*-------------------------------------------------------------------------
 *
 * upsert.h
 *	  Memo and search attributes that workflow code changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPSERT_H
#define DURABLE_UPSERT_H

#include "store/history.h"
#include "turn/turn.h"

extern void upsert_command(Turn *turn, EventType type, const char *call, Jsonb *values);
extern Jsonb *upsert_value(Turn *turn, EventType type);
extern bool upsert_apply(Turn *turn, MemoryContext context);

#endif							/* DURABLE_UPSERT_H */
