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
 *	  3. What is known of a function is kept: callable_cache.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "call/convert.h"
#include "call/defaults.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/varlena.h"

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
 * The input as a row of the arguments
 */
static Datum
populate(Callable *c, Datum input)
{
	FmgrInfo	fresh;
	Datum		result;

	if (!c->plain)
	{
		callable_init_conversion(c, &fresh, CurrentMemoryContext);
		return FunctionCall2(&fresh, c->base, input);
	}
	/* an error may have left it half made; plain types do not come back here */
	if (c->converting)
	{
		MemoryContextReset(c->conversion);
		callable_init_conversion(c, &c->populate, c->conversion);
	}
	c->converting = true;
	result = FunctionCall2(&c->populate, c->base, input);
	c->converting = false;
	return result;
}

/*
 * Convert the input to the arguments of a call, and tell which of them it gives
 */
static void
convert_input(Callable *c, Jsonb *input, NullableDatum *args, bool *given)
{
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];

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

		tuple.t_data = DatumGetHeapTupleHeader(populate(c, JsonbPGetDatum(input)));
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
 * The input of a run of this function: as it is, and with defaults that belong
 * to the start (defaults.c).  Errors where it does not do.
 */
Jsonb *
callable_complete_input(Callable *callable, Jsonb *input)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		given[FUNC_MAX_ARGS];

	convert_input(callable, input, args, given);
	return callable->whole_input ? input : input_with_defaults(callable, input, args, given);
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

/* By whom a function is called */
typedef struct Caller
{
	bool		clone;			/* it is a clone, called by the engine */
	Oid			definer;		/* to run as, InvalidOid: the current role */
} Caller;

static const Caller as_anybody = {false, InvalidOid};

typedef struct CallFrame
{
	Oid			user;
	int			sec_context;
} CallFrame;

/*
 * Be a role up to end_call(), as in a SECURITY DEFINER function of it; or stay
 * (InvalidOid).  An error needs no cleanup: the (sub)transaction's abort does it.
 */
static void
begin_call(Oid role, CallFrame *back)
{
	GetUserIdAndSecContext(&back->user, &back->sec_context);
	if (OidIsValid(role))
		SetUserIdAndSecContext(role, back->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

static void
end_call(const CallFrame *back)
{
	SetUserIdAndSecContext(back->user, back->sec_context);
}

/*
 * The rows of a set-returning function as a JSON array
 */
static Jsonb *
call_set(Callable *c, NullableDatum *args, const Caller *caller)
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
	CallFrame	back;

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
	/* here the server asks for EXECUTE, which nobody has on a clone but its owner */
	begin_call(caller->clone ? durable_owner() : InvalidOid, &back);
	state = ExecInitTableFunctionResult((Expr *) call, econtext, NULL);
	end_call(&back);
	begin_call(caller->definer, &back);
	store = ExecMakeTableFunctionResult(state, econtext, arguments, expected, false);
	end_call(&back);
	MemoryContextSwitchTo(old);

	result = rows_to_json(c, store, BlessTupleDesc(expected));
	FreeExecutorState(estate);
	return result;
}

static Jsonb *
call_single(Callable *c, NullableDatum *args, bool may_commit, const Caller *caller)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	FmgrInfo	finfo;
	CallContext call = {.type = T_CallContext, .atomic = !may_commit};
	PgStat_FunctionCallUsage usage;
	CallFrame	back;
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
	begin_call(caller->definer, &back);
	value = FunctionCallInvoke(fcinfo);
	end_call(&back);
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

static Jsonb *
call_converted(Callable *c, NullableDatum *args, const Caller *caller)
{
	return c->retset ? call_set(c, args, caller) : call_single(c, args, false, caller);
}

/*
 * Call a function.  EXECUTE is checked for the current role.  The result lies
 * in the current memory context; NULL stands for SQL NULL and void.
 */
Jsonb *
callable_call(Callable *callable, Jsonb *input)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		given[FUNC_MAX_ARGS];

	check_execute(callable);
	convert_input(callable, input, args, given);
	return call_converted(callable, args, &as_anybody);
}

/*
 * Call a clone, on which nobody has EXECUTE (clone.c); the caller has decided
 * that it may be.  It runs as `definer', InvalidOid: as the current role, which
 * converts its input and result in any case.
 */
Jsonb *
callable_call_clone(Callable *callable, Jsonb *input, Oid definer)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		given[FUNC_MAX_ARGS];
	Caller		caller = {.clone = true, .definer = definer};

	convert_input(callable, input, args, given);
	return call_converted(callable, args, &caller);
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
	bool		given[FUNC_MAX_ARGS];
	Jsonb	   *volatile result = NULL;

	check_execute(callable);
	PushActiveSnapshot(GetTransactionSnapshot());
	convert_input(callable, input, args, given);
	PopActiveSnapshot();
	callable_pin();
	PG_TRY();
	{
		result = call_single(callable, args, may_commit(callable), &as_anybody);
	}
	PG_FINALLY();
	{
		callable_unpin();
	}
	PG_END_TRY();
	return result;
}
