/*-------------------------------------------------------------------------
 *
 * marker.h
 *	  Changes that workflow code asks about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MARKER_H
#define DURABLE_MARKER_H

#include "turn/turn.h"

/* The version of runs that went by before there was the change */
#define BEFORE_CHANGE	(-1)

extern int32 command_version(Turn *turn, const text *change, int32 min, int32 max);
extern Jsonb *markers_seen(Turn *turn);
extern int32 version_seen(Turn *turn);

#endif							/* DURABLE_MARKER_H */
