/*-------------------------------------------------------------------------
 *
 * activity_option.c
 *	  The options of activities.
 *
 *	  A row for each: what calls take (activity_args.c), what activity_scheduled
 *	  says and a reset reads again, and what operators may change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/activity.h"
#include "store/activity_option.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#define AT(field)	offsetof(Activity, field)

const ActivityOption activity_options[] = {
	{"start_to_close", OPTION_SPAN, AT(start_to_close), 2, 3},
	{"schedule_to_close", OPTION_SPAN, AT(schedule_to_close), 3, 4},
	{"schedule_to_start", OPTION_SPAN, AT(schedule_to_start), 4, 5},
	{"heartbeat", OPTION_SPAN, AT(heartbeat), 5, 6},
	{"retry", OPTION_RETRY, AT(retry), 6, 7},
	{"priority", OPTION_PRIORITY, AT(priority), 7, 8},
	{"fairness_key", OPTION_KEY, AT(fairness_key), 8},
	{"fairness_weight", OPTION_WEIGHT, AT(weight), 9},
	{"activity_id", OPTION_ID, AT(activity_id), 10},
	{"cancellation", OPTION_CANCELLATION, AT(cancellation), 12},
	{NULL}
};

const char *const cancellation_names[3] = {"try_cancel", "wait", "abandon"};

#define VALUE(type, a, option)	((type *) ((char *) (a) + (option)->offset))

void
option_copy(const ActivityOption *option, Activity *to, const Activity *from)
{
	static const Size sizes[] = {
		[OPTION_SPAN] = sizeof(int64), [OPTION_RETRY] = sizeof(Jsonb *), [OPTION_PRIORITY] = sizeof(int),
		[OPTION_KEY] = sizeof(text *), [OPTION_WEIGHT] = sizeof(double), [OPTION_ID] = sizeof(text *),
		[OPTION_CANCELLATION] = sizeof(Cancellation)
	};

	memcpy(VALUE(char, to, option), VALUE(char, from, option), sizes[option->kind]);
}

static char *
span_text(int64 usecs)
{
	Interval	span = {.time = usecs};

	return usecs == 0 ? NULL :
		DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(&span)));
}

/*
 * Add those that are given
 */
void
options_describe(JsonBuilder *b, const Activity *a)
{
	for (const ActivityOption *o = activity_options; o->name; o++)
	{
		const text *value;

		switch (o->kind)
		{
			case OPTION_SPAN:
				json_add_text(b, o->name, span_text(*VALUE(const int64, a, o)));
				break;
			case OPTION_RETRY:
				json_add_jsonb(b, o->name, *VALUE(Jsonb *const, a, o));
				break;
			case OPTION_PRIORITY:
				if (*VALUE(const int, a, o) > 0)
					json_add_int(b, o->name, *VALUE(const int, a, o));
				break;
			case OPTION_WEIGHT:
				if (*VALUE(const double, a, o) > 0)
					json_add_text(b, o->name, float8out_internal(*VALUE(const double, a, o)));
				break;
			case OPTION_KEY:
			case OPTION_ID:
				value = *VALUE(text *const, a, o);
				json_add_text(b, o->name, value ? text_to_cstring(value) : NULL);
				break;
			case OPTION_CANCELLATION:
				if (*VALUE(const Cancellation, a, o) != CANCELLATION_TRY)
					json_add_text(b, o->name, cancellation_names[*VALUE(const Cancellation, a, o)]);
				break;
		}
	}
}

static int64
described_span(const char *value)
{
	return durable_interval_usecs(DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
																		ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

static Cancellation
described_cancellation(const char *value)
{
	for (Cancellation c = CANCELLATION_TRY; c <= CANCELLATION_ABANDON; c++)
		if (strcmp(value, cancellation_names[c]) == 0)
			return c;
	return CANCELLATION_TRY;
}

/*
 * The inverse, into an activity with the defaults
 */
void
options_of_description(Jsonb *attributes, Activity *a)
{
	for (const ActivityOption *o = activity_options; o->name; o++)
	{
		JsonbValue *policy = o->kind == OPTION_RETRY ? json_find(attributes, o->name) : NULL;
		char	   *value = o->kind == OPTION_RETRY ? NULL : json_find_text(attributes, o->name);

		if (policy)
			*VALUE(Jsonb *, a, o) = JsonbValueToJsonb(policy);
		if (!value)
			continue;
		switch (o->kind)
		{
			case OPTION_SPAN:
				*VALUE(int64, a, o) = described_span(value);
				break;
			case OPTION_PRIORITY:
				*VALUE(int, a, o) = (int) strtod(value, NULL);
				break;
			case OPTION_WEIGHT:
				*VALUE(double, a, o) = strtod(value, NULL);
				break;
			case OPTION_KEY:
			case OPTION_ID:
				*VALUE(text *, a, o) = cstring_to_text(value);
				break;
			case OPTION_CANCELLATION:
				*VALUE(Cancellation, a, o) = described_cancellation(value);
				break;
			case OPTION_RETRY:
				break;
		}
	}
}
