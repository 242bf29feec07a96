/*-------------------------------------------------------------------------
 *
 * version.h
 *	  The texts that workflow functions have had.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_VERSION_H
#define DURABLE_VERSION_H

#include "utils/uuid.h"

typedef struct CodeVersion
{
	char	   *definition;		/* as of pg_get_functiondef() */
	Oid			owner;			/* of the function */
	bool		definer;		/* SECURITY DEFINER */
	bool		untrusted;		/* its language is */
} CodeVersion;

typedef struct CloneName
{
	char	   *function;
	int32		version;
	char	   *clone;			/* in schema durable */
	bool		needed;			/* by an open run */
} CloneName;

extern int32 version_find(const char *function, const CodeVersion *code, bool *committed);
extern void version_add(const char *function, const CodeVersion *code);
extern bool version_read(const char *function, int32 version, MemoryContext context, CodeVersion *result);
extern int	version_open_runs(const char *function, text *namespace, Oid role, int32 except,
							  MemoryContext context, pg_uuid_t **run_ids);
extern int64 version_next_clone(void);
extern void version_add_clone(const CloneName *clone);
extern void version_forget_clone(const char *clone);
extern int	version_clones(const char *function, int32 version, MemoryContext context, CloneName **clones);
extern int	version_all_clones(MemoryContext context, CloneName **clones);

#endif							/* DURABLE_VERSION_H */
