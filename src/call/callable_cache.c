/*-------------------------------------------------------------------------
 *
 * callable_cache.c
 *	  What is known of a function, kept until it changes.
 *
 *	  1. A Callable says what its function was when it was looked at.  It is
 *	  replaced, never changed, when pg_proc changes; who has the old one may use it
 *	  to the end of the transaction: user code that runs in the middle of a call,
 *	  the check of a domain in its input say, may replace the very function.  So
 *	  old ones are put aside, and freed when a transaction ends that is not in the
 *	  middle of a procedure's call (callable_pin).
 *
 *	  2. What converts the input is kept only where all types of its arguments
 *	  are scalars, or arrays of such: their conversion runs no code of users and
 *	  cannot change.  Whatever has columns or constraints of its own (rows, domains,
 *	  ranges, arrays of these, at any depth) is looked up at each call, so ALTER
 *	  TYPE and ALTER TABLE, by whatever session, hold from the next call on.  The
 *	  same goes for results: to_jsonb() keeps nothing.
 *
 *	  3. An invalidation may come outside of any transaction, in the middle of
 *	  anything.  So its callback compares numbers that were noted before, and sets
 *	  flags.
 *
 *	  4. When MAX_CALLABLES are known, all are forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/compat.h"
#include "call/callable_cache.h"
#include "call/convert.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/ilist.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define MAX_CALLABLES	1000

typedef struct Entry
{
	Oid			oid;			/* hash key */
	Callable   *callable;
} Entry;

static HTAB *entries = NULL;
static dlist_head valid = DLIST_STATIC_INIT(valid); /* Callables */
static uint32 invalidations = 0;

/* Those that were replaced, and what else their users may still look at */
static MemoryContext retired = NULL;
static int	pins = 0;

static void
invalidate(Datum arg, int cacheid, uint32 hashvalue)
{
	dlist_mutable_iter iter;

	invalidations++;
	dlist_foreach_modify(iter, &valid)
	{
		Callable   *c = dlist_container(Callable, node, iter.cur);

		if (hashvalue == 0 || c->hash == hashvalue)
		{
			c->valid = false;
			dlist_delete(&c->node);
		}
	}
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (pins == 0 && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE))
		MemoryContextDeleteChildren(retired);
}

static void
create_cache(void)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Entry)};

	retired = AllocSetContextCreate(TopMemoryContext, "durable retired callables", ALLOCSET_SMALL_SIZES);
	entries = hash_create("durable callables", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(PROCOID, invalidate, (Datum) 0);
	RegisterXactCallback(end_transaction, NULL);
}

/*
 * Note name and type of each input argument; of pseudo-types there is no value, not even a null
 */
static void
load_arguments(Callable *c, HeapTuple tuple)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			n = get_func_arg_info(tuple, &types, &names, &modes);

	c->argnames = palloc0(Max(n, 1) * sizeof(char *));
	c->argtypes = palloc0(Max(n, 1) * sizeof(Oid));
	for (int i = 0; i < n; i++)
	{
		if (modes && modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_INOUT &&
			modes[i] != PROARGMODE_VARIADIC)
			continue;
		if (get_typtype(types[i]) == TYPTYPE_PSEUDO)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("function %s has a parameter of the pseudo-type %s", c->name, format_type_be(types[i])),
					 errhint("Call it from a function whose parameters have types.")));
		c->argtypes[c->nargs] = types[i];
		c->argnames[c->nargs] = names && names[i][0] ? names[i] : NULL;
		c->nargs++;
	}
	c->whole_input = c->nargs == 1 && c->argtypes[0] == JSONBOID;
}

static void
load_defaults(Callable *c, HeapTuple tuple)
{
	bool		isnull;
	Datum		datum = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &isnull);

	if (isnull)
		return;
	c->defaults = (List *) stringToNode(TextDatumGetCString(datum));
	c->ndefaults = list_length(c->defaults);
}

/*
 * Has a value of the type no parts that could change, and runs its conversion
 * no code of users?
 */
static bool
is_plain(Oid type)
{
	Oid			element = get_element_type(type);
	char		kind = get_typtype(OidIsValid(element) ? element : type);

	return kind == TYPTYPE_BASE || kind == TYPTYPE_ENUM;
}

/*
 * What converts the input: jsonb_populate_record over a row of the arguments
 */
static void
load_conversion(Callable *c)
{
	bool	   *nulls = palloc(Max(c->nargs, 1) * sizeof(bool));
	Datum	   *values = palloc0(Max(c->nargs, 1) * sizeof(Datum));
	List	   *args;

	c->plain = true;
	c->argdesc = CreateTemplateTupleDesc(c->nargs);
	for (int i = 0; i < c->nargs; i++)
	{
		char		unnamed[16];

		snprintf(unnamed, sizeof(unnamed), "$%d", i + 1);
		if (!c->argnames[i])
			c->argnames[i] = pstrdup(unnamed);
		TupleDescInitEntry(c->argdesc, i + 1, c->argnames[i], c->argtypes[i], -1, 0);
		nulls[i] = true;
		c->plain &= is_plain(c->argtypes[i]);
	}
	BlessTupleDesc(c->argdesc);
	c->base = HeapTupleGetDatum(heap_form_tuple(c->argdesc, values, nulls));

	args = list_make2(makeNullConst(RECORDOID, -1, InvalidOid), makeNullConst(JSONBOID, -1, InvalidOid));
	c->conversion_call = (Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID, args, InvalidOid,
											   InvalidOid, COERCE_EXPLICIT_CALL);
	c->conversion = AllocSetContextCreate(c->context, "durable conversion", ALLOCSET_SMALL_SIZES);
	callable_init_conversion(c, &c->populate, c->conversion);
}

