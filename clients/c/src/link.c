/*-------------------------------------------------------------------------
 *
 * link.c
 *	  A connection that never blocks and comes back by itself.
 *
 *	  dw_link_step() is called when poll(2) reports something on the socket or
 *	  a time has come, and says what happened.  A link sends one command at a
 *	  time.  After a failure it rests: 100 ms, doubled with each failure in a
 *	  row up to 10 s, less up to half of it at random so that the workers of a
 *	  restarted server do not all come at once.
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define CONNECT_TIMEOUT	10000
#define FIRST_REST		100
#define LONGEST_REST	10000

void
dw_link_init(Link *link, DurableWorker *worker, const char *name)
{
	uint64_t	seed = (uint64_t) dw_now() ^ (uint64_t) getpid() << 20 ^ (uintptr_t) link;

	link->worker = worker;
	link->name = name;
	for (int i = 0; i < 3; i++)
		link->seed[i] = (unsigned short) (seed >> 16 * i);
}

/*
 * Let the link rest after a failure
 */
static void
rest(Link *link, int64_t now)
{
	int64_t		ms = LONGEST_REST;

	if (link->failures < 7)
		ms = (int64_t) FIRST_REST << link->failures;
	link->failures++;
	link->retry_at = now + (int64_t) ((double) ms * (1 - erand48(link->seed) / 2));
}

void
dw_link_close(Link *link)
{
	PQclear(link->answer);
	link->answer = NULL;
	PQfinish(link->conn);
	link->conn = NULL;
	link->state = LINK_DOWN;
}

/*
 * Give the connection up, and connect again later
 */
static LinkEvent
lose(Link *link, int64_t now, const char *sqlstate, const char *why)
{
	DurableError error;

	dw_error(&error, sqlstate, "%s connection: %s", link->name, why);
	dw_log(link->worker, DURABLE_LOG_WARNING, error.sqlstate, "%s", error.message);
	dw_link_close(link);
	rest(link, now);
	return LINK_LOST;
}

static void
notice(void *arg, const char *message)
{
	const Link *link = arg;

	dw_log(link->worker, DURABLE_LOG_DEBUG, "", "%s connection: %s", link->name, message);
}

static void
start_connecting(Link *link, int64_t now)
{
	const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
	const char *const values[] = {link->worker->options.conninfo, "UTF8", "libdurable", NULL};

	link->conn = PQconnectStartParams(keywords, values, 1);
	link->state = LINK_CONNECTING;
	link->events = POLLOUT;
	link->ready = false;
	link->deadline = now + CONNECT_TIMEOUT;
	if (PQstatus(link->conn) == CONNECTION_BAD)
		lose(link, now, "08001", PQerrorMessage(link->conn));
	else
		PQsetNoticeProcessor(link->conn, notice, link);
}

static LinkEvent
go_on_connecting(Link *link, int64_t now)
{
	if (!link->ready)
		return LINK_NOTHING;
	link->ready = false;
	switch (PQconnectPoll(link->conn))
	{
		case PGRES_POLLING_READING:
			link->events = POLLIN;
			return LINK_NOTHING;
		case PGRES_POLLING_WRITING:
			link->events = POLLOUT;
			return LINK_NOTHING;
		case PGRES_POLLING_OK:
			PQsetnonblocking(link->conn, 1);
			link->state = LINK_IDLE;
			link->events = POLLIN;
			dw_log(link->worker, DURABLE_LOG_INFO, "", "%s connection: connected", link->name);
			dw_count(link->worker, &link->worker->stats.connects, 1);
			return LINK_UP;
		default:
			return lose(link, now, "08001", PQerrorMessage(link->conn));
	}
}

/*
 * Send what is still to be sent, read what there is to read.  The connection
 * may break right after a complete answer: then the answer counts, and the
 * next step finds the break.
 */
static LinkEvent
exchange(Link *link, int64_t now)
{
	int			unsent;
	PGresult   *result;

	if (!link->ready)
		return LINK_NOTHING;
	link->ready = false;
	if (!PQconsumeInput(link->conn) || (unsent = PQflush(link->conn)) < 0)
		return lose(link, now, "08006", PQerrorMessage(link->conn));
	link->events = unsent ? POLLIN | POLLOUT : POLLIN;

	while (link->state == LINK_BUSY && !PQisBusy(link->conn))
	{
		result = PQgetResult(link->conn);
		if (result == NULL)
		{
			if (PQstatus(link->conn) == CONNECTION_BAD || link->answer == NULL)
				return lose(link, now, "08006", PQerrorMessage(link->conn));
			link->state = LINK_IDLE;
			return LINK_ANSWER;
		}
		PQclear(link->answer);
		link->answer = result;
	}
	return LINK_NOTHING;
}

LinkEvent
dw_link_step(Link *link, int64_t now)
{
	if (link->state == LINK_DOWN && now >= link->retry_at)
		start_connecting(link, now);
	if (link->state == LINK_DOWN)
		return LINK_NOTHING;
	if (link->state != LINK_IDLE && now >= link->deadline)
		return lose(link, now, "08006", "the server does not answer");
	if (link->state == LINK_CONNECTING)
		return go_on_connecting(link, now);
	return exchange(link, now);
}

bool
dw_link_can_send(const Link *link, int64_t now)
{
	return link->state == LINK_IDLE && now >= link->retry_at;
}

/*
 * Send a command.  What goes wrong is found by the next step.  The server gets
 * `timeout' longer than usual to answer.
 */
void
dw_link_send(Link *link, int64_t now, int64_t timeout, const char *sql,
			 const char *const *params, int nparams)
{
	PQclear(link->answer);
	link->answer = NULL;
	link->state = LINK_BUSY;
	link->deadline = now + timeout + link->worker->options.command_timeout_ms;
	link->ready = !PQsendQueryParams(link->conn, sql, nparams, NULL, params, NULL, NULL, 0);
	link->events = PQflush(link->conn) == 0 ? POLLIN : POLLIN | POLLOUT;
}

/*
 * The caller is content with an answer
 */
void
dw_link_succeeded(Link *link)
{
	link->failures = 0;
}

/*
 * The caller is not: it is something that may pass, so rest and try again
 */
void
dw_link_failed(Link *link, int64_t now, const char *what)
{
	DurableError error;

	dw_result_error(&error, link->answer);
	dw_log(link->worker, DURABLE_LOG_WARNING, error.sqlstate, "%s: %s", what, error.message);
	rest(link, now);
}

/*
 * Cancel the command in progress.  Blocks for as long as it takes to connect.
 */
void
dw_link_cancel(Link *link)
{
	PGcancel   *cancel;
	char		message[256];

	if (link->state != LINK_BUSY)
		return;
	cancel = PQgetCancel(link->conn);
	if (cancel != NULL && !PQcancel(cancel, message, sizeof(message)))
		dw_log(link->worker, DURABLE_LOG_DEBUG, "", "%s connection: %s", link->name, message);
	PQfreeCancel(cancel);
}

/*
 * When to step again even if nothing arrives
 */
int64_t
dw_link_wake(const Link *link, int64_t now)
{
	if (link->ready)
		return now;
	if (link->state == LINK_DOWN || (link->state == LINK_IDLE && link->retry_at > now))
		return link->retry_at;
	return link->state == LINK_IDLE ? NEVER : link->deadline;
}
