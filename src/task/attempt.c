/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  How attempts of activities begin and end.
 *
 *	  1. An attempt begins with a lease, a random number, and ends by naming it.
 *	  So an attempt that was given up can do no harm, even after a crash that
 *	  forgot it.
 *
 *	  2. A failed attempt is followed by another if the retry policy has one and
 *	  schedule_to_close leaves time for it.  Otherwise the activity has failed,
 *	  and its run is told by a message.
 *
 *	  3. Of the timeouts, start_to_close and heartbeat are retried like failures;
 *	  schedule_to_start and schedule_to_close never are.
 *
 *	  Ends are collected and written together.  All functions run between
 *	  store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/failure.h"
#include "base/json.h"
#include "base/retry.h"
#include "base/vec.h"
#include "common/pg_prng.h"
#include "port/pg_bswap.h"
#include "shared/stopevent.h"
#include "shared/tell.h"
#include "shared/txn.h"
#include "store/activity.h"
#include "store/attempt_log.h"
#include "store/history.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "task/attempt.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define TOKEN_BYTES		(UUID_LEN + 2 * sizeof(uint32))

/*
 * The token of an attempt that runs: run id, command and lease in hex
 */
char *
task_token(const Activity *a)
{
	uint8		bytes[TOKEN_BYTES];
	uint32		numbers[2] = {pg_hton32((uint32) a->command), pg_hton32((uint32) a->lease)};
	char	   *token = palloc(2 * TOKEN_BYTES + 1);

	memcpy(bytes, a->run_id.data, UUID_LEN);
	memcpy(bytes + UUID_LEN, numbers, sizeof(numbers));
	token[hex_encode((char *) bytes, TOKEN_BYTES, token)] = '\0';
	return token;
}

/*
 * The attempt a token is for; false where it is none
 */
bool
task_token_parse(const char *token, ActivityKey *key)
{
	uint8		bytes[TOKEN_BYTES];
	uint32		numbers[2];

	if (strlen(token) != 2 * TOKEN_BYTES || strspn(token, "0123456789abcdef") != 2 * TOKEN_BYTES)
		return false;
	(void) hex_decode(token, 2 * TOKEN_BYTES, (char *) bytes);
	memcpy(key->run_id.data, bytes, UUID_LEN);
	memcpy(numbers, bytes + UUID_LEN, sizeof(numbers));
	key->command = (int32) pg_ntoh32(numbers[0]);
	key->lease = (int32) pg_ntoh32(numbers[1]);
	return key->lease != 0;
}

/*
 * An attempt begins.  The caller writes the row.
 */
void
attempt_start(Activity *a, text *worker, TimestampTz now)
{
	do
		a->lease = (int32) pg_prng_uint32(&pg_global_prng_state);
	while (a->lease == 0);
	a->place = 0;
	a->is_parked = false;
	a->attempt++;
	a->started_at = now;
	a->worker = worker;
	a->heartbeat_at = DT_NOEND;
	a->next_attempt_at = DT_NOEND;
	a->check_at = task_check_at(a);
	STOP_EVENT(attempt_started);
	if (a->check_at != DT_NOEND)
		txn_deadline(a->check_at);
}

/*
 * Collect the ends of attempts, in memory of `context'
 */
void
attempt_ends_init(AttemptEnds *ends, MemoryContext context)
{
	ends->context = context;
	rows_init(&ends->messages, TABLE_MESSAGE, context);
	rows_init(&ends->updates, TABLE_ACTIVITY, context);
	rows_init(&ends->log, TABLE_ATTEMPT, context);
	ends->single = false;
	ends->removed = NULL;
	ends->nremoved = ends->removed_room = 0;
}

/*
 * The row of an activity, which we have locked, is to go
 */
void
attempt_remove(AttemptEnds *ends, const Activity *a)
{
	ends->removed = vec_room(ends->removed, ends->nremoved, &ends->removed_room, sizeof(ActivityKey), ends->context);
	ends->removed[ends->nremoved++] = (ActivityKey) {a->run_id, a->command, a->lease};
}

/*
 * Tell the run how its activity ended
 */
static void
tell_run(AttemptEnds *ends, const Activity *a, MessageKind kind, Jsonb *payload, Jsonb *attributes)
{
	Message		message = {
		.run_id = a->run_id, .kind = kind, .at = durable_now(), .command = a->command,
		.payload = payload, .attributes = attributes
	};

	message.payload_id = payload_set_aside(&a->run_id, &message.payload);
	if (ends->single)
		txn_mail(a->owner, mailbox_send(a->owner, &message));
	else
		mailbox_add(&ends->messages, a->owner, &message);
}

static Jsonb *
attempt_attributes(const Activity *a)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_int(&b, "attempt", a->attempt);
	json_add_time(&b, "started_at", a->started_at);
	json_add_text(&b, "worker", a->worker ? text_to_cstring(a->worker) : NULL);
	return json_end(&b);
}

/*
 * An attempt completed; the caller sees to it that its row goes
 */
void
attempt_completed(AttemptEnds *ends, const Activity *a, Jsonb *result)
{
	task_uncount(a);
	STOP_EVENT(attempt_completed);
	tell_run(ends, a, MESSAGE_ACTIVITY_COMPLETED, result, attempt_attributes(a));
}

