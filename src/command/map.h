/*-------------------------------------------------------------------------
 *
 * map.h
 *	  wf_map: an activity for each of many inputs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MAP_H
#define DURABLE_MAP_H

#include "turn/turn.h"

extern void handle_map(Turn *turn, const TaskRequest *request, Jsonb **inputs, int count, int window, Jsonb **results);

#endif							/* DURABLE_MAP_H */
