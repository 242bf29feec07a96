/*-------------------------------------------------------------------------
 *
 * elsewhere.h
 *	  Commands that others carry out: activities in queues, children.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ELSEWHERE_H
#define DURABLE_ELSEWHERE_H

#include "turn/turn.h"

extern bool elsewhere_interrupt(Turn *turn, int32 number);
extern void elsewhere_cancel(Turn *turn, int32 number);
extern Command *elsewhere_await(Turn *turn, int32 number, const char *what);

#endif							/* DURABLE_ELSEWHERE_H */
