/*-------------------------------------------------------------------------
 *
 * clone.h
 *	  Earlier texts of workflow functions, as functions of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLONE_H
#define DURABLE_CLONE_H

#include "version.h"

extern void durable_clone_init(void);
extern char *function_definition(Oid function);
extern Oid	clone_find(const char *function, int32 version, Oid role, const char **name);
extern Oid	clone_make(const char *function, int32 version, Oid role);
extern int	clone_drop_idle(void);
extern char *clone_hide(const char *context, const char *clone, const char *function);

#endif							/* DURABLE_CLONE_H */
