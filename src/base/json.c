/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Building and reading small jsonb objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/*
 * Begin an object; the members follow, then json_end()
 */
void
json_begin(JsonBuilder *b)
{
	b->state = NULL;
	pushJsonbValue(&b->state, WJB_BEGIN_OBJECT, NULL);
}

static void
add_key(JsonBuilder *b, const char *key)
{
	JsonbValue	k = {.type = jbvString};

	k.val.string.val = pstrdup(key);
	k.val.string.len = strlen(key);
	pushJsonbValue(&b->state, WJB_KEY, &k);
}

/*
 * Add a string; NULL adds nothing
 */
void
json_add_text(JsonBuilder *b, const char *key, const char *value)
{
	JsonbValue	v = {.type = jbvString};

	if (!value)
		return;
	add_key(b, key);
	v.val.string.val = pstrdup(value);
	v.val.string.len = strlen(value);
	pushJsonbValue(&b->state, WJB_VALUE, &v);
}

/*
 * Add a number
 */
void
json_add_int(JsonBuilder *b, const char *key, int64 value)
{
	JsonbValue	v = {.type = jbvNumeric};

	add_key(b, key);
	v.val.numeric = int64_to_numeric(value);
	pushJsonbValue(&b->state, WJB_VALUE, &v);
}

/*
 * Add true or false
 */
void
json_add_bool(JsonBuilder *b, const char *key, bool value)
{
	JsonbValue	v = {.type = jbvBool};

	add_key(b, key);
	v.val.boolean = value;
	pushJsonbValue(&b->state, WJB_VALUE, &v);
}

/*
 * Add a time in ISO 8601; DT_NOEND adds nothing
 */
void
json_add_time(JsonBuilder *b, const char *key, TimestampTz value)
{
	JsonbValue	v = {.type = jbvString};
	struct pg_tm tm;
	fsec_t		fsec;
	char		buffer[64];

	if (value == DT_NOEND)
		return;
	if (timestamp2tm(value, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	snprintf(buffer, sizeof(buffer), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
			 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
	add_key(b, key);
	v.val.string.val = pstrdup(buffer);
	v.val.string.len = strlen(buffer);
	pushJsonbValue(&b->state, WJB_VALUE, &v);
}

/*
 * Add any value; NULL adds nothing
 */
void
json_add_jsonb(JsonBuilder *b, const char *key, Jsonb *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (!value)
		return;
	add_key(b, key);
	if (JB_ROOT_IS_SCALAR(value))
	{
		(void) JsonbExtractScalar(&value->root, &v);
		pushJsonbValue(&b->state, WJB_VALUE, &v);
		return;
	}
	it = JsonbIteratorInit(&value->root);
	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		pushJsonbValue(&b->state, token, token < WJB_BEGIN_ARRAY ? &v : NULL);
}

/*
 * The object, in the current memory context
 */
Jsonb *
json_end(JsonBuilder *b)
{
	return JsonbValueToJsonb(pushJsonbValue(&b->state, WJB_END_OBJECT, NULL));
}

/*
 * Begin an array; the elements follow, then json_array_end()
 */
void
json_array_begin(JsonBuilder *b)
{
	b->state = NULL;
	pushJsonbValue(&b->state, WJB_BEGIN_ARRAY, NULL);
}

/*
 * Add an element, NULL for null; it must live until json_array_end()
 */
void
json_array_add(JsonBuilder *b, Jsonb *element)
{
	JsonbValue	v = {.type = jbvNull};

	if (element && !(JB_ROOT_IS_SCALAR(element) && JsonbExtractScalar(&element->root, &v)))
	{
		v.type = jbvBinary;
		v.val.binary.data = &element->root;
		v.val.binary.len = VARSIZE(element) - VARHDRSZ;
	}
	pushJsonbValue(&b->state, WJB_ELEM, &v);
}

/*
 * Add a string
 */
void
json_array_add_text(JsonBuilder *b, const char *element)
{
	JsonbValue	v = {.type = jbvString, .val.string = {strlen(element), (char *) element}};

	pushJsonbValue(&b->state, WJB_ELEM, &v);
}

/*
 * The array, in the current memory context
 */
Jsonb *
json_array_end(JsonBuilder *b)
{
	return JsonbValueToJsonb(pushJsonbValue(&b->state, WJB_END_ARRAY, NULL));
}

/*
 * The JSON value null
 */
Jsonb *
json_null(void)
{
	JsonbValue	v = {.type = jbvNull};

	return JsonbValueToJsonb(&v);
}

/*
 * The value of a key, NULL where there is none or it is null
 */
JsonbValue *
json_find(Jsonb *object, const char *key)
{
	JsonbValue *v;

	if (!object || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	v = getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
	return v && v->type == jbvNull ? NULL : v;
}

/*
 * The value of a key as text, as ->> gives it
 */
char *
json_find_text(Jsonb *object, const char *key)
{
	JsonbValue *v = json_find(object, key);

	if (!v)
		return NULL;
	if (v->type == jbvString)
		return pnstrdup(v->val.string.val, v->val.string.len);
	return json_to_cstring(JsonbValueToJsonb(v));
}

/*
 * The same as an id; NULL where there is none
 */
pg_uuid_t *
json_find_uuid(Jsonb *object, const char *key)
{
	char	   *value = json_find_text(object, key);

	return value ? DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(value))) : NULL;
}

/*
 * A time that json_add_time() wrote; DT_NOBEGIN where there is none
 */
TimestampTz
json_find_time(Jsonb *object, const char *key)
{
	char	   *value = json_find_text(object, key);

	return value ? DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
														   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))) : DT_NOBEGIN;
}

/*
 * A document as text
 */
char *
json_to_cstring(Jsonb *value)
{
	return JsonbToCString(NULL, &value->root, VARSIZE(value));
}

/*
 * NULL for NULL
 */
char *
uuid_to_cstring(const pg_uuid_t *id)
{
	return id ? DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))) : NULL;
}
