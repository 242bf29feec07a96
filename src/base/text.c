/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Texts, ids and other values: equal, copied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/text.h"

/*
 * Are they the same, byte by byte?
 */
bool
text_equal(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Is a text this string?
 */
bool
text_is(const text *a, const char *b)
{
	size_t		length = strlen(b);

	return VARSIZE_ANY_EXHDR(a) == length && memcmp(VARDATA_ANY(a), b, length) == 0;
}

/*
 * A copy of a text, a JSON document or an array in the current memory context,
 * detoasted; NULL for NULL
 */
void *
varlena_copy(const void *value)
{
	return value ? PG_DETOAST_DATUM_COPY(PointerGetDatum(value)) : NULL;
}

/*
 * The same for a value of a fixed size
 */
void *
fixed_copy(const void *value, Size size)
{
	return value ? memcpy(palloc(size), value, size) : NULL;
}

/*
 * Are they the same?
 */
bool
uuid_equal(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t)) == 0;
}
