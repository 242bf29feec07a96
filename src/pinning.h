/*-------------------------------------------------------------------------
 *
 * pinning.h
 *	  Which text of its function a run's turn calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PINNING_H
#define DURABLE_PINNING_H

#include "turn.h"

extern bool pinned_code(Turn *turn);
extern bool pinned_move_on(Turn *turn);
extern int32 code_version(Oid function);
extern Oid	code_of_version(const char *function, int32 version);

#endif							/* DURABLE_PINNING_H */
