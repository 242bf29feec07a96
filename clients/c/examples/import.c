/*
 * import.c
 *	  An activity that goes through a file in chunks: import [TASK_QUEUE]
 *
 *	  Each chunk's effect is a row in the table imported:
 *
 *		CREATE TABLE imported (key text, at_byte bigint, lines int, attempt int,
 *							   PRIMARY KEY (key, at_byte));
 *
 *	  After each chunk the activity heartbeats how far it has got.  A worker that
 *	  dies is noticed by its missing heartbeats, and the next attempt goes on
 *	  from the last position that was sent.  Chunks done after that are done
 *	  twice; the primary key makes their effect the same.
 */
#include <durable.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_LINES		100
#define CHUNK_MS		50		/* as if there was more to do than to count */

static DurableWorker *worker;

static void
on_signal(int signum)
{
	(void) signum;
	durable_worker_stop(worker);
}

/* Reads a chunk from where the file stands. */
static int
read_chunk(FILE *file)
{
	char	   *line = NULL;
	size_t		size = 0;
	int			lines = 0;

	while (lines < CHUNK_LINES && getline(&line, &size, file) >= 0)
		lines++;
	free(line);
	return lines;
}

/* The effect of a chunk; doing it twice is doing it once. */
static bool
write_chunk(PGconn *conn, const DurableTask *task, long at_byte, int lines)
{
	char		numbers[3][24];
	PGresult   *result;
	bool		ok;

	snprintf(numbers[0], sizeof(numbers[0]), "%ld", at_byte);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", lines);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", durable_task_attempt(task));
	result = PQexecParams(conn, "INSERT INTO imported VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", 4, NULL,
						  (const char *[]) {durable_task_idempotency_key(task), numbers[0], numbers[1], numbers[2]},
						  NULL, NULL, 0);
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return ok;
}

static void
import_chunks(DurableTask *task, FILE *file, PGconn *conn)
{
	const char *checkpoint = durable_task_heartbeat_details(task);
	long		at_byte = checkpoint ? strtol(checkpoint, NULL, 10) : 0;
	char		details[24];
	int			lines;

	fseek(file, at_byte, SEEK_SET);
	while ((lines = read_chunk(file)) > 0)
	{
		if (!write_chunk(conn, task, at_byte, lines))
		{
			durable_fail(task, &(DurableFailure) {.type = "DatabaseError", .message = PQerrorMessage(conn)});
			return;
		}
		at_byte = ftell(file);
		snprintf(details, sizeof(details), "%ld", at_byte);
		durable_heartbeat(task, details);
		if (durable_task_sleep(task, CHUNK_MS))
		{
			durable_cancelled(task, details);
			return;
		}
	}
	snprintf(details, sizeof(details), "%ld", at_byte);
	durable_complete(task, details);
}

static void
import(DurableTask *task, void *arg)
{
	char	   *path = durable_json_string(durable_task_input(task), "path");
	FILE	   *file = path ? fopen(path, "r") : NULL;
	PGconn	   *conn = PQconnectdb("");

	(void) arg;
	if (file == NULL)
		durable_fail(task, &(DurableFailure) {.type = "NoSuchFile", .message = path, .non_retryable = true});
	else
		import_chunks(task, file, conn);
	if (file != NULL)
		fclose(file);
	PQfinish(conn);
	free(path);
}

int
main(int argc, char **argv)
{
	DurableWorkerOptions options = {.task_queue = argc > 1 ? argv[1] : "imports", .stop_grace_ms = 1000};
	DurableError error;
	int			failed;

	worker = durable_worker_new(&options, &error);
	if (worker == NULL)
	{
		fprintf(stderr, "%s: %s\n", argv[0], error.message);
		return 1;
	}
	durable_worker_register(worker, "import", import, NULL);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);

	failed = durable_worker_run(worker, &error);
	if (failed)
		fprintf(stderr, "%s: %s\n", argv[0], error.message);
	durable_worker_free(worker);
	return failed ? 1 : 0;
}
