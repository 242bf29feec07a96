/*-------------------------------------------------------------------------
 *
 * pausing.h
 *	  Paused runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PAUSING_H
#define DURABLE_PAUSING_H

extern bool run_pause(const pg_uuid_t *run_id, text *reason);
extern bool run_unpause(const pg_uuid_t *run_id);

#endif							/* DURABLE_PAUSING_H */
