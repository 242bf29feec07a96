/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  Failures of activities, turns and runs as jsonb objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Of a failure's texts this much is kept, as in Temporal */
#define TEXT_LIMIT	4096

static const char *
clip(const char *text)
{
	if (text && strlen(text) > TEXT_LIMIT)
		return pnstrdup(text, pg_mbcliplen(text, strlen(text), TEXT_LIMIT));
	return text;
}

/*
 * The failure that one of our functions put into an error's DETAIL, NULL where
 * the error comes from elsewhere
 */
static Jsonb *
carried_by(const ErrorData *edata, const char *function)
{
	if (!edata->funcname || strcmp(edata->funcname, function) != 0 || !edata->detail)
		return NULL;
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(edata->detail)));
}

static const char *
type_of(const ErrorData *edata, Jsonb *cause)
{
	if (edata->sqlerrcode == ERRCODE_WF_CANCELLED)
		return "cancelled";
	return cause ? json_find_text(cause, "type") : "sql_error";
}

/*
 * An error as a failure; attempt 0 says nothing of attempts.  An activity's
 * failure that travels through workflow code becomes the `cause'.
 */
Jsonb *
failure_from_error(const ErrorData *edata, int attempt)
{
	Jsonb	   *cause = carried_by(edata, "failure_raise");
	Jsonb	   *thrown = carried_by(edata, "failure_throw");
	JsonBuilder b;

	json_begin(&b);
	if (thrown)
	{
		json_add_int(&b, "attempt", attempt);
		return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(thrown),
												  JsonbPGetDatum(json_end(&b))));
	}
	json_add_text(&b, "message", clip(edata->message));
	json_add_text(&b, "type", type_of(edata, cause));
	json_add_text(&b, "sqlstate", unpack_sql_state(edata->sqlerrcode));
	json_add_jsonb(&b, "cause", cause);
	json_add_text(&b, "detail", cause ? NULL : clip(edata->detail));
	json_add_text(&b, "hint", clip(edata->hint));
	json_add_text(&b, "context", clip(edata->context));
	if (attempt > 0)
		json_add_int(&b, "attempt", attempt);
	return json_end(&b);
}

/*
 * A failure of a type, with SQLSTATE and message; `attempt' 0: of no attempt
 */
Jsonb *
failure_make(const char *type, int sqlstate, const char *message, int attempt)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "message", message);
	json_add_text(&b, "type", type);
	json_add_text(&b, "sqlstate", unpack_sql_state(sqlstate));
	if (attempt > 0)
		json_add_int(&b, "attempt", attempt);
	return json_end(&b);
}

/*
 * The failure of a run that was over its timeout
 */
Jsonb *
failure_of_timeout(const char *which)
{
	return failure_make("timeout", ERRCODE_WF_ACTIVITY_TIMED_OUT, psprintf("%s timeout", which), 0);
}

/*
 * The failure of a run that was terminated, as wf_executions shows it too
 */
Jsonb *
failure_of_termination(const text *reason)
{
	return failure_make("terminated", ERRCODE_WF_FAILED,
						reason && VARSIZE_ANY_EXHDR(reason) > 0 ? text_to_cstring(reason) : "terminated", 0);
}

/*
 * A failure as an activity reports it of itself; details and delay may be NULL
 */
Jsonb *
failure_of_activity(const char *type, const char *message, Jsonb *details, bool non_retryable,
					const Interval *next_retry_delay, int attempt)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "message", clip(message ? message : type));
	json_add_text(&b, "type", type);
	json_add_text(&b, "sqlstate", unpack_sql_state(ERRCODE_WF_ACTIVITY_FAILED));
	json_add_jsonb(&b, "details", details);
	if (non_retryable)
		json_add_bool(&b, "non_retryable", true);
	if (next_retry_delay)
		json_add_text(&b, "next_retry_delay",
					  DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(next_retry_delay))));
	if (attempt > 0)
		json_add_int(&b, "attempt", attempt);
	return json_end(&b);
}

/*
 * Raise such a failure in activity code; failure_from_error() knows it again
 */
