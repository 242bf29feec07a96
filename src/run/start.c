/*-------------------------------------------------------------------------
 *
 * start.c
 *	  Writing a new run.
 *
 *	  A run that starts at once is a row in durable.execution and a message with
 *	  its input; its first turn makes the message event 1.  A run that starts
 *	  later has event 1 written here, and a timer.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/testmode.h"
#include "call/callable.h"
#include "call/callable_cache.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "run/start.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/history.h"
#include "store/identity.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/store.h"
#include "store/timer.h"
#include "task/task.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * A stamp that no run id drawn before has reached, by any session, whatever was
 * done to the clock since: `last run' means the one with the highest id.
 */
static uint64
next_stamp(uint64 stamp)
{
	static uint64 last = 0;
	static Oid	known = InvalidOid; /* schema of the extension */
	pg_atomic_uint64 *shared_last = shared ? &shared->run_stamp : NULL;
	uint64		before;

	/* those that were drawn before the server's start, or of a copy's original */
	if (known != durable_schema())
	{
		last = Max(last, find_last_stamp());
		known = durable_schema();
	}
	before = shared_last ? pg_atomic_read_u64(shared_last) : last;
	do
		stamp = Max(stamp, Max(before, last) + 1);
	while (shared_last && !pg_atomic_compare_exchange_u64(shared_last, &before, stamp));
	last = stamp;
	return stamp;
}

/*
 * A UUID of version 7: 48 bits of milliseconds, then 12 bits of their fraction,
 * which count up where that is too coarse, or the clock has gone back.
 */
void
generate_run_id(pg_uuid_t *id)
{
	/* ids of a test are of the real time: runs of an id are ordered by them */
	uint64		now = (test_mode ? GetCurrentTimestamp() : durable_now()) - SetEpochTimestamp();
	uint64		stamp = next_stamp(((now / 1000) << 12) | ((now % 1000) * 4096 / 1000));
	uint64		high;

	if (!pg_strong_random(id->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	high = pg_hton64(((stamp >> 12) << 16) | 0x7000 | (stamp & 0xFFF));
	memcpy(id->data, &high, sizeof(high));
	id->data[8] = (id->data[8] & 0x3F) | 0x80;
}

/*
 * The workflow function of a name; errors where the caller may not run it
 */
Callable *
find_workflow(const char *name)
{
	Callable   *workflow = callable_get(callable_resolve(name, false));
	AclResult	acl = function_aclcheck(workflow->oid, GetUserId());

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, workflow->name);
	if (workflow->procedure)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("workflow \"%s\" is a procedure", workflow->name),
				 errhint("A workflow is a function.")));
	return workflow;
}

/*
 * A run as a start describes it
 */
void
fill_execution(Execution *e, text *name, Callable *workflow, const StartOptions *o, Oid owner,
			   ArrayType *settings)
{
	memset(e, 0, sizeof(Execution));
	generate_run_id(&e->run_id);
	e->namespace = o->namespace;
	e->workflow_id = o->id ? o->id :
		cstring_to_text(uuid_to_cstring(&e->run_id));
	e->owner = owner;
	e->settings = settings;
	e->workflow = name;
	e->function = cstring_to_text(workflow->name);
	e->attempt = 1;
	e->started_at = durable_now();
	e->execution_deadline = o->execution_timeout ?
		durable_add_interval(e->started_at, o->execution_timeout) : DT_NOEND;
	e->run_timeout = o->run_timeout;
	e->retry = o->retry;
	e->request_id = o->request_id;
	e->memo = o->memo;
	e->search_attributes = o->search_attributes;
	/* the default is not stored */
	e->priority = o->priority == DEFAULT_PRIORITY ? 0 : o->priority;
	e->fairness_key = o->fairness_key;
	e->weight = o->weight == 1 ? 0 : o->weight;
}

/*
 * Does a policy not let a run follow one of that outcome?
 */
bool
closed_forbids(OnClosed policy, RunStatus last)
{
	bool		succeeded = last == STATUS_COMPLETED || last == STATUS_CONTINUED_AS_NEW;

	return policy == ON_CLOSED_REJECT || (policy == ON_CLOSED_ALLOW_FAILED_ONLY && succeeded);
}

/*
 * The first event of a run that has to wait for its first turn
 */
Event
delayed_start_event(const Execution *e, TimestampTz not_before, Jsonb *input, int64 input_id)
{
	JsonBuilder b;

	json_begin(&b);
	json_add_time(&b, "not_before", not_before);
	return (Event) {.type = EVENT_WORKFLOW_STARTED, .at = e->started_at, .payload = input, .payload_id = input_id,
		.attributes = json_end(&b)};
}

