/*
 * What an activity of a workflow costs by hand: a client, an engine and a worker
 * pass a row of a table on, each woken by NOTIFY.  No history, no retries, no
 * roles; what would be done again after a crash does not wait for the disk here
 * either.  Prints the microseconds from the client's INSERT to its being told.
 *
 *	relay CONNINFO ROUNDS
 *
 * The table: relay (id int PRIMARY KEY, state text), and an index on state.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

static PGconn *
listen_to(const char *conninfo, const char *channel)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	prepare(conn, "listen", channel);
	PQclear(run(conn, "listen", 0, NULL));
	return conn;
}

static void
be_engine(const char *conninfo)
{
	PGconn	   *conn = listen_to(conninfo, "LISTEN relay_engine");

	prepare(conn, "schedule",
			"WITH task AS (UPDATE relay SET state = 'task' WHERE state = 'started' RETURNING id)"
			" SELECT pg_notify('relay_worker', ''), set_config('synchronous_commit', 'off', true) FROM task");
	prepare(conn, "end",
			"WITH ended AS (DELETE FROM relay WHERE state = 'done' RETURNING id)"
			" SELECT pg_notify('relay_client', '') FROM ended");
	for (;;)
	{
		PGresult   *ended;

		sleep_until_notified(conn);
		ended = run(conn, "end", 0, NULL);
		if (PQntuples(ended) == 0)
			PQclear(run(conn, "schedule", 0, NULL));
		PQclear(ended);
	}
}

static void
be_worker(const char *conninfo)
{
	PGconn	   *conn = listen_to(conninfo, "LISTEN relay_worker");

	prepare(conn, "claim",
			"WITH taken AS (UPDATE relay SET state = 'taken' WHERE id ="
			" (SELECT id FROM relay WHERE state = 'task' LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id)"
			" SELECT id, set_config('synchronous_commit', 'off', true) FROM taken");
	prepare(conn, "complete",
			"WITH done AS (UPDATE relay SET state = 'done' WHERE id = $1::int RETURNING id)"
			" SELECT pg_notify('relay_engine', '') FROM done");
	for (;;)
	{
		PGresult   *task;

		sleep_until_notified(conn);
		task = run(conn, "claim", 0, NULL);
		if (PQntuples(task) > 0)
		{
			const char *id = PQgetvalue(task, 0, 0);

			PQclear(run(conn, "complete", 1, &id));
		}
		PQclear(task);
	}
}

static pid_t
begin(void (*work) (const char *), const char *conninfo)
{
	pid_t		pid = fork();

	if (pid == 0)
		work(conninfo);
	return pid;
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	pid_t		engine;
	pid_t		worker;

	if (argc != 3)
		return 2;
	engine = begin(be_engine, argv[1]);
	worker = begin(be_worker, argv[1]);
	conn = listen_to(argv[1], "LISTEN relay_client");
	prepare(conn, "start",
			"WITH started AS (INSERT INTO relay VALUES ($1::int, 'started') RETURNING id)"
			" SELECT pg_notify('relay_engine', '') FROM started");
	sleep(1);					/* the others listen by then */
	for (int i = 0; i < atoi(argv[2]); i++)
	{
		struct timespec before;
		struct timespec after;
		char		id[16];
		const char *arg = id;

		snprintf(id, sizeof(id), "%d", i);
		clock_gettime(CLOCK_MONOTONIC, &before);
		PQclear(run(conn, "start", 1, &arg));
		sleep_until_notified(conn);
		clock_gettime(CLOCK_MONOTONIC, &after);
		printf("%ld\n", (after.tv_sec - before.tv_sec) * 1000000L + (after.tv_nsec - before.tv_nsec) / 1000);
	}
	kill(engine, SIGTERM);
	kill(worker, SIGTERM);
	return 0;
}
