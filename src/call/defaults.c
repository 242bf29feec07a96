/*-------------------------------------------------------------------------
 *
 * defaults.c
 *	  Defaults of a workflow's parameters, as part of the input of a run.
 *
 *	  1. A turn calls the function with what was recorded at the start, so a default
 *	  that could come out differently at the next turn (the clock, a sequence, a
 *	  function that may be replaced) is evaluated once, by who starts the run, and
 *	  recorded with the input.
 *
 *	  2. A default that cannot change but with the function's text belongs to the
 *	  text, which is pinned.  It is not recorded: an input says no more than it must.
 *
 *	  3. What is recorded is what jsonb_populate_record() makes the same value of.
 *	  Where to_jsonb() does not promise that, it is the value's text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/json.h"
#include "call/callable_cache.h"
#include "call/convert.h"
#include "call/defaults.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

static bool
is_replaceable(Oid function, void *context)
{
	return function >= FirstNormalObjectId || func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

static bool
calls_replaceable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_replaceable, context) ||
		expression_tree_walker(node, calls_replaceable, context);
}

/*
 * Can the value change while the function's text does not?
 */
static bool
may_change(Node *expression)
{
	return contain_mutable_functions(expression) || calls_replaceable(expression, NULL);
}

/*
 * Types whose values come back from to_jsonb() as they were
 */
static bool
is_json_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case TEXTOID:
		case VARCHAROID:
		case UUIDOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

static bool
is_plain_array(Oid type, Datum value)
{
	ArrayType  *array;

	if (!is_json_type(get_element_type(type)))
		return false;
	array = DatumGetArrayTypeP(value);
	return ARR_NDIM(array) == 0 || (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] == 1);
}

static Jsonb *
value_to_json(Oid type, Datum value)
{
	FmgrInfo	to_jsonb;

	init_to_jsonb(&to_jsonb, type, CurrentMemoryContext);
	return datum_to_json(&to_jsonb, value);
}

static bool
is_json_null(Jsonb *value)
{
	JsonbValue	v;

	return JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &v) && v.type == jbvNull;
}

/*
 * Add a parameter; a JSON null would come back as an SQL NULL, and is left to
 * the turns
 */
static void
add_value(JsonBuilder *b, const char *name, Oid type, const NullableDatum *arg)
{
	Oid			output;
	bool		varlena;

	if (arg->isnull)
		json_add_jsonb(b, name, json_null());
	else if (type == JSONOID || type == JSONBOID)
	{
		Jsonb	   *value = value_to_json(type, arg->value);

		if (!is_json_null(value))
			json_add_jsonb(b, name, value);
	}
	else if (is_json_type(type) || is_plain_array(type, arg->value))
		json_add_jsonb(b, name, value_to_json(type, arg->value));
	else
	{
		getTypeOutputInfo(type, &output, &varlena);
		json_add_text(b, name, OidOutputFunctionCall(output, arg->value));
	}
}

/*
 * The input with the defaults that were evaluated for it; `given' says which
 * arguments the input gives itself
 */
Jsonb *
input_with_defaults(Callable *c, Jsonb *input, const NullableDatum *args, const bool *given)
{
	JsonBuilder b;
	bool		any = false;

	for (int i = c->nargs - c->ndefaults; i < c->nargs; i++)
	{
		if (given[i] || !may_change(list_nth(c->defaults, i - (c->nargs - c->ndefaults))))
			continue;
		if (!any)
			json_begin(&b);
		any = true;
		add_value(&b, c->argnames[i], c->argtypes[i], &args[i]);
	}
	if (!any)
		return input;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(input), JsonbPGetDatum(json_end(&b))));
}
