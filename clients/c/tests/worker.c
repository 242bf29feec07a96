/*
 * worker.c
 *	  The worker that tests/run drives.
 *
 *	  worker QUEUE [OPTION=VALUE]...		runs the activities below
 *	  worker report TOKEN RESULT			completes by token
 *	  worker report WORKFLOW ACTIVITY RESULT	completes by ids, after a heartbeat
 *	  worker encode JSON, worker decode JSON	with the codec of codec=1
 *
 *	  Activities tell what happens to them in lines appended to the file $NOTES:
 *	  activity, idempotency key, attempt, a word.  Counters are printed at the end.
 */
#include <durable.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static DurableWorker *worker;

static void
on_signal(int signum)
{
	(void) signum;
	durable_worker_stop(worker);
}

static void
note(const DurableTask *task, const char *word)
{
	char		line[500];
	int			len = snprintf(line, sizeof(line), "%s %s %d %s\n", durable_task_activity(task),
							   durable_task_idempotency_key(task), durable_task_attempt(task), word);
	int			fd = open(getenv("NOTES"), O_WRONLY | O_CREAT | O_APPEND, 0666);

	if (write(fd, line, (size_t) len) != len)
		abort();
	close(fd);
}

/* The number in a string of the input, "0" without one. */
static int
input_number(const DurableTask *task, const char *key)
{
	char	   *text = durable_json_string(durable_task_input(task), key);
	int			number = text ? atoi(text) : 0;

	free(text);
	return number;
}

static void
echo(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	durable_complete(task, durable_task_input(task));
}

static void
nothing(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
}

/* Fails twice, then completes with the number of its attempt. */
static void
flaky(DurableTask *task, void *arg)
{
	char		result[20];

	(void) arg;
	note(task, "ran");
	snprintf(result, sizeof(result), "%d", durable_task_attempt(task));
	if (durable_task_attempt(task) < 3)
		durable_fail(task, &(DurableFailure) {.type = "Flaky", .message = "not yet"});
	else
		durable_complete(task, result);
}

static void
declined(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	durable_fail(task, &(DurableFailure) {.type = "CardDeclined", .message = "no money",
				 .details = "{\"code\": 51}", .non_retryable = true});
}

/* Fails once, with a word of its own on when to try again. */
static void
later(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	if (durable_task_attempt(task) == 1)
		durable_fail(task, &(DurableFailure) {.message = "busy", .retry_delay_ms = 1500});
}

static void
bad_json(DurableTask *task, void *arg)
{
	(void) arg;
	durable_complete(task, "this is no JSON");
}

/* Heartbeats details, then hangs until it is killed; the next attempt returns the details. */
static void
hang(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	if (durable_task_heartbeat_details(task) != NULL)
	{
		durable_complete(task, durable_task_heartbeat_details(task));
		return;
	}
	durable_heartbeat(task, "{\"step\": 1}");
	durable_heartbeat(task, "{\"step\": 2}");
	durable_task_sleep(task, 60000);
}

/* Fails right after details that there was no time to send. */
static void
fail_with_details(DurableTask *task, void *arg)
{
	(void) arg;
	if (durable_task_heartbeat_details(task) != NULL)
	{
		durable_complete(task, durable_task_heartbeat_details(task));
		return;
	}
	for (int i = 1; i <= 1000; i++)
	{
		char		details[20];

		snprintf(details, sizeof(details), "%d", i);
		durable_heartbeat(task, details);
	}
	durable_fail(task, &(DurableFailure) {.message = "once"});
}

/* Sleeps for input.ms, or until it is told to stop. */
static void
patient(DurableTask *task, void *arg)
{
	unsigned	why;

	(void) arg;
	note(task, "ran");
	durable_heartbeat(task, NULL);
	why = durable_task_sleep(task, input_number(task, "ms"));
	note(task, why & DURABLE_CANCEL_REQUESTED ? "cancel" : why & DURABLE_LOST ? "lost" :
		 why & DURABLE_SHUTDOWN ? "shutdown" : "slept");
	if (why)
		durable_cancelled(task, "\"stopped\"");
	else
		durable_complete(task, "\"slept\"");
}

static void
quitter(DurableTask *task, void *arg)
{
	(void) arg;
	durable_cancelled(task, NULL);
}

/* Gives the attempt back when it is paused. */
static void
pausing(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	while (durable_task_attempt(task) == 1 && !durable_task_sleep(task, 50))
	{
		if (durable_heartbeat(task, NULL) & DURABLE_PAUSED)
		{
			note(task, "paused");
			durable_fail(task, &(DurableFailure) {.message = "paused"});
			return;
		}
	}
}

