/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Building and reading small jsonb objects.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_JSON_H
#define DURABLE_JSON_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct JsonBuilder
{
	JsonbParseState *state;
} JsonBuilder;

extern void json_begin(JsonBuilder *b);
extern void json_add_text(JsonBuilder *b, const char *key, const char *value);
extern void json_add_int(JsonBuilder *b, const char *key, int64 value);
extern void json_add_bool(JsonBuilder *b, const char *key, bool value);
extern void json_add_time(JsonBuilder *b, const char *key, TimestampTz value);
extern void json_add_jsonb(JsonBuilder *b, const char *key, Jsonb *value);
extern Jsonb *json_end(JsonBuilder *b);

extern void json_array_begin(JsonBuilder *b);
extern void json_array_add(JsonBuilder *b, Jsonb *element);
extern void json_array_add_text(JsonBuilder *b, const char *element);
extern Jsonb *json_array_end(JsonBuilder *b);

extern Jsonb *json_null(void);
extern JsonbValue *json_find(Jsonb *object, const char *key);
extern char *json_find_text(Jsonb *object, const char *key);
extern pg_uuid_t *json_find_uuid(Jsonb *object, const char *key);
extern TimestampTz json_find_time(Jsonb *object, const char *key);
extern char *json_to_cstring(Jsonb *value);
extern char *uuid_to_cstring(const pg_uuid_t *id);

#endif							/* DURABLE_JSON_H */
