/*-------------------------------------------------------------------------
 *
 * api_kinds.c
 *	  What the views ask about types of events and kinds of messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/history.h"
#include "store/kinds.h"
#include "store/message.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(durable_event_type_name);
Datum
durable_event_type_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(event_type_name((EventType) PG_GETARG_INT16(0))));
}

/* durable.event_type_number(name) */
PG_FUNCTION_INFO_V1(durable_event_type_number);
Datum
durable_event_type_number(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int type = 1; type <= EVENT_TYPE_LAST; type++)
		if (strcmp(event_type_name((EventType) type), name) == 0)
			PG_RETURN_INT16(type);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized event type \"%s\"", name)));
}

static Datum
text_or_null(FunctionCallInfo fcinfo, const char *value)
{
	if (!value)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

/* durable.event_name_key(type, wait) */
PG_FUNCTION_INFO_V1(durable_event_name_key);
Datum
durable_event_name_key(PG_FUNCTION_ARGS)
{
	EventType	type = PG_ARGISNULL(0) ? 0 : (EventType) PG_GETARG_INT16(0);

	if (type == EVENT_TIMER_STARTED && !PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	/* most names are of signals; an event that has none does not matter */
	return text_or_null(fcinfo, event_kind(type)->name_key ? event_kind(type)->name_key : "signal");
}

/* durable.event_payload_key(type) */
PG_FUNCTION_INFO_V1(durable_event_payload_key);
Datum
durable_event_payload_key(PG_FUNCTION_ARGS)
{
	return text_or_null(fcinfo, event_kind((EventType) PG_GETARG_INT16(0))->payload_key);
}

/* durable.event_rest_key(type) */
PG_FUNCTION_INFO_V1(durable_event_rest_key);
Datum
durable_event_rest_key(PG_FUNCTION_ARGS)
{
	return text_or_null(fcinfo, event_kind((EventType) PG_GETARG_INT16(0))->rest_key);
}

/* durable.message_kind_name(kind) */
PG_FUNCTION_INFO_V1(durable_message_kind_name);
Datum
durable_message_kind_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(mail_kind((MessageKind) PG_GETARG_INT16(0))->name));
}

/* durable.message_kind_number(name) */
PG_FUNCTION_INFO_V1(durable_message_kind_number);
Datum
durable_message_kind_number(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int kind = 1; kind <= MESSAGE_KIND_LAST; kind++)
		if (strcmp(mail_kind((MessageKind) kind)->name, name) == 0)
			PG_RETURN_INT16(kind);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized message kind \"%s\"", name)));
}
