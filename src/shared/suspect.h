/*-------------------------------------------------------------------------
 *
 * suspect.h
 *	  Runs that were in the hands of a process when it died.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SUSPECT_H
#define DURABLE_SUSPECT_H

#include "utils/uuid.h"

extern void suspects_startup(void);
extern void hand_take(Oid owner, const pg_uuid_t *run_id);
extern void hand_step(const text *name);
extern void hand_empty(void);
extern bool suspect_find(const pg_uuid_t *run_id, char *step);
extern bool suspect_among(Oid owner);
extern void suspect_clear(const pg_uuid_t *run_id);
extern void suspect_recorded(const pg_uuid_t *run_id);
extern void suspects_end(bool commit);

#endif							/* DURABLE_SUSPECT_H */
