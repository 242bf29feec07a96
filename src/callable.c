/*-------------------------------------------------------------------------
 *
 * callable.c
 *	  Calling any SQL function with a JSON object and getting jsonb back.
 *
 *	  1. The keys of the input are the names of the function's parameters, and
 *	  jsonb_populate_record converts the values: the rules are PostgreSQL's own.
 *	  A missing key takes the parameter's default; an unknown one is an error.
 *	  A function with one parameter of type jsonb gets the whole input.
 *
 *	  2. A scalar or a row comes back by to_jsonb, a set as an array, void as
 *	  NULL.
 *
 *	  3. What is known of a function is kept until pg_proc changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "callable.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "json.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/varlena.h"

static HTAB *callables = NULL;

static void
invalidate(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	Callable   *callable;

	hash_seq_init(&seq, callables);
	while ((callable = hash_seq_search(&seq)) != NULL)
		if (hashvalue == 0 ||
			GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(callable->oid)) == hashvalue)
			callable->valid = false;
}

static void
create_cache(void)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Callable)};

	callables = hash_create("durable callables", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(PROCOID, invalidate, (Datum) 0);
}

/*
 * Of several functions of a name, the one that is not built in
 */
static Oid
the_one(FuncCandidateList candidates, const char *name, bool problem_ok)
{
	Oid			result = InvalidOid;
	int			count = 0;

	if (!candidates->next)
		return candidates->oid;
	for (FuncCandidateList c = candidates; c; c = c->next)
	{
		if (get_func_namespace(c->oid) == PG_CATALOG_NAMESPACE)
			continue;
		count++;
		result = c->oid;
	}
	if (count != 1 && problem_ok)
		return InvalidOid;
	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
				 errmsg("function name \"%s\" is not unique", name),
				 errhint("A workflow or activity is known by its name alone: qualify it with its schema, or rename the others.")));
	return result;
}

/*
 * Is it a name at all: an identifier, or two?
 */
static bool
is_name(const char *name)
{
	List	   *parts;

	return SplitIdentifierString(pstrdup(name), '.', &parts) && parts != NIL && list_length(parts) <= 2;
}

/*
 * The one function of a name, which may be schema-qualified, found by the
 * search path; InvalidOid where there is no such one and problem_ok
 */
Oid
callable_resolve(const char *name, bool problem_ok)
{
	List	   *names;
	FuncCandidateList candidates;

	if (problem_ok && !is_name(name))
		return InvalidOid;
	names = stringToQualifiedNameList(name
#if PG_VERSION_NUM >= 160000
									  ,NULL
#endif
		);
	candidates = FuncnameGetCandidates(names, -1, NIL, false, false, false, true);
	if (!candidates && problem_ok)
		return InvalidOid;
	if (!candidates)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function \"%s\" does not exist", name),
				 errhint("It is looked up by name in the search_path.")));
	return the_one(candidates, name, problem_ok);
}

void
init_to_jsonb(FmgrInfo *finfo, Oid type, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Node	   *arg = (Node *) makeNullConst(type, -1, InvalidOid);

	fmgr_info_cxt(F_TO_JSONB, finfo, context);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL), finfo);
	MemoryContextSwitchTo(old);
}

Jsonb *
datum_to_json(FmgrInfo *to_jsonb, Datum value)
{
	return DatumGetJsonbP(FunctionCall1(to_jsonb, value));
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
 * What converts the input: jsonb_populate_record over a row of the arguments
 */
static void
load_conversion(Callable *c)
{
	bool	   *nulls = palloc(Max(c->nargs, 1) * sizeof(bool));
	Datum	   *values = palloc0(Max(c->nargs, 1) * sizeof(Datum));
	List	   *args;

	c->argdesc = CreateTemplateTupleDesc(c->nargs);
	for (int i = 0; i < c->nargs; i++)
	{
		char		unnamed[16];

		snprintf(unnamed, sizeof(unnamed), "$%d", i + 1);
		if (!c->argnames[i])
			c->argnames[i] = pstrdup(unnamed);
		TupleDescInitEntry(c->argdesc, i + 1, c->argnames[i], c->argtypes[i], -1, 0);
		nulls[i] = true;
	}
	BlessTupleDesc(c->argdesc);
	c->base = HeapTupleGetDatum(heap_form_tuple(c->argdesc, values, nulls));

	args = list_make2(makeNullConst(RECORDOID, -1, InvalidOid), makeNullConst(JSONBOID, -1, InvalidOid));
	fmgr_info_cxt(F_JSONB_POPULATE_RECORD, &c->populate, c->context);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID, args, InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL), &c->populate);
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
	c->valid = true;
}

/*
 * What there is to know of a function; stays valid until pg_proc changes
 */