/*
 * Microseconds until the next attempt, -1 for none: then *why says why, in
 * Temporal's words
 */
static int64
next_delay(const Activity *a, const AttemptFailure *f, const char **why)
{
	int64		delay;

	*why = "non_retryable_failure";
	if (f->final || failure_is_final(f->failure) || failure_listed(f->failure, a->retry))
		return -1;
	*why = "cancel_requested";
	if (a->cancel_requested)
		return -1;
	*why = "maximum_attempts_reached";
	if (retry_exhausted(a->retry, a->attempt))
		return -1;
	delay = failure_retry_delay(f->failure);
	if (delay < 0)
		delay = failure_limit_delay(f->failure, retry_delay(a->retry, a->attempt));
	*why = "timeout";
	if (a->schedule_to_close > 0 && durable_now() + delay > a->scheduled_at + a->schedule_to_close)
		return -1;
	return delay;
}

/*
 * A worker does not tell the number of the attempt
 */
static Jsonb *
with_attempt(Jsonb *failure, int attempt)
{
	JsonBuilder b;

	if (!failure || attempt == 0 || !JB_ROOT_IS_OBJECT(failure) || json_find(failure, "attempt"))
		return failure;
	json_begin(&b);
	json_add_int(&b, "attempt", attempt);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}

static void
try_again(AttemptEnds *ends, Activity *a, int64 delay, Jsonb *failure)
{
	TimestampTz now = durable_now();

	a->lease = 0;
	a->place = 0;
	a->is_parked = false;
	a->started_at = a->heartbeat_at = DT_NOEND;
	a->worker = NULL;
	a->last_failure = failure;
	a->next_attempt_at = now + delay;
	if (delay == 0 && a->paused_at == DT_NOEND)
		task_enqueue(a, now);
	a->check_at = task_check_at(a);
	if (a->check_at != DT_NOEND)
		txn_deadline(a->check_at);
	activity_add_update(&ends->updates, a);
	STOP_EVENT(attempt_again);
}

/*
 * An attempt was ended so that others get on: it comes again, and where nothing
 * is left of it, it was none
 */
static void
give_back(AttemptEnds *ends, Activity *a, const AttemptFailure *f)
{
	task_uncount(a);
	if (a->cancel_requested)
	{
		attempt_log_add(&ends->log, a, EVENT_ACTIVITY_CANCELED, durable_now(), NULL);
		attempt_remove(ends, a);
		tell_run(ends, a, MESSAGE_ACTIVITY_CANCELED, NULL, NULL);
		return;
	}
	if (!f->kept_work)
		a->attempt--;
	try_again(ends, a, 0, a->last_failure);
}

/*
 * An attempt of an activity, whose row we have locked, did not complete
 */
void
attempt_failed(AttemptEnds *ends, Activity *a, const AttemptFailure *f)
{
	const char *why;
	int64		delay;

	Jsonb	   *failure = f->outcome == EVENT_ACTIVITY_CANCELED ? f->failure :
		with_attempt(f->failure, a->attempt);

	if (f->gave_way)
	{
		give_back(ends, a, f);
		return;
	}
	task_uncount(a);
	STOP_EVENT(attempt_failed);
	if (a->lease != 0)
		attempt_log_add(&ends->log, a, f->outcome, durable_now(), failure);
	if (f->outcome == EVENT_ACTIVITY_CANCELED)
	{
		attempt_remove(ends, a);
		tell_run(ends, a, MESSAGE_ACTIVITY_CANCELED, NULL, f->failure);
		return;
	}
	delay = next_delay(a, f, &why);
	if (delay >= 0)
	{
		tell_retried(a->workflow_id, &a->run_id, a->name, a->attempt, failure);
		try_again(ends, a, delay, failure);
		return;
	}
	attempt_remove(ends, a);
	tell_run(ends, a, f->outcome == EVENT_ACTIVITY_TIMED_OUT ? MESSAGE_ACTIVITY_TIMED_OUT : MESSAGE_ACTIVITY_FAILED,
			 NULL, failure_with_retry_state(failure, why));
}

/*
 * Write the collected ones
 */
void
attempt_ends_write(AttemptEnds *ends)
{
	activity_remove(ends->removed, ends->nremoved);
	STOP_EVENT(ends_removed);
	activity_write_updates(&ends->updates);
	attempt_log_write(&ends->log);
	mailbox_write(&ends->messages);
	STOP_EVENT(ends_written);
}

static Jsonb *
without(Jsonb *object, const char *key)
{
	return object ? DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(object), CStringGetTextDatum(key))) : NULL;
}

/*
 * The failure of an attempt, or of the activity, that took too long.  It tells
 * of the one before, but not of all before that.
 */
Jsonb *
timeout_failure(const Activity *a, const char *which)
{
	Jsonb	   *failure = failure_make(which, ERRCODE_WF_ACTIVITY_TIMED_OUT,
									   psprintf("activity %s timed out: %s", text_to_cstring(a->name), which),
									   a->attempt);
	JsonBuilder b;

	json_begin(&b);
	json_add_jsonb(&b, "heartbeat_details", a->details);
	json_add_jsonb(&b, "last_failure", without(without(a->last_failure, "last_failure"), "heartbeat_details"));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(failure),
											  JsonbPGetDatum(json_end(&b))));
}
