/*-------------------------------------------------------------------------
 *
 * task.c
 *	  A claimed activity, and what its callback may ask and say.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#define LONGEST_BEAT_INTERVAL	30000

/* -- Lists -- */

void
dw_list_add(TaskList *list, DurableTask *task)
{
	task->prev = list->last;
	task->next = NULL;
	*(list->last ? &list->last->next : &list->first) = task;
	list->last = task;
	list->count++;
}

void
dw_list_remove(TaskList *list, DurableTask *task)
{
	*(task->prev ? &task->prev->next : &list->first) = task->next;
	*(task->next ? &task->next->prev : &list->last) = task->prev;
	list->count--;
}

/* -- Birth and death -- */

static int64_t
number(const PGresult *rows, int row, Field field, int64_t otherwise)
{
	return PQgetisnull(rows, row, field) ? otherwise : strtoll(PQgetvalue(rows, row, field), NULL, 10);
}

DurableTask *
dw_task_new(DurableWorker *worker, const PGresult *rows, int row, int64_t now)
{
	DurableTask *task = dw_alloc(sizeof(DurableTask));
	int64_t		left = number(rows, row, FIELD_TIME_LEFT, NEVER);
	int64_t		timeout = number(rows, row, FIELD_HEARTBEAT_TIMEOUT, NEVER);

	for (int i = 0; i < TEXT_FIELDS; i++)
	{
		if (!PQgetisnull(rows, row, i))
			task->text[i] = dw_strdup(PQgetvalue(rows, row, i));
	}
	task->worker = worker;
	task->activity = dw_activity(worker, task->text[FIELD_ACTIVITY]);
	task->attempt = (int) number(rows, row, FIELD_ATTEMPT, 1);
	task->deadline = number(rows, row, FIELD_DEADLINE, 0);
	task->expires = left == NEVER ? NEVER : now + left;
	task->beat_details = dw_strdup(task->text[FIELD_HEARTBEAT_DETAILS]);
	task->beat_at = now;
	task->beat_auto = timeout != NEVER;
	task->beat_interval = timeout < LONGEST_BEAT_INTERVAL / 4 * 5 ? timeout * 4 / 5 : LONGEST_BEAT_INTERVAL;
	return task;
}

static void
clear_outcome(DurableTask *task)
{
	free(task->payload);
	free(task->failure_type);
	free(task->failure_message);
	task->payload = task->failure_type = task->failure_message = NULL;
}

void
dw_task_free(DurableTask *task)
{
	clear_outcome(task);
	for (int i = 0; i < TEXT_FIELDS; i++)
		free(task->text[i]);
	free(task->beat_details);
	free(task);
}

/* -- What the poll said -- */

const char *
durable_task_activity(const DurableTask *task)
{
	return task->text[FIELD_ACTIVITY];
}

const char *
durable_task_input(const DurableTask *task)
{
	return task->text[FIELD_INPUT];
}

const char *
durable_task_workflow_id(const DurableTask *task)
{
	return task->text[FIELD_WORKFLOW_ID];
}

const char *
durable_task_run_id(const DurableTask *task)
{
	return task->text[FIELD_RUN_ID];
}

const char *
durable_task_activity_id(const DurableTask *task)
{
	return task->text[FIELD_ACTIVITY_ID];
}

const char *
durable_task_idempotency_key(const DurableTask *task)
{
	return task->text[FIELD_IDEMPOTENCY_KEY];
}

const char *
durable_task_heartbeat_details(const DurableTask *task)
{
	return task->text[FIELD_HEARTBEAT_DETAILS];
}

const char *
durable_task_token(const DurableTask *task)
{
	return task->text[FIELD_TOKEN];
}

int
durable_task_attempt(const DurableTask *task)
{
	return task->attempt;
}

int64_t
durable_task_deadline(const DurableTask *task)
{
	return task->deadline;
}

int64_t
durable_task_time_left(const DurableTask *task)
{
	int64_t		now = dw_now();

	if (task->expires == NEVER)
		return INT64_MAX;
	return task->expires > now ? task->expires - now : 0;
}

/* -- Reports -- */

void
dw_task_fail(DurableTask *task, const char *type, const char *message)
{
	durable_fail(task, &(DurableFailure) {.type = type, .message = message});
}

/*
 * Set an outcome and its payload, which a codec may be unable to encode
 */
