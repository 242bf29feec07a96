/*-------------------------------------------------------------------------
 *
 * family.h
 *	  Open runs found by their parent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FAMILY_H
#define DURABLE_FAMILY_H

#include "store/store.h"

/* A child as its parent knows it */
typedef struct Member
{
	pg_uuid_t	parent;
	int32		command;
} Member;

extern int	family_insert(RowBatch *batch, pg_uuid_t *inserted);
extern int	family_cancel(const pg_uuid_t *parents, int count, const int32 *commands, int ncommands,
						  const char *reason, Member **left);
extern int	family_left(const pg_uuid_t *parents, int count, int policy, int limit, pg_uuid_t **children);
extern int	family_parents(const pg_uuid_t *parents, int count, int policy, pg_uuid_t **having);
extern int	family_move(const pg_uuid_t *from, const pg_uuid_t *to, int32 last_command, int32 **commands);
extern bool family_has(const pg_uuid_t *parent, int32 command);
extern bool family_adopt(const pg_uuid_t *child, const pg_uuid_t *parent);

#endif							/* DURABLE_FAMILY_H */
