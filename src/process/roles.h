/*-------------------------------------------------------------------------
 *
 * roles.h
 *	  Roles, as the launcher sees them, which is connected to no database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ROLES_H
#define DURABLE_ROLES_H

typedef enum RoleState
{
	ROLE_GONE,
	ROLE_CANNOT_LOG_IN,			/* and its workers would have to */
	ROLE_FINE
} RoleState;

extern RoleState role_state(Oid role);
extern void roles_log(Oid role, Oid dbid, RoleState state);

#endif							/* DURABLE_ROLES_H */
