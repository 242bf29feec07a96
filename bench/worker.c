/*
 * The least an external worker can be: it LISTENs, polls, completes what it
 * gets with null, and sleeps in poll(2) when there is nothing.
 *
 *	worker CONNINFO TASK_QUEUE MAX
 */
#include "session.h"

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
	PQclear(run(conn, "listen", 1, poll_args));
	for (;;)
	{
		PGresult   *tasks = run(conn, "poll", 2, poll_args);
		int			count = PQntuples(tasks);

		for (int i = 0; i < count; i++)
		{
			const char *token = PQgetvalue(tasks, i, 0);

			PQclear(run(conn, "complete", 1, &token));
		}
		PQclear(tasks);
		if (count < atoi(argv[3]))
			sleep_until_notified(conn);
	}
}
