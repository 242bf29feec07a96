/*-------------------------------------------------------------------------
 *
 * pass.h
 *	  One pass of workflow code, from its beginning to where it leaves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PASS_H
#define DURABLE_PASS_H

#include "turn/turn.h"

extern PassEnd turn_pass(Turn *turn, bool in_place);
extern PassEnd turn_replay(Turn *turn);

#endif							/* DURABLE_PASS_H */
