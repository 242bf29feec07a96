/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Checks of what callers pass.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/options.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/guc.h"
#include "base/json.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "run/start.h"
#include "shared/fairness.h"
#include "shared/shmem.h"
#include "store/payload.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* As in Temporal */
#define MAX_FAIRNESS_KEY_LENGTH	64

text *
arg_text(FunctionCallInfo fcinfo, int arg, const char *name, bool required)
{
	if (!PG_ARGISNULL(arg))
		return PG_GETARG_TEXT_PP(arg);
	if (required)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	return NULL;
}

Jsonb *
arg_jsonb(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : PG_GETARG_JSONB_P(arg);
}

/*
 * A span of time that is not negative
 */
Interval *
arg_interval(FunctionCallInfo fcinfo, int arg, const char *name)
{
	Interval   *span;

	if (PG_ARGISNULL(arg))
		return NULL;
	span = PG_GETARG_INTERVAL_P(arg);
	if (durable_interval_usecs(span) > DURABLE_MAX_SPAN)
		ereport(ERROR,
				(errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
				 errmsg("\"%s\" must not be longer than %d years: %s", name, DURABLE_MAX_YEARS,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(span))))));
	if (durable_interval_usecs(span) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must not be negative: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(span))))));
	return span;
}

/*
 * An id: neither empty nor longer than Temporal's
 */
text *
arg_id(FunctionCallInfo fcinfo, int arg, const char *name, bool required)
{
	text	   *id = arg_text(fcinfo, arg, name, required);

	if (id && VARSIZE_ANY_EXHDR(id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must not be empty", name)));
	if (id && VARSIZE_ANY_EXHDR(id) > MAX_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_WF_LIMIT),
				 errmsg("\"%s\" of %d bytes exceeds the limit of %d bytes",
						name, (int) VARSIZE_ANY_EXHDR(id), MAX_ID_LENGTH)));
	return id;
}

text *
arg_namespace(FunctionCallInfo fcinfo, int arg)
{
	text	   *namespace = arg_id(fcinfo, arg, "namespace", false);

	return namespace ? namespace : cstring_to_text(durable_namespace);
}

/*
 * A JSON object, or NULL
 */
Jsonb *
arg_object(FunctionCallInfo fcinfo, int arg, const char *name)
{
	Jsonb	   *value = arg_jsonb(fcinfo, arg);

	if (value && !JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a JSON object: %s", name, json_to_cstring(value))));
	payload_check(value, name);
	return value;
}

static void
bad_retry(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" of a retry policy must be %s", key, wanted),
			 errhint("Make the policy with wf_retry().")));
}

static void
check_number(const char *key, JsonbValue *v, double least, double most, const char *wanted)
{
	double		number;

	if (v->type != jbvNumeric)
		bad_retry(key, wanted);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v->val.numeric)));
	if (number < least || number > most)
		bad_retry(key, wanted);
}

static void
check_span(Jsonb *policy, const char *key, JsonbValue *v)
{
	Interval   *span;

	if (v->type != jbvString)
		bad_retry(key, "an interval");
	span = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(json_find_text(policy, key)),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (durable_interval_usecs(span) > DURABLE_MAX_SPAN)
		bad_retry(key, psprintf("an interval that is not longer than %d years", DURABLE_MAX_YEARS));
	if (durable_interval_usecs(span) < 0)
		bad_retry(key, "an interval that is not negative");
}

static bool
is_array_of_strings(JsonbValue *v)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (v->type != jbvBinary || !JsonContainerIsArray(v->val.binary.data))
		return false;
	it = JsonbIteratorInit(v->val.binary.data);
	(void) JsonbIteratorNext(&it, &element, true);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM && element.type != jbvString)
			return false;
	return true;
}

static void
check_retry_key(Jsonb *policy, char *key, JsonbValue *v)
{
	if (v->type == jbvNull)
		return;
	if (strcmp(key, "max_attempts") == 0)
		check_number(key, v, 0, INT_MAX, "a number from 0 (no limit) on");
	else if (strcmp(key, "backoff") == 0)
		check_number(key, v, 1, 1e6, "a number from 1 on");
	else if (strcmp(key, "jitter") == 0)
		check_number(key, v, 0, 1, "a number from 0 to 1");
	else if (strcmp(key, "initial_interval") == 0 || strcmp(key, "max_interval") == 0)
		check_span(policy, key, v);
	else if (strcmp(key, "non_retryable") == 0)
	{
		if (!is_array_of_strings(v))
			bad_retry(key, "an array of error types or SQLSTATEs");
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized key \"%s\" in a retry policy", key),
				 errhint("Make the policy with wf_retry().")));
}

/*
 * A retry policy, as wf_retry() makes it
 */
Jsonb *
arg_retry(FunctionCallInfo fcinfo, int arg)
{
	Jsonb	   *policy = arg_object(fcinfo, arg, "retry");
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *key = NULL;

	if (!policy)
		return NULL;
	it = JsonbIteratorInit(&policy->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			check_retry_key(policy, key, &v);
	}
	return policy;
}

/*
 * Which of some choices an argument is
 */
