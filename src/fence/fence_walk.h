/*-------------------------------------------------------------------------
 *
 * fence_walk.h
 *	  Looking through queries, plans and expressions for what is refused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_WALK_H
#define DURABLE_FENCE_WALK_H

#include "nodes/plannodes.h"

/* Set where what was looked at passes now, but perhaps not the next time */
extern bool fence_passes_once;

pg_noreturn extern void fence_refuse(const char *what, const char *instead);
extern void fence_check_function(Oid function);
extern void fence_check_cast(Oid from, Oid to);
extern void fence_check_type(Oid type);
extern void fence_check_setting(const char *how, const char *setting);
extern void fence_check_expression(Node *node, const char *source);
extern void fence_check_lone_expression(Node *node, const char *source);
extern void fence_check_plan(PlannedStmt *plan, const char *source);
extern bool fence_is_marked(List *items);
extern List *fence_mark(List *items);

#endif							/* DURABLE_FENCE_WALK_H */
