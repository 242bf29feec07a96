/*-------------------------------------------------------------------------
 *
 * reporter.c
 *	  Sends outcomes and heartbeats.
 *
 *	  An outcome stays with us until the server has answered.  What the answer
 *	  means:
 *
 *	  - taken: done with.
 *	  - WF013: the attempt is not ours any more.  Done with as well; and if the
 *	    connection broke when the outcome was sent before, it may have been
 *	    taken then.
 *	  - the server does not like the data, say a result that is no JSON or too
 *	    large: the attempt fails with the server's error instead, for good,
 *	    because the next attempt would end the same way.
 *	  - anything else may pass: it is sent again after a rest.
 *
 *	  Completions are sent many at a time, and the server takes all of a batch
 *	  or none.  When it takes none it names the stale ones, which are dropped;
 *	  where it does not, each is sent alone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_BATCH		100
#define MAX_BATCH_BYTES	(4 * 1024 * 1024)

void
dw_reporter_init(DurableWorker *worker)
{
	dw_link_init(&worker->reporter.link, worker, "report");
}

unsigned
dw_told(const PGresult *result)
{
	return (strcmp(PQgetvalue(result, 0, 0), "t") == 0 ? DURABLE_CANCEL_REQUESTED : 0) |
		(strcmp(PQgetvalue(result, 0, 1), "t") == 0 ? DURABLE_PAUSED : 0);
}

/*
 * Whether an error is about what was sent, so that it will come again: data
 * exceptions, program limits, what durable refuses, and a cancellation that
 * nobody asked for
 */
static bool
is_refusal(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "54", 2) == 0 ||
		strncmp(sqlstate, "WF", 2) == 0 || strcmp(sqlstate, "55000") == 0;
}

/* -- Heartbeats -- */

/*
 * Set what a task is told.  worker->lock is held.
 */
static void
tell(DurableTask *task, unsigned flags)
{
	if (task->flags == flags)
		return;
	task->flags = flags;
	pthread_cond_broadcast(&task->worker->told);
}

/*
 * Whether the server lacks the latest details.  They are of no interest once an
 * activity has completed, and sent ahead of any other outcome.
 */
static bool
has_news(const DurableTask *task)
{
	return task->beat_version != task->beat_sent && !(task->flags & DURABLE_LOST);
}

/*
 * Look after the tasks that run: tell those whose time is up, and find the one
 * whose heartbeat is due first, and when that is.  Returns when the next one's
 * time is up.  worker->lock is held.
 */
static int64_t
look_after(DurableWorker *worker, int64_t now, DurableTask **beat, int64_t *due)
{
	TaskList   *lists[] = {&worker->ready, &worker->running};
	int64_t		expiry = NEVER;

	*beat = NULL;
	*due = NEVER;
	for (int i = 0; i < 2; i++)
	{
		for (DurableTask *task = lists[i]->first; task != NULL; task = task->next)
		{
			if (now >= task->expires)
				tell(task, task->flags | DURABLE_LOST);
			else if (task->expires < expiry)
				expiry = task->expires;
			if (dw_task_beat_due(task) < *due)
			{
				*due = dw_task_beat_due(task);
				*beat = task;
			}
		}
	}
	return expiry;
}

static void
send_beat(DurableWorker *worker, DurableTask *task, int64_t now)
{
	Reporter   *reporter = &worker->reporter;
	char	   *details;

	pthread_mutex_lock(&worker->lock);
	details = dw_strdup(task->beat_details);
	reporter->beat_version = task->beat_version;
	pthread_mutex_unlock(&worker->lock);

	reporter->beating = task;
	reporter->beat_started = now;
	dw_link_send(&reporter->link, now, 0, "SELECT cancel_requested, paused FROM wf_heartbeat_activity($1, $2)",
				 (const char *[]) {task->text[FIELD_TOKEN], details}, 2);
	free(details);
}

