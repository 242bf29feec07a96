/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Texts, ids and other values: equal, copied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TEXT_H
#define DURABLE_TEXT_H

#include "fmgr.h"
#include "utils/uuid.h"

extern bool text_equal(const text *a, const text *b);
extern bool text_is(const text *a, const char *b);
extern void *varlena_copy(const void *value);
extern void *fixed_copy(const void *value, Size size);
extern bool uuid_equal(const pg_uuid_t *a, const pg_uuid_t *b);

#endif							/* DURABLE_TEXT_H */
