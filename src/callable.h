/*-------------------------------------------------------------------------
 *
 * callable.h
 *	  Calling any SQL function with a JSON object and getting jsonb back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CALLABLE_H
#define DURABLE_CALLABLE_H

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "access/tupdesc.h"
#include "utils/jsonb.h"

typedef struct Callable
{
	Oid			oid;			/* hash key */
	bool		valid;
	MemoryContext context;
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
	FmgrInfo	populate;		/* jsonb_populate_record for argdesc */
	Oid			rettype;
	bool		retset;
	FmgrInfo	to_jsonb;		/* to_jsonb for rettype */
	double		usecs;			/* moving average of a call, < 0: never called */
	int			straight;		/* as a workflow: turns in a row that ran to its end */
	int32		version;		/* as a workflow: number of its text (pinning.c), 0: not known */
} Callable;

extern Oid	callable_resolve(const char *name, bool problem_ok);
extern Callable *callable_get(Oid oid);
extern Callable *callable_known(Oid oid);
extern double callable_usecs(Oid oid);
extern void callable_check_input(Callable *callable, Jsonb *input);
extern Jsonb *callable_call(Callable *callable, Jsonb *input);
extern Jsonb *callable_call_procedure(Callable *callable, Jsonb *input);
extern Jsonb *datum_to_json(FmgrInfo *to_jsonb, Datum value);
extern void init_to_jsonb(FmgrInfo *finfo, Oid type, MemoryContext context);

#endif							/* DURABLE_CALLABLE_H */
