/*-------------------------------------------------------------------------
 *
 * shares.h
 *	  How many of the workers one role may keep from others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SHARES_H
#define DURABLE_SHARES_H

#include "shared/shmem.h"

extern void shares_ask(SlotKind kind, int needed, int room);

#endif							/* DURABLE_SHARES_H */