Callable *
callable_get(Oid oid)
{
	Callable   *c;
	bool		found;

	if (!callables)
		create_cache();
	c = hash_search(callables, &oid, HASH_ENTER, &found);
	if (!found)
	{
		memset(c, 0, sizeof(Callable));
		c->oid = oid;
		c->usecs = -1;
	}
	if (!c->valid)
	{
		double		usecs = c->usecs;

		if (c->context)
			MemoryContextDelete(c->context);
		memset(c, 0, sizeof(Callable));
		c->oid = oid;
		c->usecs = usecs;
		c->context = AllocSetContextCreate(CacheMemoryContext, "durable callable", ALLOCSET_SMALL_SIZES);
		load(c);
	}
	return c;
}

/*
 * The same if it is at hand, NULL otherwise: then callable_get() may fail
 */
Callable *
callable_known(Oid oid)
{
	Callable   *c = callables ? hash_search(callables, &oid, HASH_FIND, NULL) : NULL;

	return c && c->valid ? c : NULL;
}

/*
 * How long a call of the function took lately, < 0: never called
 */
double
callable_usecs(Oid oid)
{
	Callable   *c = callables ? hash_search(callables, &oid, HASH_FIND, NULL) : NULL;

	return c ? c->usecs : -1;
}

static int
find_argument(Callable *c, const char *name, int len)
{
	for (int i = 0; i < c->nargs; i++)
		if (strncmp(c->argnames[i], name, len) == 0 && c->argnames[i][len] == '\0')
			return i;
	return -1;
}

static void
unknown_key(Callable *c, const char *key, int len)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < c->nargs; i++)
		appendStringInfo(&names, "%s%s", i ? ", " : "", c->argnames[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("function %s has no parameter \"%.*s\"", c->name, len, key),
			 c->nargs ? errhint("Its parameters are: %s.", names.data) : errhint("It has no parameters.")));
}

/*
 * Which parameters does the input give?  Errors on keys that are none.
 */
static void
mark_given(Callable *c, Jsonb *input, bool *given)
{
	JsonbIterator *it = JsonbIteratorInit(&input->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	memset(given, 0, c->nargs * sizeof(bool));
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		if (token == WJB_KEY)
		{
			int			arg = find_argument(c, v.val.string.val, v.val.string.len);

			if (arg < 0)
				unknown_key(c, v.val.string.val, v.val.string.len);
			given[arg] = true;
		}
}

static Datum
evaluate_default(Callable *c, int arg, bool *isnull)
{
	Node	   *node = list_nth(c->defaults, arg - (c->nargs - c->ndefaults));
	EState	   *estate = CreateExecutorState();
	ExprState  *expr = ExecPrepareExpr((Expr *) node, estate);
	MemoryContext old = CurrentMemoryContext;
	Datum		value = ExecEvalExprSwitchContext(expr, GetPerTupleExprContext(estate), isnull);

	MemoryContextSwitchTo(old);
	if (!*isnull)
		value = datumCopy(value, get_typbyval(c->argtypes[arg]), get_typlen(c->argtypes[arg]));
	FreeExecutorState(estate);
	return value;
}

/*
 * Convert the input to the arguments of a call
 */
static void
convert_input(Callable *c, Jsonb *input, NullableDatum *args)
{
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	bool		given[FUNC_MAX_ARGS];

	if (c->whole_input)
	{
		args[0].value = JsonbPGetDatum(input);
		args[0].isnull = false;
		return;
	}
	if (!JB_ROOT_IS_OBJECT(input))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input of %s must be a JSON object", c->name),
				 errdetail("Its keys are the names of the function's parameters.")));
	mark_given(c, input, given);
	if (c->nargs > 0)
	{
		HeapTupleData tuple = {0};

		tuple.t_data = DatumGetHeapTupleHeader(FunctionCall2(&c->populate, c->base, JsonbPGetDatum(input)));
		tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
		heap_deform_tuple(&tuple, c->argdesc, values, nulls);
	}
	for (int i = 0; i < c->nargs; i++)
	{
		if (!given[i])
		{
			if (i < c->nargs - c->ndefaults)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("input of %s has no \"%s\"", c->name, c->argnames[i]),
						 errdetail("The parameter has no default.")));
			values[i] = evaluate_default(c, i, &nulls[i]);
		}
		args[i].value = values[i];
		args[i].isnull = nulls[i];
	}
}

/*
 * Would the input do?  Errors where not.
 */
void
callable_check_input(Callable *callable, Jsonb *input)
{
	NullableDatum args[FUNC_MAX_ARGS];

	convert_input(callable, input, args);
}