static void
load(Callable *c)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(c->oid));
	Form_pg_proc proc;
	bool		quote_all = quote_all_identifiers;
	MemoryContext old = MemoryContextSwitchTo(c->context);

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", c->oid)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	quote_all_identifiers = false;	/* it is a key of durable.execution */
	c->name = quote_qualified_identifier(get_namespace_name(proc->pronamespace), NameStr(proc->proname));
	quote_all_identifiers = quote_all;
	if (proc->prokind != PROKIND_FUNCTION && proc->prokind != PROKIND_PROCEDURE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a function", c->name)));
	if (get_typtype(proc->prorettype) == TYPTYPE_PSEUDO && !IsPolymorphicType(proc->prorettype) &&
		proc->prorettype != VOIDOID && proc->prorettype != RECORDOID && proc->prorettype != CSTRINGOID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s returns %s, which only the server itself can use",
						c->name, format_type_be(proc->prorettype))));
	c->procedure = proc->prokind == PROKIND_PROCEDURE;
	c->rettype = proc->prorettype;
	c->retset = proc->proretset;
	load_arguments(c, tuple);
	load_defaults(c, tuple);
	load_conversion(c);
	if (c->rettype != VOIDOID && c->rettype != JSONBOID)
		init_to_jsonb(&c->to_jsonb, c->rettype, c->context);
	ReleaseSysCache(tuple);
	MemoryContextSwitchTo(old);
}

/*
 * Look at the function.  Should pg_proc change meanwhile, the outcome is good
 * for its caller only.
 */
static Callable *
make(Oid oid)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "durable callable", ALLOCSET_SMALL_SIZES);
	Callable   *c = MemoryContextAllocZero(context, sizeof(Callable));
	uint32		before = invalidations;

	c->oid = oid;
	c->context = context;
	c->usecs = -1;
	c->hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(oid));
	load(c);
	MemoryContextSetParent(context, CacheMemoryContext);
	c->valid = invalidations == before;
	if (c->valid)
		dlist_push_tail(&valid, &c->node);
	return c;
}

/*
 * Out of use, but for those who have it
 */
static void
retire(Callable *c)
{
	if (c->valid)
		dlist_delete(&c->node);
	c->valid = false;
	MemoryContextSetParent(c->context, retired);
}

static void
forget_all(void)
{
	HASH_SEQ_STATUS seq;
	Entry	   *entry;

	hash_seq_init(&seq, entries);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		retire(entry->callable);
		hash_search(entries, &entry->oid, HASH_REMOVE, NULL);
	}
}

static Callable *
find(Oid oid)
{
	Entry	   *entry = entries ? hash_search(entries, &oid, HASH_FIND, NULL) : NULL;

	return entry ? entry->callable : NULL;
}

/*
 * What there is to know of a function, as it is now.  It may be used to the end
 * of the transaction.
 */
Callable *
callable_get(Oid oid)
{
	Callable   *old;
	Callable   *c;

	if (!entries)
		create_cache();
	old = find(oid);
	if (old && old->valid)
		return old;
	c = make(oid);
	old = find(oid);
	if (old)
	{
		c->usecs = old->usecs;
		c->leaves = old->leaves;
		retire(old);
	}
	else if (hash_get_num_entries(entries) >= MAX_CALLABLES)
		forget_all();
	((Entry *) hash_search(entries, &oid, HASH_ENTER, NULL))->callable = c;
	return c;
}

/*
 * The same if it is at hand, NULL otherwise: then callable_get() may fail
 */
Callable *
callable_known(Oid oid)
{
	Callable   *c = find(oid);

	return c && c->valid ? c : NULL;
}

/*
 * How long a call of the function took lately, < 0: never called
 */
double
callable_usecs(Oid oid)
{
	Callable   *c = find(oid);

	return c ? c->usecs : -1;
}

/*
 * Make a jsonb_populate_record() that keeps what it finds out in `context'
 */
void
callable_init_conversion(Callable *c, FmgrInfo *populate, MemoryContext context)
{
	fmgr_info_cxt(F_JSONB_POPULATE_RECORD, populate, context);
	fmgr_info_set_expr(c->conversion_call, populate);
}

/*
 * Until callable_unpin() the end of a transaction frees nothing.  That has to be
 * called after an error, too.
 */
void
callable_pin(void)
{
	pins++;
}

/*
 * The pinned ones may go again
 */
void
callable_unpin(void)
{
	pins--;
}