/*
 * Details that the server refuses must not cost the attempt its heartbeats
 */
static void
drop_details(DurableTask *task, const DurableError *error)
{
	dw_log(task->worker, DURABLE_LOG_ERROR, error->sqlstate, "heartbeat details of %s refused: %s",
		   task->text[FIELD_ACTIVITY], error->message);
	pthread_mutex_lock(&task->worker->lock);
	if (task->beat_version == task->worker->reporter.beat_version)
	{
		free(task->beat_details);
		task->beat_details = NULL;
		task->beat_sent = task->beat_version;
	}
	pthread_mutex_unlock(&task->worker->lock);
}

static void
beat_answered(DurableWorker *worker, int64_t now)
{
	Reporter   *reporter = &worker->reporter;
	DurableTask *task = reporter->beating;
	PGresult   *answer = reporter->link.answer;
	DurableError error;

	reporter->beating = NULL;
	if (PQresultStatus(answer) == PGRES_TUPLES_OK && PQntuples(answer) == 1)
	{
		dw_link_succeeded(&reporter->link);
		pthread_mutex_lock(&worker->lock);
		task->beat_sent = reporter->beat_version;
		task->beat_at = reporter->beat_started;
		tell(task, (task->flags & ~(unsigned) DURABLE_PAUSED) | dw_told(answer));
		worker->stats.heartbeats++;
		pthread_mutex_unlock(&worker->lock);
		return;
	}
	dw_result_error(&error, answer);
	if (strcmp(error.sqlstate, DURABLE_TASK_LOST) == 0)
	{
		pthread_mutex_lock(&worker->lock);
		tell(task, task->flags | DURABLE_LOST);
		pthread_mutex_unlock(&worker->lock);
	}
	else if (is_refusal(error.sqlstate))
		drop_details(task, &error);
	else
		dw_link_failed(&reporter->link, now, "cannot send a heartbeat");
}

/* -- Outcomes -- */

/*
 * Put back what was not taken.  It goes to the end: nothing shall be held up by
 * an outcome that the server cannot take.
 */
static void
put_back(DurableWorker *worker)
{
	TaskList   *sending = &worker->reporter.sending;
	DurableTask *task;

	pthread_mutex_lock(&worker->lock);
	while ((task = sending->first) != NULL)
	{
		dw_list_remove(sending, task);
		dw_list_add(&worker->outbox, task);
	}
	pthread_mutex_unlock(&worker->lock);
}

static void
done_with(DurableWorker *worker, DurableTask *task, int64_t *counter)
{
	dw_list_remove(&worker->reporter.sending, task);
	dw_count(worker, counter, 1);
	dw_task_free(task);
}

static void
stale(DurableWorker *worker, DurableTask *task)
{
	dw_log(worker, DURABLE_LOG_DEBUG, DURABLE_TASK_LOST, "attempt %d of %s in %s is no longer ours",
		   task->attempt, task->text[FIELD_ACTIVITY], task->text[FIELD_WORKFLOW_ID]);
	done_with(worker, task, task->in_doubt ? &worker->stats.in_doubt : &worker->stats.stale);
}

static void
refused(DurableWorker *worker, DurableTask *task, const DurableError *error)
{
	dw_log(worker, DURABLE_LOG_ERROR, error->sqlstate, "outcome of %s in %s refused: %s",
		   task->text[FIELD_ACTIVITY], task->text[FIELD_WORKFLOW_ID], error->message);
	if (task->refused)
		done_with(worker, task, &worker->stats.dropped);
	else
	{
		task->refused = true;
		durable_fail(task, &(DurableFailure) {.type = error->sqlstate, .message = error->message,
					 .non_retryable = true});
	}
}

/*
 * Drop what the error of a batch names.  Tokens have no characters that JSON
 * escapes.  Returns how many there were.
 */
