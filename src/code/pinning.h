/*-------------------------------------------------------------------------
 *
 * pinning.h
 *	  Which text of its function a run's turn calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PINNING_H
#define DURABLE_PINNING_H

#include "call/clone.h"
#include "turn/turn.h"

/* Code of a version, whoever is to run it. */
typedef struct VersionCode
{
	const char *function;
	int32		version;
	Oid			live;			/* the function itself, or */
	const Clone *clone;			/* a clone */
} VersionCode;

extern bool pinned_code(Turn *turn);
extern bool pinned_move_on(Turn *turn);
extern int32 code_version(Oid function, bool missing_ok);
extern void find_code(const char *function, int32 version, VersionCode *result);
extern bool code_for_role(const VersionCode *found, Oid role, Code *code, char **why);

#endif							/* DURABLE_PINNING_H */
