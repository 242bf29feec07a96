/*-------------------------------------------------------------------------
 *
 * callable_cache.h
 *	  Keeping callables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CALLABLE_CACHE_H
#define DURABLE_CALLABLE_CACHE_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct Callable
{
	Oid			oid;
	bool		valid;
	dlist_node	node;			/* while it is valid */
	uint32		hash;			/* of its row in pg_proc */
	MemoryContext context;		/* it lies in */
	char	   *name;			/* schema-qualified, quoted */
	bool		procedure;
	int			nargs;			/* input arguments */
	char	  **argnames;		/* NULL: without a name */
	Oid		   *argtypes;
	bool		whole_input;	/* its one argument is the input itself */
	TupleDesc	argdesc;		/* the arguments as a row */
	Datum		base;			/* a row of nulls of that type */
	int			ndefaults;		/* the last arguments have defaults */
	List	   *defaults;
	bool		plain;			/* types of the arguments are scalars: then what */
	FmgrInfo	populate;		/* converts them, jsonb_populate_record, is kept */
	bool		converting;		/* it is at work, or an error ended it */
	MemoryContext conversion;	/* what it keeps */
	Node	   *conversion_call;	/* as an expression, which it needs */
	Oid			rettype;
	bool		retset;
	FmgrInfo	to_jsonb;		/* to_jsonb for rettype */
	double		usecs;			/* moving average of a call, < 0: never called */
	bool		leaves;			/* its calls need a transaction of their own (leftovers.c) */
	int			straight;		/* as a workflow: turns in a row that ran to its end */
	int32		version;		/* as a workflow: number of its text (pinning.c), 0: not known */
} Callable;

extern void callable_init_conversion(Callable *c, FmgrInfo *populate, MemoryContext context);
extern void callable_pin(void);
extern void callable_unpin(void);
extern Callable *callable_get(Oid oid);
extern Callable *callable_known(Oid oid);
extern double callable_usecs(Oid oid);

#endif							/* DURABLE_CALLABLE_CACHE_H */