static Jsonb *
rows_to_json(Callable *c, Tuplestorestate *store, TupleDesc desc)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	bool		single = desc->natts == 1 && c->rettype != RECORDOID && !type_is_rowtype(c->rettype);
	JsonBuilder b;

	json_array_begin(&b);
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		bool		isnull = false;
		Datum		value = single ? slot_getattr(slot, 1, &isnull) : ExecFetchSlotHeapTupleDatum(slot);

		/* a copy, since the slot is cleared before the array is made */
		json_array_add(&b, isnull ? NULL : c->rettype == JSONBOID ? DatumGetJsonbPCopy(value) :
					   datum_to_json(&c->to_jsonb, value));
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	return json_array_end(&b);
}

/*
 * The arguments as constants of an expression
 */
static List *
as_consts(Callable *c, NullableDatum *args)
{
	List	   *consts = NIL;

	for (int i = 0; i < c->nargs; i++)
		consts = lappend(consts, makeConst(c->argtypes[i], -1, get_typcollation(c->argtypes[i]),
										   get_typlen(c->argtypes[i]), args[i].value, args[i].isnull,
										   get_typbyval(c->argtypes[i])));
	return consts;
}

/*
 * The rows of a set-returning function as a JSON array
 */
static Jsonb *
call_set(Callable *c, NullableDatum *args)
{
	FuncExpr   *call;
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = GetPerTupleExprContext(estate);
	MemoryContext arguments = AllocSetContextCreate(CurrentMemoryContext, "durable arguments", ALLOCSET_SMALL_SIZES);
	TupleDesc	desc;
	TupleDesc	expected;
	SetExprState *state;
	Tuplestorestate *store;
	Jsonb	   *result;
	MemoryContext old;

	if (get_func_result_type(c->oid, NULL, &desc) == TYPEFUNC_COMPOSITE)
		expected = CreateTupleDescCopy(desc);
	else
	{
		expected = CreateTemplateTupleDesc(1);
		TupleDescInitEntry(expected, 1, "value", c->rettype, -1, 0);
	}
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	call = makeFuncExpr(c->oid, c->rettype, as_consts(c, args), DEFAULT_COLLATION_OID,
						DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
	call->funcretset = true;
	state = ExecInitTableFunctionResult((Expr *) call, econtext, NULL);
	store = ExecMakeTableFunctionResult(state, econtext, arguments, expected, false);
	MemoryContextSwitchTo(old);

	result = rows_to_json(c, store, BlessTupleDesc(expected));
	FreeExecutorState(estate);
	return result;
}

static Jsonb *
call_single(Callable *c, NullableDatum *args, bool may_commit)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	FmgrInfo	finfo;
	CallContext call = {.type = T_CallContext, .atomic = !may_commit};
	PgStat_FunctionCallUsage usage;
	Datum		value;

	fmgr_info(c->oid, &finfo);
	InitFunctionCallInfoData(*fcinfo, &finfo, c->nargs, DEFAULT_COLLATION_OID,
							 c->procedure ? (Node *) &call : NULL, NULL);
	for (int i = 0; i < c->nargs; i++)
	{
		if (args[i].isnull && finfo.fn_strict)
			return NULL;
		fcinfo->args[i] = args[i];
	}
	pgstat_init_function_usage(fcinfo, &usage);
	value = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	if (fcinfo->isnull || c->rettype == VOIDOID)
		return NULL;
	if (may_commit)
		EnsurePortalSnapshotExists();
	return c->rettype == JSONBOID ? DatumGetJsonbP(value) : datum_to_json(&c->to_jsonb, value);
}

static void
check_execute(Callable *callable)
{
	AclResult	acl = function_aclcheck(callable->oid, GetUserId());

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, callable->procedure ? OBJECT_PROCEDURE : OBJECT_FUNCTION, callable->name);
}

/*
 * Call a function.  EXECUTE is checked for the current role.  The result lies
 * in the current memory context; NULL stands for SQL NULL and void.
 */
Jsonb *
callable_call(Callable *callable, Jsonb *input)
{
	NullableDatum args[FUNC_MAX_ARGS];

	check_execute(callable);
	convert_input(callable, input, args);
	return callable->retset ? call_set(callable, args) : call_single(callable, args, false);
}

/*
 * May a procedure COMMIT?  Not with settings or a role of its own, since those
 * could not be taken off at the COMMIT (see PostgreSQL's ExecuteCallStmt()).
 */
static bool
may_commit(Callable *callable)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(callable->oid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", callable->oid);
	result = heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
		!((Form_pg_proc) GETSTRUCT(tuple))->prosecdef;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Call a procedure so that it may COMMIT.  The caller is connected to SPI in
 * the same way, has an active portal (portal.c), no snapshot of its own, and
 * no subtransaction.
 */
Jsonb *
callable_call_procedure(Callable *callable, Jsonb *input)
{
	NullableDatum args[FUNC_MAX_ARGS];

	check_execute(callable);
	PushActiveSnapshot(GetTransactionSnapshot());
	convert_input(callable, input, args);
	PopActiveSnapshot();
	return call_single(callable, args, may_commit(callable));
}
