/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A worker's life: options, registration, the I/O loop, the stop.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* How long outcomes may take to be sent after the grace period. */
#define SEND_AFTER_GRACE	5000

/* -- Options -- */

static void
log_to_stderr(DurableLogLevel level, const char *sqlstate, const char *message, void *arg)
{
	(void) arg;
	if (level >= DURABLE_LOG_WARNING)
		fprintf(stderr, "durable: %s%s%s\n", sqlstate, *sqlstate ? ": " : "", message);
}

static char *
default_identity(void)
{
	char		host[256] = "";
	char		identity[300];

	gethostname(host, sizeof(host) - 1);
	snprintf(identity, sizeof(identity), "%ld@%s", (long) getpid(), host);
	return dw_strdup(identity);
}

static void
set_default(int *option, int value)
{
	if (*option <= 0)
		*option = value;
}

static void
copy_options(DurableWorkerOptions *to, const DurableWorkerOptions *from)
{
	*to = *from;
	to->conninfo = dw_strdup(from->conninfo ? from->conninfo : "");
	to->task_queue = dw_strdup(from->task_queue);
	to->workflow_namespace = dw_strdup(from->workflow_namespace);
	to->identity = from->identity ? dw_strdup(from->identity) : default_identity();
	set_default(&to->slots, 10);
	set_default(&to->stop_grace_ms, 30000);
	set_default(&to->safety_poll_ms, 60000);
	set_default(&to->long_poll_ms, 5000);
	set_default(&to->command_timeout_ms, 30000);
	if (to->log == NULL)
		to->log = log_to_stderr;
}

/*
 * Look at what can be looked at without a server
 */
static int
check_options(const DurableWorkerOptions *options, DurableError *error)
{
	PQconninfoOption *parsed;
	char	   *message = NULL;

	if (options->task_queue == NULL)
		return dw_error(error, "", "a worker needs a task queue");
	if (options->conninfo == NULL || strpbrk(options->conninfo, "=:/") == NULL)
		return 0;				/* the name of a database */
	parsed = PQconninfoParse(options->conninfo, &message);
	PQconninfoFree(parsed);
	if (parsed == NULL)
		dw_error(error, "", "%s", message ? message : "out of memory");
	PQfreemem(message);
	return parsed == NULL ? -1 : 0;
}

/* -- New, register, free -- */

