/*-------------------------------------------------------------------------
 *
 * whereabouts.h
 *	  Where an open run is: for those who waited in vain.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WHEREABOUTS_H
#define DURABLE_WHEREABOUTS_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

typedef struct Whereabouts
{
	Jsonb	   *detail;			/* waiting_for, waiting_at, since */
	char	   *stuck;			/* why it will not move by itself; NULL: it may */
} Whereabouts;

extern void whereabouts_of(const pg_uuid_t *run_id, Whereabouts *at);

#endif							/* DURABLE_WHEREABOUTS_H */