void
failure_throw(Jsonb *failure)
{
	ereport(ERROR,
			(errcode(ERRCODE_WF_ACTIVITY_FAILED),
			 errmsg_internal("%s", json_find_text(failure, "message")),
			 failure ? errdetail_internal("%s", json_to_cstring(failure)) : 0));
	pg_unreachable();
}

/*
 * The failure of an activity that gets no further attempt, and why, in
 * Temporal's words
 */
Jsonb *
failure_with_retry_state(Jsonb *failure, const char *state)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "retry_state", state);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}

/*
 * Does the failure say itself that no policy retries it?
 */
bool
failure_is_final(Jsonb *failure)
{
	JsonbValue *v = json_find(failure, "non_retryable");

	return v && v->type == jbvBool && v->val.boolean;
}

/*
 * Microseconds until the next attempt that the failure asks for, -1 where it
 * does not
 */
int64
failure_retry_delay(Jsonb *failure)
{
	char	   *text = json_find_text(failure, "next_retry_delay");

	if (!text)
		return -1;
	return durable_interval_usecs(DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
																		ObjectIdGetDatum(InvalidOid),
																		Int32GetDatum(-1))));
}

/*
 * Is the failure's type or SQLSTATE among a policy's non_retryable ones?
 */
bool
failure_listed(Jsonb *failure, Jsonb *retry_policy)
{
	JsonbValue *list = json_find(retry_policy, "non_retryable");
	char	   *type = json_find_text(failure, "type");
	char	   *sqlstate = json_find_text(failure, "sqlstate");
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (!list || list->type != jbvBinary)
		return false;
	it = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		if (token == WJB_ELEM && v.type == jbvString)
		{
			char	   *item = pnstrdup(v.val.string.val, v.val.string.len);

			if ((type && strcmp(item, type) == 0) || (sqlstate && strcmp(item, sqlstate) == 0))
				return true;
		}
	return false;
}

/*
 * A full disk is nobody's failure: when there is room the next attempt is not
 * to be far, whatever the policy has come to
 */
int64
failure_limit_delay(Jsonb *failure, int64 delay)
{
	char	   *sqlstate = failure && JB_ROOT_IS_OBJECT(failure) ? json_find_text(failure, "sqlstate") : NULL;

	if (!sqlstate || strlen(sqlstate) != 5 ||
		!error_is_disk(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])))
		return delay;
	return Min(delay, TROUBLE_MAX_DELAY * INT64CONST(1000));
}

/*
 * May the cause of the error pass by itself?  Serialization failures,
 * deadlocks, lost connections, lack of resources, locks, interventions.
 */
bool
error_may_pass(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):
		case MAKE_SQLSTATE('0', '8', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '5', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
			return true;
		default:
			return error_is_disk(sqlstate);
	}
}

/*
 * Raise a failure in workflow code: MESSAGE is the cause's, DETAIL the object
 */
void
failure_raise(int sqlstate, Jsonb *failure)
{
	char	   *message = json_find_text(failure, "message");

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg_internal("%s", message ? message : "failed"),
			 failure ? errdetail_internal("%s", json_to_cstring(failure)) : 0));
	pg_unreachable();
}

/*
 * Function and line out of an error's context: the innermost frame of a
 * procedural language, NULL where there is none
 */
char *
wait_location(const char *context)
{
	static const char *const prefixes[] = {"PL/pgSQL function ", "PL/Python function ", "PL/Perl function "};

	while (context && *context)
	{
		const char *end = strchr(context, '\n');

		for (int i = 0; i < lengthof(prefixes); i++)
		{
			const char *frame = context + strlen(prefixes[i]);
			char	   *line;
			char	   *at;

			if (strncmp(context, prefixes[i], strlen(prefixes[i])) != 0)
				continue;
			line = end ? pnstrdup(frame, end - frame) : pstrdup(frame);
			at = strstr(line, " at ");
			if (at)
				*at = '\0';
			return line;
		}
		context = end ? end + 1 : NULL;
	}
	return NULL;
}

/*
 * Does it come from the disk, and pass when there is room?  These are not
 * waited for any longer than our own failures are.
 */
bool
error_is_disk(int sqlstate)
{
	return sqlstate == ERRCODE_DISK_FULL || sqlstate == ERRCODE_IO_ERROR;
}
