/*-------------------------------------------------------------------------
 *
 * patrol.h
 *	  Looks for work that could move, and that nobody has in hand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PATROL_H
#define DURABLE_PATROL_H

#include "shared/shmem.h"

extern bool patrol_is_due(Database *database);
extern long patrol_wait(Database *database);
extern void patrol_look(Database *database);

#endif							/* DURABLE_PATROL_H */
