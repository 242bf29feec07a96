/*-------------------------------------------------------------------------
 *
 * fence.h
 *	  What workflow code may not do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_H
#define DURABLE_FENCE_H

#include "turn/turn.h"
#include "utils/portal.h"

extern void fence_begin(Turn *turn);
extern void fence_go_on(Turn *turn);
extern void fence_end(Turn *turn);
extern void fence_explain(void *turn);
extern bool fence_stands(void);
extern void fence_check_cursor(Portal portal);

#endif							/* DURABLE_FENCE_H */