static int
drop_stale(DurableWorker *worker, const char *detail)
{
	DurableTask *next;
	int			count = 0;

	for (DurableTask *task = worker->reporter.sending.first; task != NULL; task = next)
	{
		char	   *quoted = durable_json_quote(task->text[FIELD_TOKEN]);

		next = task->next;
		if (strstr(detail, quoted) != NULL)
		{
			stale(worker, task);
			count++;
		}
		free(quoted);
	}
	return count;
}

/*
 * The server has taken none of the outcomes
 */
static void
not_taken(DurableWorker *worker, int64_t now)
{
	Reporter   *reporter = &worker->reporter;
	TaskList   *sending = &reporter->sending;
	const char *detail = PQresultErrorField(reporter->link.answer, PG_DIAG_MESSAGE_DETAIL);
	DurableError error;
	bool		is_stale;

	dw_result_error(&error, reporter->link.answer);
	is_stale = strcmp(error.sqlstate, DURABLE_TASK_LOST) == 0;
	if (!is_stale && !is_refusal(error.sqlstate))
		dw_link_failed(&reporter->link, now, "cannot report");
	else if (sending->count == 1 && is_stale)
		stale(worker, sending->first);
	else if (sending->count == 1)
		refused(worker, sending->first, &error);
	if (!is_stale || detail == NULL || drop_stale(worker, detail) == 0)
	{
		for (DurableTask *task = sending->first; task != NULL; task = task->next)
			task->alone = true;
	}
	put_back(worker);
}

static void
outcomes_answered(DurableWorker *worker, int64_t now)
{
	int64_t    *counters[] = {
		[OUTCOME_COMPLETED] = &worker->stats.completed,
		[OUTCOME_FAILED] = &worker->stats.failed,
		[OUTCOME_CANCELLED] = &worker->stats.cancelled
	};
	TaskList   *sending = &worker->reporter.sending;

	if (PQresultStatus(worker->reporter.link.answer) != PGRES_TUPLES_OK)
	{
		not_taken(worker, now);
		return;
	}
	dw_link_succeeded(&worker->reporter.link);
	while (sending->first != NULL)
		done_with(worker, sending->first, counters[sending->first->outcome]);
}

static void
send_batch(DurableWorker *worker, int64_t now)
{
	TaskList   *sending = &worker->reporter.sending;
	const char *tokens[MAX_BATCH];
	const char *results[MAX_BATCH];
	int			n = 0;
	char	   *token_array,
			   *result_array;

	for (DurableTask *task = sending->first; task != NULL; task = task->next)
	{
		tokens[n] = task->text[FIELD_TOKEN];
		results[n++] = task->payload;
	}
	token_array = dw_array(tokens, n);
	result_array = dw_array(results, n);
	dw_link_send(&worker->reporter.link, now, 0, "SELECT wf_complete_activities($1, $2)",
				 (const char *[]) {token_array, result_array}, 2);
	free(token_array);
	free(result_array);
}

static void
send_failure(Link *link, const DurableTask *task, int64_t now)
{
	char		delay[40];
	const char *params[] = {
		task->text[FIELD_TOKEN], task->failure_type, task->failure_message, task->payload,
		task->non_retryable ? "true" : "false", task->retry_delay_ms ? delay : NULL
	};

	dw_interval(delay, sizeof(delay), task->retry_delay_ms);
	dw_link_send(link, now, 0, "SELECT wf_fail_activity($1, type => $2, message => $3, details => $4,"
				 " non_retryable => $5, next_retry_delay => $6)", params, 6);
}

static void
send_outcomes(DurableWorker *worker, int64_t now)
{
	Link	   *link = &worker->reporter.link;
	const DurableTask *task = worker->reporter.sending.first;
	const char *params[] = {task->text[FIELD_TOKEN], task->payload};

	if (worker->reporter.sending.count > 1)
		send_batch(worker, now);
	else if (task->outcome == OUTCOME_FAILED)
		send_failure(link, task, now);
	else if (task->outcome == OUTCOME_CANCELLED)
		dw_link_send(link, now, 0, "SELECT wf_cancelled_activity($1, $2)", params, 2);
	else
		dw_link_send(link, now, 0, "SELECT wf_complete_activity($1, $2)", params, 2);
}

