/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Retry policies, as wf_retry() makes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/retry.h"
#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Temporal's defaults */
#define INITIAL_INTERVAL	USECS_PER_SEC
#define BACKOFF				2.0
#define MAX_INTERVAL_FACTOR 100

static double
policy_number(Jsonb *policy, const char *key, double otherwise)
{
	JsonbValue *v = json_find(policy, key);

	if (!v || v->type != jbvNumeric)
		return otherwise;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v->val.numeric)));
}

static double
policy_usecs(Jsonb *policy, const char *key, double otherwise)
{
	char	   *text = json_find_text(policy, key);

	if (!text)
		return otherwise;
	return durable_interval_usecs(DatumGetIntervalP(DirectFunctionCall3(interval_in,
																		CStringGetDatum(text),
																		ObjectIdGetDatum(InvalidOid),
																		Int32GetDatum(-1))));
}

/*
 * Is there no attempt after `attempt', by the policy's max_attempts?
 */
bool
retry_exhausted(Jsonb *policy, int attempt)
{
	double		most = policy_number(policy, "max_attempts", 0);

	return most > 0 && attempt >= most;
}

/*
 * Microseconds until the attempt after `attempt', by the policy or the
 * defaults, -1 for no further attempt
 */
int64
retry_delay(Jsonb *policy, int attempt)
{
	double		initial = policy_usecs(policy, "initial_interval", INITIAL_INTERVAL);
	double		factor = policy_number(policy, "backoff", BACKOFF);
	double		limit = policy_usecs(policy, "max_interval", initial * MAX_INTERVAL_FACTOR);
	double		jitter = policy_number(policy, "jitter", 0);
	double		delay = initial;

	if (retry_exhausted(policy, attempt))
		return -1;
	for (int i = 1; i < attempt && delay < limit; i++)
		delay *= factor;
	delay = Min(delay, limit);
	delay *= 1 - jitter * pg_prng_double(&pg_global_prng_state);
	return durable_bounded_usecs(delay);
}