static bool
report(DurableTask *task, Outcome outcome, const char *payload)
{
	DurableError error;
	char	   *encoded = NULL;

	if (payload != NULL)
	{
		encoded = durable_encode(task->worker->options.codec, payload, &error);
		if (encoded == NULL)
		{
			dw_task_fail(task, "CodecError", error.message);
			return false;
		}
	}
	clear_outcome(task);
	task->outcome = outcome;
	task->payload = encoded;
	return true;
}

void
durable_complete(DurableTask *task, const char *result)
{
	report(task, OUTCOME_COMPLETED, result);
}

void
durable_fail(DurableTask *task, const DurableFailure *failure)
{
	if (!report(task, OUTCOME_FAILED, failure->details))
		return;
	task->failure_type = dw_strdup(failure->type ? failure->type : "error");
	task->failure_message = dw_strdup(failure->message);
	task->non_retryable = failure->non_retryable;
	task->retry_delay_ms = failure->retry_delay_ms;
}

void
durable_cancelled(DurableTask *task, const char *details)
{
	unsigned	why = durable_task_should_stop(task);

	if (why & DURABLE_CANCEL_REQUESTED)
		report(task, OUTCOME_CANCELLED, details);
	else if (why & DURABLE_LOST)
		report(task, OUTCOME_NONE, NULL);
	else if (why & DURABLE_SHUTDOWN)
		durable_fail(task, &(DurableFailure) {.type = "WorkerShutdown", .message = "the worker was stopped",
					 .details = details, .retry_delay_ms = 1});
	else
		report(task, OUTCOME_CANCELLED, details);
}

void
durable_detach(DurableTask *task)
{
	report(task, OUTCOME_NONE, NULL);
}

/*
 * Decode what the poll brought, or let the attempt fail
 */
bool
dw_task_decode(DurableTask *task)
{
	static const Field fields[] = {FIELD_INPUT, FIELD_HEARTBEAT_DETAILS};
	DurableError error;

	for (int i = 0; i < 2; i++)
	{
		char	  **text = &task->text[fields[i]];
		char	   *decoded;

		if (*text == NULL)
			continue;
		decoded = durable_decode(task->worker->options.codec, *text, &error);
		if (decoded == NULL)
		{
			dw_task_fail(task, "CodecError", error.message);
			return false;
		}
		free(*text);
		*text = decoded;
	}
	return true;
}

/* -- Heartbeats -- */

/*
 * When the next heartbeat is to be sent.  The first details go out at once,
 * and so does what is new when the activity has been told to stop.
 */
int64_t
dw_task_beat_due(const DurableTask *task)
{
	bool		news = task->beat_version != task->beat_sent;

	if (task->flags & DURABLE_LOST)
		return NEVER;
	if (news && (task->beat_sent == 0 || task->beat_hurry))
		return 0;
	return news || task->beat_auto ? task->beat_at + task->beat_interval : NEVER;
}

unsigned
durable_heartbeat(DurableTask *task, const char *details)
{
	DurableWorker *worker = task->worker;
	DurableError error;
	char	   *encoded = NULL;
	unsigned	flags;

	if (details != NULL)
	{
		encoded = durable_encode(worker->options.codec, details, &error);
		if (encoded == NULL)
			dw_log(worker, DURABLE_LOG_ERROR, "", "heartbeat details: %s", error.message);
	}
	pthread_mutex_lock(&worker->lock);
	if (encoded != NULL)
	{
		free(task->beat_details);
		task->beat_details = encoded;
	}
	if (task->beat_version++ == task->beat_sent)
		dw_pool_wake(worker);
	flags = task->flags;
	pthread_mutex_unlock(&worker->lock);
	return flags;
}

unsigned
durable_task_should_stop(DurableTask *task)
{
	return durable_task_sleep(task, 0);
}

unsigned
durable_task_sleep(DurableTask *task, int64_t ms)
{
	DurableWorker *worker = task->worker;
	struct timespec until;
	unsigned	why;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000)
	{
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}

	pthread_mutex_lock(&worker->lock);
	while ((why = task->flags & ~DURABLE_PAUSED) == 0 && ms > 0)
	{
		if (pthread_cond_timedwait(&worker->told, &worker->lock, &until) != 0)
			ms = 0;				/* it is time: look a last time */
	}
	pthread_mutex_unlock(&worker->lock);
	return why;
}
