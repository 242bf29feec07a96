/*
 * What the C programs here share: statements that must succeed, and sleeping
 * until a NOTIFY.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static void
die(PGconn *conn, const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static void
prepare(PGconn *conn, const char *name, const char *sql)
{
	PGresult   *result = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die(conn, name);
	PQclear(result);
}

static PGresult *
run(PGconn *conn, const char *statement, int nargs, const char *const *args)
{
	PGresult   *result = PQexecPrepared(conn, statement, nargs, args, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		die(conn, statement);
	return result;
}

static void
sleep_until_notified(PGconn *conn)
{
	struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
	PGnotify   *notify;

	for (;;)
	{
		if (!PQconsumeInput(conn))
			die(conn, "NOTIFY");
		if ((notify = PQnotifies(conn)) != NULL)
			break;
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			exit(1);
	}
	for (; notify; notify = PQnotifies(conn))
		PQfreemem(notify);
}

#endif							/* BENCH_SESSION_H */