/*
 * Move the next outcomes to `sending': the first one, and where it is a
 * completion, others.  worker->lock is held.
 */
static void
pick_outcomes(DurableWorker *worker)
{
	TaskList   *sending = &worker->reporter.sending;
	DurableTask *next;
	size_t		bytes = 0;

	for (DurableTask *task = worker->outbox.first; task != NULL; task = next)
	{
		bool		batched = task->outcome == OUTCOME_COMPLETED && !task->alone;

		next = task->next;
		if (sending->count > 0 && !batched)
			continue;
		bytes += task->payload ? strlen(task->payload) : 0;
		if (sending->count == MAX_BATCH || (sending->count > 0 && bytes > MAX_BATCH_BYTES))
			break;
		dw_list_remove(&worker->outbox, task);
		dw_list_add(sending, task);
		if (!batched)
			break;
	}
}

/*
 * Forget the tasks that have nothing to send.  worker->lock is held.
 */
static void
drop_silent(DurableWorker *worker)
{
	DurableTask *next;

	for (DurableTask *task = worker->outbox.first; task != NULL; task = next)
	{
		next = task->next;
		if (task->outcome == OUTCOME_NONE && !has_news(task) && task != worker->reporter.beating)
		{
			dw_list_remove(&worker->outbox, task);
			dw_task_free(task);
		}
	}
}

/*
 * Choose what to send: a heartbeat, which is returned, or outcomes, which are
 * moved to `sending', or nothing.  worker->lock is held.
 */
static DurableTask *
choose(DurableWorker *worker, DurableTask *due)
{
	Reporter   *reporter = &worker->reporter;
	DurableTask *first = worker->outbox.first;

	if (due != NULL && (first == NULL || !reporter->beat_last))
	{
		reporter->beat_last = true;
		return due;
	}
	reporter->beat_last = false;
	if (first != NULL && first->outcome != OUTCOME_COMPLETED && has_news(first))
		return first;
	pick_outcomes(worker);
	return NULL;
}

/*
 * Send what there is to send.  Returns when to call again even if nothing happens.
 */
static int64_t
send_next(DurableWorker *worker, int64_t now)
{
	Reporter   *reporter = &worker->reporter;
	bool		can_send = dw_link_can_send(&reporter->link, now);
	DurableTask *beat;
	int64_t		due,
				wake,
				link_wake;

	pthread_mutex_lock(&worker->lock);
	drop_silent(worker);
	wake = look_after(worker, now, &beat, &due);
	if (can_send)
		beat = choose(worker, due <= now ? beat : NULL);
	pthread_mutex_unlock(&worker->lock);

	if (can_send && beat != NULL)
		send_beat(worker, beat, now);
	else if (can_send && reporter->sending.count > 0)
		send_outcomes(worker, now);
	else if (can_send && due < wake)
		wake = due;
	link_wake = dw_link_wake(&reporter->link, now);
	return wake < link_wake ? wake : link_wake;
}

int64_t
dw_reporter_step(DurableWorker *worker, int64_t now)
{
	Reporter   *reporter = &worker->reporter;

	switch (dw_link_step(&reporter->link, now))
	{
		case LINK_ANSWER:
			if (reporter->beating != NULL)
				beat_answered(worker, now);
			else
				outcomes_answered(worker, now);
			break;
		case LINK_LOST:
			for (DurableTask *task = reporter->sending.first; task != NULL; task = task->next)
				task->in_doubt = true;
			put_back(worker);
			reporter->beating = NULL;
			break;
		default:
			break;
	}
	return send_next(worker, now);
}