int
arg_choice(FunctionCallInfo fcinfo, int arg, const char *name, const char *const *choices, int count)
{
	char	   *value = text_to_cstring(arg_text(fcinfo, arg, name, true));
	StringInfoData all;

	for (int i = 0; i < count; i++)
		if (strcmp(value, choices[i]) == 0)
			return i;
	initStringInfo(&all);
	for (int i = 0; i < count; i++)
		appendStringInfo(&all, "%s%s", i ? ", " : "", choices[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value \"%s\" for \"%s\"", value, name),
			 errhint("Valid values are: %s.", all.data)));
	return 0;
}

/*
 * The failure an activity reports: arguments type, message, details,
 * non_retryable and next_retry_delay, from `first' on
 */
Jsonb *
arg_failure(FunctionCallInfo fcinfo, int first, int attempt)
{
	char	   *type = text_to_cstring(arg_id(fcinfo, first, "type", true));
	text	   *message = arg_text(fcinfo, first + 1, "message", false);
	Jsonb	   *details = arg_jsonb(fcinfo, first + 2);
	bool		non_retryable = !PG_ARGISNULL(first + 3) && PG_GETARG_BOOL(first + 3);
	Interval   *delay = arg_interval(fcinfo, first + 4, "next_retry_delay");

	payload_check(details, "details");
	return failure_of_activity(type, message ? text_to_cstring(message) : NULL, details, non_retryable, delay, attempt);
}

/*
 * An array that is not null
 */
ArrayType *
arg_text_array(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		(void) arg_text(fcinfo, arg, name, true);
	return PG_GETARG_ARRAYTYPE_P(arg);
}

/*
 * A priority from 1, the highest, to 5; 0 for null
 */
int
arg_priority(FunctionCallInfo fcinfo, int arg)
{
	int			priority = PG_ARGISNULL(arg) ? 0 : PG_GETARG_INT32(arg);

	if (!PG_ARGISNULL(arg) && (priority < 1 || priority > PRIORITIES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"priority\" must be between 1 and %d: %d", PRIORITIES, priority)));
	return priority;
}

/*
 * A fairness key, no longer than Temporal's; NULL for none
 */
text *
arg_fairness_key(FunctionCallInfo fcinfo, int arg)
{
	text	   *key = arg_id(fcinfo, arg, "fairness_key", false);

	if (key && VARSIZE_ANY_EXHDR(key) > MAX_FAIRNESS_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_WF_LIMIT),
				 errmsg("\"fairness_key\" of %d bytes exceeds the limit of %d bytes",
						(int) VARSIZE_ANY_EXHDR(key), MAX_FAIRNESS_KEY_LENGTH)));
	return key;
}

/*
 * The weight of a fairness key; 0 for null
 */
double
arg_weight(FunctionCallInfo fcinfo, int arg)
{
	double		weight = PG_ARGISNULL(arg) ? 0 : PG_GETARG_FLOAT8(arg);

	if (!PG_ARGISNULL(arg) && !(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"fairness_weight\" must be between %g and %g: %g", MIN_WEIGHT, MAX_WEIGHT, weight)));
	return weight;
}

/*
 * Weights of fairness keys: an object of numbers
 */
Jsonb *
arg_weights(FunctionCallInfo fcinfo, int arg)
{
	Jsonb	   *weights = arg_object(fcinfo, arg, "fairness_weights");
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (!weights)
		return NULL;
	it = JsonbIteratorInit(&weights->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		double		weight = -1;

		if (token != WJB_VALUE)
			continue;
		if (v.type == jbvNumeric)
			weight = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v.val.numeric)));
		if (!(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"fairness_weights\" must be numbers between %g and %g", MIN_WEIGHT, MAX_WEIGHT)));
	}
	return weights;
}

/*
 * The options of a start, whose arguments begin at `first'
 */
void
start_options(FunctionCallInfo fcinfo, int first, StartOptions *options)
{
	static const char *const running[] = {"fail", "use_existing", "terminate_existing"};
	static const char *const closed[] = {"allow", "allow_failed_only", "reject"};

	options->id = arg_id(fcinfo, first, "id", false);
	options->on_running = (OnRunning) arg_choice(fcinfo, first + 1, "on_running", running, lengthof(running));
	options->on_closed = (OnClosed) arg_choice(fcinfo, first + 2, "on_closed", closed, lengthof(closed));
	options->execution_timeout = arg_interval(fcinfo, first + 3, "execution_timeout");
	options->run_timeout = arg_interval(fcinfo, first + 4, "run_timeout");
	options->start_delay = arg_interval(fcinfo, first + 5, "start_delay");
	options->retry = arg_retry(fcinfo, first + 6);
	options->memo = arg_object(fcinfo, first + 7, "memo");
	options->search_attributes = arg_object(fcinfo, first + 8, "search_attributes");
	options->priority = arg_priority(fcinfo, first + 9);
	options->fairness_key = arg_fairness_key(fcinfo, first + 10);
	options->weight = arg_weight(fcinfo, first + 11);
	options->request_id = arg_id(fcinfo, first + 12, "request_id", false);
	options->namespace = arg_namespace(fcinfo, first + 13);
}

/*
 * Who sees the processes and figures of a role: itself, its members, and those who
 * monitor the server
 */
bool
sees_processes_of(Oid role)
{
	return has_privs_of_role(GetUserId(), role) || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}