static int
open_pipe(int fds[2], DurableError *error)
{
	if (pipe(fds) != 0)
		return dw_error(error, "", "cannot make a pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
	{
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

DurableWorker *
durable_worker_new(const DurableWorkerOptions *options, DurableError *error)
{
	DurableWorker *worker;
	pthread_condattr_t monotonic;
	int			fds[2];

	if (check_options(options, error) < 0 || open_pipe(fds, error) < 0)
		return NULL;
	worker = dw_alloc(sizeof(DurableWorker));
	memcpy(worker->wake, fds, sizeof(fds));
	copy_options(&worker->options, options);

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->work, NULL);
	pthread_cond_init(&worker->told, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return worker;
}

void
durable_worker_register(DurableWorker *worker, const char *name, DurableActivity run, void *arg)
{
	Activity   *activity = dw_activity(worker, name);

	if (activity == NULL)
	{
		Activity   *more = dw_alloc((size_t) (worker->nactivities + 1) * sizeof(Activity));

		if (worker->nactivities > 0)
			memcpy(more, worker->activities, (size_t) worker->nactivities * sizeof(Activity));
		free(worker->activities);
		worker->activities = more;
		activity = &more[worker->nactivities++];
		activity->name = dw_strdup(name);
	}
	activity->run = run;
	activity->arg = arg;
}

static void
free_list(TaskList *list)
{
	while (list->first != NULL)
	{
		DurableTask *task = list->first;

		dw_list_remove(list, task);
		dw_task_free(task);
	}
}

void
durable_worker_free(DurableWorker *worker)
{
	if (worker == NULL)
		return;
	free_list(&worker->outbox);
	free_list(&worker->reporter.sending);
	for (int i = 0; i < worker->nactivities; i++)
		free(worker->activities[i].name);
	free(worker->activities);
	free(worker->poller.activities);
	free((char *) worker->options.conninfo);
	free((char *) worker->options.task_queue);
	free((char *) worker->options.workflow_namespace);
	free((char *) worker->options.identity);
	pthread_mutex_destroy(&worker->lock);
	pthread_cond_destroy(&worker->work);
	pthread_cond_destroy(&worker->told);
	close(worker->wake[0]);
	close(worker->wake[1]);
	free(worker);
}

/* -- For the other parts, and for other threads -- */

void
durable_worker_stats(DurableWorker *worker, DurableStats *stats)
{
	pthread_mutex_lock(&worker->lock);
	*stats = worker->stats;
	pthread_mutex_unlock(&worker->lock);
}

void
durable_worker_stop(DurableWorker *worker)
{
	int			saved_errno = errno;
	ssize_t		written = write(worker->wake[1], "s", 1);

	(void) written;
	errno = saved_errno;
}

/* -- The loop -- */

/*
 * Tell all that run to stop, and send at once what details they leave
 */
static void
tell_all(DurableWorker *worker)
{
	TaskList   *lists[] = {&worker->ready, &worker->running};

	pthread_mutex_lock(&worker->lock);
	for (int i = 0; i < 2; i++)
	{
		for (DurableTask *task = lists[i]->first; task != NULL; task = task->next)
		{
			task->flags |= DURABLE_SHUTDOWN;
			task->beat_hurry = true;
		}
	}
	pthread_cond_broadcast(&worker->told);
	pthread_mutex_unlock(&worker->lock);
}

/*
 * Go on to the next stage when it is time.  Returns when that will be.
 */
static int64_t
next_stage(DurableWorker *worker, int64_t now)
{
	if (worker->stage == STAGE_WORKING && worker->stops > 0)
	{
		worker->stage = STAGE_DRAINING;
		worker->grace_end = now + worker->options.stop_grace_ms;
		dw_poller_stop(worker);
	}
	if (worker->stage == STAGE_DRAINING && (worker->stops > 1 || now >= worker->grace_end))
	{
		worker->stage = STAGE_ENDING;
		worker->grace_end = now;
		tell_all(worker);
	}
	switch (worker->stage)
	{
		case STAGE_DRAINING:
			return worker->grace_end;
		case STAGE_ENDING:
			return worker->grace_end + SEND_AFTER_GRACE;
		default:
			return NEVER;
	}
}

/*
 * Whether nothing is left to do, or nothing more can be done
 */
static bool
finished(DurableWorker *worker, int64_t now)
{
	bool		running,
				unsent;

	if (worker->stage == STAGE_WORKING)
		return false;
	pthread_mutex_lock(&worker->lock);
	running = worker->ready.count + worker->running.count > 0;
	unsent = worker->outbox.count + worker->reporter.sending.count > 0;
	pthread_mutex_unlock(&worker->lock);
	if (running)
		return false;
	return (!unsent && worker->poller.link.state != LINK_BUSY) || now >= worker->grace_end + SEND_AFTER_GRACE;
}

static void
read_wake(DurableWorker *worker)
{
	char		news[64];
	ssize_t		n;

	while ((n = read(worker->wake[0], news, sizeof(news))) > 0)
	{
		for (ssize_t i = 0; i < n; i++)
			worker->stops += news[i] == 's';
	}
	pthread_mutex_lock(&worker->lock);
	worker->woken = false;
	pthread_mutex_unlock(&worker->lock);
}

static void
wait_for_events(DurableWorker *worker, int64_t until)
{
	Link	   *links[] = {&worker->poller.link, &worker->reporter.link};
	struct pollfd fds[3] = {{.fd = worker->wake[0], .events = POLLIN}};
	int64_t		ms = until == NEVER ? -1 : until - dw_now();

	if (until != NEVER && ms < 0)
		ms = 0;
	if (ms > 60000)
		ms = 60000;
	for (int i = 0; i < 2; i++)
	{
		fds[i + 1].fd = links[i]->conn ? PQsocket(links[i]->conn) : -1;
		fds[i + 1].events = links[i]->events;
	}
	if (poll(fds, 3, (int) ms) <= 0)
		return;
	if (fds[0].revents)
		read_wake(worker);
	for (int i = 0; i < 2; i++)
		links[i]->ready |= fds[i + 1].revents != 0;
}

int
durable_worker_run(DurableWorker *worker, DurableError *error)
{
	int			unsent;

	if (worker->stage != STAGE_WORKING || worker->poller.activities != NULL)
		return dw_error(error, "", "a worker runs once");
	dw_poller_init(worker);
	dw_reporter_init(worker);
	if (dw_pool_start(worker, error) < 0)
		return -1;
	for (;;)
	{
		int64_t		now = dw_now();
		int64_t		wake = next_stage(worker, now);
		int64_t		report_wake = dw_reporter_step(worker, now);
		int64_t		poll_wake = dw_poller_step(worker, now);

		if (finished(worker, now))
			break;
		wake = report_wake < wake ? report_wake : wake;
		wait_for_events(worker, poll_wake < wake ? poll_wake : wake);
	}
	dw_link_close(&worker->poller.link);
	dw_link_close(&worker->reporter.link);
	dw_pool_stop(worker);

	unsent = worker->outbox.count + worker->reporter.sending.count;
	if (unsent > 0)
		return dw_error(error, "08006", "%d outcomes could not be sent", unsent);
	return 0;
}