static void
write_start_event(Execution *e, TimestampTz not_before, Jsonb *input, int64 input_id)
{
	Event		event = delayed_start_event(e, not_before, input, input_id);
	Datum		datum = event_form(&event);
	RowBatch	batch;

	rows_init(&batch, TABLE_HISTORY, CurrentMemoryContext);
	e->history_bytes = history_add(&batch, &e->run_id, e->owner, 1, e->started_at, 1, false, false, &datum, 1);
	history_write(&batch);
}

/*
 * When the run timeout is over, DT_NOEND without one.  A delay before the first
 * turn does not count: retries whose delay is the longer of the two would never
 * get to run.
 */
TimestampTz
run_deadline(const Execution *e, TimestampTz not_before)
{
	return e->run_timeout ? durable_add_interval(Max(e->started_at, not_before), e->run_timeout) : DT_NOEND;
}

/*
 * Set the timers of its timeouts
 */
void
run_set_timeouts(const Execution *e, TimestampTz not_before)
{
	if (e->run_timeout)
		timer_set(&e->run_id, MESSAGE_RUN_TIMEOUT, 0, e->owner, (DueTime) {run_deadline(e, not_before), e->started_at});
	if (e->execution_deadline != DT_NOEND)
		timer_set(&e->run_id, MESSAGE_EXECUTION_TIMEOUT, 0, e->owner, (DueTime) {e->execution_deadline, e->started_at});
}

/*
 * The state of a run that has had no turn yet
 */
void
run_init(Execution *e)
{
	e->history_bytes = 0;
	e->next_event = 1;
	e->has_timers = false;
	e->version = 0;
	e->has_children = false;
	e->compensates = false;
	e->cancel_requested = false;
	e->paused_at = DT_NOEND;
	e->pause_reason = NULL;
	e->wait_signal = NULL;
	e->wait_update = NULL;
	e->wait_set = NULL;
	e->wait_signals = NULL;
	e->wait_command = WAIT_NOTHING;
	e->waiting_since = DT_NOEND;
	e->waiting_for = NULL;
	e->waiting_at = NULL;
	e->turn_failures = 0;
	e->lost_tries = 0;
	e->turn_error = NULL;
	e->turn_retry_at = DT_NOEND;
}

/*
 * The same for one that is to start.  not_before is 0 for at once.
 */
void
run_prepare(Execution *e, TimestampTz not_before)
{
	run_init(e);
	e->has_timers = e->run_timeout || e->execution_deadline != DT_NOEND;
	if (not_before <= e->started_at)
		return;
	e->next_event = 2;
	e->has_timers = true;
	e->wait_command = WAIT_START;
	e->waiting_since = e->started_at;
	e->waiting_for = cstring_to_text("start delay");
}

/*
 * Insert a run; false where its workflow id or request id is taken.  The
 * caller has filled in what identifies and shapes it.  not_before is 0 for at
 * once.  *seq is that of its start message, 0 where it starts later.
 */
bool
run_start(Execution *e, Jsonb *input, TimestampTz not_before, int64 *seq)
{
	bool		delayed = not_before > e->started_at;
	int64		input_id;

	*seq = 0;
	run_prepare(e, not_before);
	durable_claim_identity();
	if (!execution_insert(e))
		return false;

	STOP_EVENT(start_inserted);
	input_id = payload_set_aside(&e->run_id, &input);
	run_set_timeouts(e, not_before);
	if (delayed)
	{
		write_start_event(e, not_before, input, input_id);
		timer_set(&e->run_id, MESSAGE_START_DELAY, 0, e->owner, (DueTime) {not_before, e->started_at});
	}
	else
	{
		Message		message = {
			.run_id = e->run_id, .kind = MESSAGE_START, .at = e->started_at,
			.payload = input, .payload_id = input_id
		};

		*seq = mailbox_send(e->owner, &message);
		txn_mail(e->owner, *seq);
		STOP_EVENT(start_sent);
	}
	return true;
}

/*
 * Start the run that retries one which has just closed
 */
void
run_retry(const Execution *failed, Jsonb *input, TimestampTz at, const pg_uuid_t *run_id)
{
	Execution	e = *failed;
	int64		seq;

	e.run_id = *run_id;
	if (!e.first_run_id)
		e.first_run_id = (pg_uuid_t *) &failed->run_id;
	e.continued_from = (pg_uuid_t *) &failed->run_id;
	e.attempt = failed->attempt + 1;
	e.started_at = durable_now();
	e.request_id = NULL;
	e.seed = NULL;
	if (!run_start(&e, input, at, &seq))
		elog(ERROR, "could not start the retry of a run whose workflow id was just freed");
}
