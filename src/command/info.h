/*-------------------------------------------------------------------------
 *
 * info.h
 *	  What workflow code may know of its run, and publish.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_INFO_H
#define DURABLE_INFO_H

#include "turn/turn.h"

extern void command_publish(Turn *turn, text *key, Jsonb *value);
extern Jsonb *command_info(Turn *turn);

#endif							/* DURABLE_INFO_H */
