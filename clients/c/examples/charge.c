/*
 * charge.c
 *	  An activity that calls an HTTP service: charge URL [TASK_QUEUE]
 *
 *	  Posts the activity's input to URL and completes with what comes back,
 *	  which is JSON.  The idempotency key goes along as a header: a charge that
 *	  is sent again, because its answer got lost, is charged once.
 */
#include <curl/curl.h>
#include <durable.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static DurableWorker *worker;

static void
on_signal(int signum)
{
	(void) signum;
	durable_worker_stop(worker);
}

/* Called by curl several times a second: gives up when the activity is told to stop. */
static int
on_progress(void *task, curl_off_t total, curl_off_t now, curl_off_t total_up, curl_off_t now_up)
{
	(void) total, (void) now, (void) total_up, (void) now_up;
	return durable_task_should_stop(task) != 0;
}

static void
fail_over_status(DurableTask *task, long status, curl_off_t retry_after)
{
	char		type[20];
	bool		retryable = status >= 500 || status == 429;

	snprintf(type, sizeof(type), "Http%ld", status);
	durable_fail(task, &(DurableFailure) {
		.type = type,
		.message = "the service did not accept the charge",
		.non_retryable = !retryable,
		.retry_delay_ms = retryable ? (int64_t) retry_after * 1000 : 0
	});
}

/* Reports how the request went. */
static void
report(DurableTask *task, CURL *curl, CURLcode code, const char *answer)
{
	long		status = 0;
	curl_off_t	retry_after = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);

	if (code == CURLE_ABORTED_BY_CALLBACK)
		durable_cancelled(task, NULL);
	else if (code != CURLE_OK)
		durable_fail(task, &(DurableFailure) {.type = "HttpError", .message = curl_easy_strerror(code)});
	else if (status < 200 || status > 299)
		fail_over_status(task, status, retry_after);
	else
		durable_complete(task, answer);
}

static void
charge(DurableTask *task, void *url)
{
	CURL	   *curl = curl_easy_init();
	struct curl_slist *headers = NULL;
	char		key[200];
	char	   *answer = NULL;
	size_t		size;
	FILE	   *body = open_memstream(&answer, &size);
	int64_t		left = durable_task_time_left(task);
	CURLcode	code;

	snprintf(key, sizeof(key), "Idempotency-Key: %s", durable_task_idempotency_key(task));
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, key);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, durable_task_input(task));
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left < 60000 ? (long) left : 60000L);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, task);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);

	code = curl_easy_perform(curl);
	fclose(body);
	report(task, curl, code, answer);

	free(answer);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

int
main(int argc, char **argv)
{
	DurableWorkerOptions options = {.task_queue = argc > 2 ? argv[2] : "payments"};
	DurableError error;
	int			failed;

	if (argc < 2)
	{
		fprintf(stderr, "usage: %s URL [TASK_QUEUE]\n", argv[0]);
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	worker = durable_worker_new(&options, &error);
	if (worker == NULL)
	{
		fprintf(stderr, "%s: %s\n", argv[0], error.message);
		return 1;
	}
	durable_worker_register(worker, "charge", charge, argv[1]);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);

	failed = durable_worker_run(worker, &error);
	if (failed)
		fprintf(stderr, "%s: %s\n", argv[0], error.message);
	durable_worker_free(worker);
	curl_global_cleanup();
	return failed ? 1 : 0;
}