static void
sleep_ms(int ms)
{
	nanosleep(&(struct timespec) {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* Sleeps for input.ms whatever it is told, and completes. */
static void
stubborn(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, "ran");
	sleep_ms(input_number(task, "ms"));
	note(task, "woke");
}

/* Waits for the file $NOTES.open; all that wait go on at the same moment. */
static void
gate(DurableTask *task, void *arg)
{
	char		path[500];
	struct timespec now;

	(void) arg;
	note(task, "ran");
	snprintf(path, sizeof(path), "%s.open", getenv("NOTES"));
	do
	{
		clock_gettime(CLOCK_MONOTONIC, &now);
		sleep_ms(200 - (int) (now.tv_nsec / 1000000 % 200));
	} while (access(path, F_OK) != 0);
}

static void
detach(DurableTask *task, void *arg)
{
	(void) arg;
	note(task, durable_task_token(task));
	durable_detach(task);
}

static const struct
{
	const char *name;
	DurableActivity run;
}			activities[] = {
	{"echo", echo}, {"nothing", nothing}, {"flaky", flaky}, {"declined", declined}, {"later", later},
	{"bad_json", bad_json}, {"hang", hang}, {"fail_with_details", fail_with_details}, {"patient", patient},
	{"stubborn", stubborn}, {"gate", gate}, {"detach", detach}, {"quitter", quitter}, {"pausing", pausing}
};

static DurableCodec *
test_codec(void)
{
	unsigned char key[DURABLE_AES_KEY_BYTES];

	for (int i = 0; i < DURABLE_AES_KEY_BYTES; i++)
		key[i] = (unsigned char) i;
	return durable_codec_aes_gcm_new(key, "k1");
}

static int
recode(const char *verb, const char *json)
{
	DurableCodec *codec = test_codec();
	DurableError error;
	char	   *text = (*verb == 'e' ? durable_encode : durable_decode) (codec, json, &error);

	puts(text ? text : error.message);
	free(text);
	durable_codec_free(codec);
	return text ? 0 : 1;
}

static int
report(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb("");
	DurableTarget target = {.token = argc == 4 ? argv[2] : NULL, .workflow_id = argv[2], .activity_id = argv[3]};
	DurableError error;
	unsigned	flags;
	int			failed;

	failed = (argc > 4 && durable_async_heartbeat(conn, &target, "1", &flags, &error)) ||
		durable_async_complete(conn, &target, argv[argc - 1], &error);
	if (failed)
		puts(error.sqlstate);
	PQfinish(conn);
	return failed;
}

static void
log_all(DurableLogLevel level, const char *sqlstate, const char *message, void *arg)
{
	(void) arg;
	fprintf(stderr, "%d %s %s\n", level, sqlstate, message);
}

static void
read_option(DurableWorkerOptions *options, const char *option)
{
	const char *value = strchr(option, '=') + 1;
	int			number = atoi(value);

	if (strncmp(option, "slots", 5) == 0)
		options->slots = number;
	else if (strncmp(option, "grace", 5) == 0)
		options->stop_grace_ms = number;
	else if (strncmp(option, "safety", 6) == 0)
		options->safety_poll_ms = number;
	else if (strncmp(option, "no_listen", 9) == 0)
		options->no_listen = number;
	else if (strncmp(option, "timeout", 7) == 0)
		options->command_timeout_ms = number;
	else if (strncmp(option, "codec", 5) == 0)
		options->codec = test_codec();
	else
		options->conninfo = value;
}

static void
print_stats(void)
{
	DurableStats s;

	durable_worker_stats(worker, &s);
	printf("claimed=%d completed=%d failed=%d cancelled=%d stale=%d in_doubt=%d dropped=%d connects=%d\n",
		   (int) s.claimed, (int) s.completed, (int) s.failed, (int) s.cancelled, (int) s.stale,
		   (int) s.in_doubt, (int) s.dropped, (int) s.connects);
}

int
main(int argc, char **argv)
{
	DurableWorkerOptions options = {.log = log_all, .stop_grace_ms = 1000};
	DurableError error;
	int			failed;

	if (strcmp(argv[1], "report") == 0)
		return report(argc, argv);
	if (strcmp(argv[1], "encode") == 0 || strcmp(argv[1], "decode") == 0)
		return recode(argv[1], argv[2]);

	options.task_queue = argv[1];
	for (int i = 2; i < argc; i++)
		read_option(&options, argv[i]);
	worker = durable_worker_new(&options, NULL);
	for (size_t i = 0; i < sizeof(activities) / sizeof(activities[0]); i++)
		durable_worker_register(worker, activities[i].name, activities[i].run, NULL);
	signal(SIGTERM, on_signal);

	failed = durable_worker_run(worker, &error);
	if (failed)
		printf("%s %s\n", error.sqlstate, error.message);
	print_stats();
	durable_worker_free(worker);
	durable_codec_free((DurableCodec *) options.codec);
	return failed ? 1 : 0;
}
