/*
 * The least an external worker can be: it LISTENs, polls, completes what it
 * gets with null, and sleeps in poll(2) when there is nothing.
 *
 *	worker CONNINFO TASK_QUEUE MAX
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static PGresult *
run(PGconn *conn, const char *statement, int nargs, const char *const *args, ExecStatusType wanted)
{
	PGresult   *result = PQexecPrepared(conn, statement, nargs, args, NULL, NULL, 0);

	if (PQresultStatus(result) != wanted)
	{
		fprintf(stderr, "%s: %s", statement, PQerrorMessage(conn));
		exit(1);
	}
	return result;
}

static void
prepare(PGconn *conn, const char *name, const char *sql)
{
	PQclear(PQprepare(conn, name, sql, 0, NULL));
}

static void
sleep_until_notified(PGconn *conn)
{
	struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
	PGnotify   *notify;

	for (;;)
	{
		if (!PQconsumeInput(conn))
		{
			fprintf(stderr, "%s", PQerrorMessage(conn));
			exit(1);
		}
		if ((notify = PQnotifies(conn)) != NULL)
			break;
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			exit(1);
	}
	for (; notify; notify = PQnotifies(conn))
		PQfreemem(notify);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	const char *poll_args[2];

	if (argc != 4)
		return 2;
	conn = PQconnectdb(argv[1]);
	poll_args[0] = argv[2];
	poll_args[1] = argv[3];
	prepare(conn, "listen", "SELECT wf_listen($1)");
	prepare(conn, "poll", "SELECT task_token FROM wf_poll_activities($1, $2::int, 'bench')");
	prepare(conn, "complete", "SELECT wf_complete_activity($1, 'null')");
	PQclear(run(conn, "listen", 1, poll_args, PGRES_TUPLES_OK));
	for (;;)
	{
		PGresult   *tasks = run(conn, "poll", 2, poll_args, PGRES_TUPLES_OK);
		int			count = PQntuples(tasks);

		for (int i = 0; i < count; i++)
		{
			const char *token = PQgetvalue(tasks, i, 0);

			PQclear(run(conn, "complete", 1, &token, PGRES_TUPLES_OK));
		}
		PQclear(tasks);
		if (count < atoi(argv[3]))
			sleep_until_notified(conn);
	}
}
