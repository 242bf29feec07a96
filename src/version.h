/*-------------------------------------------------------------------------
 *
 * version.h
 *	  The texts that workflow functions have had.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_VERSION_H
#define DURABLE_VERSION_H

#include "store.h"

typedef struct CodeVersion
{
	char	   *definition;		/* as of pg_get_functiondef() */
	Oid			owner;			/* of the function */
	char	   *clone;			/* name of its clone in schema durable, or NULL */
} CodeVersion;

typedef struct CloneName
{
	char	   *function;
	int32		version;
	char	   *clone;
} CloneName;

extern int32 version_find(const char *function, const char *definition, bool *committed);
extern void version_add(const char *function, const char *definition, Oid owner);
extern bool version_read(const char *function, int32 version, MemoryContext context, CodeVersion *result);
extern void version_set_clone(const char *function, int32 version, const char *clone);
extern bool version_clone_taken(const char *clone);
extern int	version_open_runs(const char *function, text *namespace, Oid role, int32 except,
							  MemoryContext context, pg_uuid_t **run_ids);
extern int	version_idle_clones(MemoryContext context, CloneName **names);

#endif							/* DURABLE_VERSION_H */
