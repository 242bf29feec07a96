/*-------------------------------------------------------------------------
 *
 * clone.h
 *	  Earlier texts of workflow functions, as functions of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLONE_H
#define DURABLE_CLONE_H

#include "store/version.h"

#define CLONE_KEY_LEN	(4 * NAMEDATALEN + 32)

/* What a session knows of the clone of a version, and of that. */
typedef struct Clone
{
	char		key[CLONE_KEY_LEN]; /* version and function */
	Oid			oid;
	char		name[NAMEDATALEN];
	Oid			owner;			/* of the function when it had the text */
	bool		definer;
	bool		untrusted;
} Clone;

extern void durable_clone_init(void);
extern void function_code(Oid function, CodeVersion *code);
extern void function_rights(Oid function, CodeVersion *code);
extern const Clone *clone_find(const char *function, int32 version);
extern const Clone *clone_make(const char *function, int32 version);
extern void clone_drop_idle(void);
extern char *clone_hide(const char *context, const char *clone, const char *function);

#endif							/* DURABLE_CLONE_H */
