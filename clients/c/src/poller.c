/*-------------------------------------------------------------------------
 *
 * poller.c
 *	  Claims activities.
 *
 *	  A poll asks for as many as there are free slots.  As long as it brings
 *	  that many there may be more, and the next one follows as soon as a slot
 *	  is free.  When it comes back short the queue is empty: nothing is sent
 *	  any more until a NOTIFY arrives, which the server sends at the next
 *	  activity to those who LISTEN, or the safety poll is due.
 *
 *	  With no_listen every poll waits in the server for long_poll_ms, and is
 *	  followed by the next.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* The server gives out no more at once. */
#define MAX_POLL	1000

/* The columns in the order of Field. */
#define POLL_SQL \
	"SELECT task_token, activity, input, workflow_id, run_id, activity_id, idempotency_key, heartbeat_details," \
	" attempt, (extract(epoch FROM deadline) * 1000)::bigint," \
	" (extract(epoch FROM deadline - clock_timestamp()) * 1000)::bigint," \
	" (extract(epoch FROM heartbeat_timeout) * 1000)::bigint" \
	" FROM wf_poll_activities($1, max => $2, worker => $3, wait => $4, activities => $5, namespace => $6)"

void
dw_poller_init(DurableWorker *worker)
{
	Poller	   *poller = &worker->poller;
	const char **names = dw_alloc((size_t) worker->nactivities * sizeof(char *) + 1);

	for (int i = 0; i < worker->nactivities; i++)
		names[i] = worker->activities[i].name;
	poller->activities = dw_array(names, worker->nactivities);
	free(names);
	dw_link_init(&poller->link, worker, "poll");
}

/*
 * Hand the claimed activities to the pool
 */
static void
take_rows(DurableWorker *worker, const PGresult *rows, int64_t now)
{
	int			n = PQntuples(rows);

	pthread_mutex_lock(&worker->lock);
	for (int i = 0; i < n; i++)
	{
		DurableTask *task = dw_task_new(worker, rows, i, now);

		if (worker->stage == STAGE_ENDING)
			task->flags = DURABLE_SHUTDOWN;
		dw_list_add(&worker->ready, task);
		pthread_cond_signal(&worker->work);
	}
	worker->stats.claimed += n;
	worker->stats.polls++;
	pthread_mutex_unlock(&worker->lock);
}

static void
take_answer(DurableWorker *worker, int64_t now)
{
	Poller	   *poller = &worker->poller;
	Link	   *link = &poller->link;

	if (PQresultStatus(link->answer) != PGRES_TUPLES_OK)
	{
		if (worker->stage == STAGE_WORKING) /* else we have cancelled it */
			dw_link_failed(link, now, poller->listening ? "cannot poll" : "cannot listen");
		return;
	}
	dw_link_succeeded(link);
	if (!poller->listening)
	{
		poller->listening = true;
		return;
	}
	take_rows(worker, link->answer, now);
	poller->more = worker->options.no_listen || PQntuples(link->answer) >= poller->asked;
	poller->poll_at = now + worker->options.safety_poll_ms;
}

static void
take_notifications(Poller *poller)
{
	PGnotify   *notify;

	while ((notify = PQnotifies(poller->link.conn)) != NULL)
	{
		poller->more = true;
		PQfreemem(notify);
	}
}

/*
 * How many activities may be claimed.  None while outcomes pile up: there is
 * no point in work whose end cannot be told.
 */
static int
free_slots(DurableWorker *worker)
{
	int			slots = worker->options.slots;
	int			unsent;

	pthread_mutex_lock(&worker->lock);
	unsent = worker->outbox.count + worker->reporter.sending.count;
	slots = unsent >= slots ? 0 : slots - worker->ready.count - worker->running.count;
	pthread_mutex_unlock(&worker->lock);
	return slots;
}

static void
send_listen(DurableWorker *worker, int64_t now)
{
	const char *params[] = {worker->options.task_queue, worker->options.workflow_namespace};

	dw_link_send(&worker->poller.link, now, 0, "SELECT wf_listen($1, namespace => $2)", params, 2);
}

static void
send_poll(DurableWorker *worker, int64_t now, int max)
{
	const DurableWorkerOptions *options = &worker->options;
	int			wait_ms = options->no_listen ? options->long_poll_ms : 0;
	char		count[20],
				wait[40];
	const char *params[] = {
		options->task_queue, count, options->identity, wait, worker->poller.activities, options->workflow_namespace
	};

	snprintf(count, sizeof(count), "%d", max);
	dw_interval(wait, sizeof(wait), wait_ms);
	dw_link_send(&worker->poller.link, now, wait_ms, POLL_SQL, params, 6);
	worker->poller.asked = max;
}

/*
 * Returns when to call again even if nothing happens
 */
int64_t
dw_poller_step(DurableWorker *worker, int64_t now)
{
	Poller	   *poller = &worker->poller;
	Link	   *link = &poller->link;
	int			slots;

	switch (dw_link_step(link, now))
	{
		case LINK_UP:
			poller->listening = worker->options.no_listen;
			poller->more = true;
			break;
		case LINK_ANSWER:
			take_answer(worker, now);
			return now;			/* the reporter may have new tasks to look after */
		default:
			break;
	}
	if (link->state == LINK_IDLE)
		take_notifications(poller);
	if (worker->stage != STAGE_WORKING || !dw_link_can_send(link, now))
		return dw_link_wake(link, now);

	if (!poller->listening)
		send_listen(worker, now);
	else if (!poller->more && now < poller->poll_at)
		return poller->poll_at;
	else if ((slots = free_slots(worker)) > 0)
		send_poll(worker, now, slots < MAX_POLL ? slots : MAX_POLL);
	return dw_link_wake(link, now);
}

/*
 * Let a poll that waits in the server come back: what it has claimed by then
 * is either in its answer or not claimed
 */
void
dw_poller_stop(DurableWorker *worker)
{
	if (worker->options.no_listen)
		dw_link_cancel(&worker->poller.link);
}
