/*-------------------------------------------------------------------------
 *
 * durable.h
 *	  Activities of `durable' workflows in C: a worker that runs them, and the
 *	  calls that complete them from elsewhere.
 *
 *	  A worker polls one task queue and runs each activity it claims in a
 *	  thread of its own, at most `slots' at once.  The thread that calls
 *	  durable_worker_run() does all that concerns the database, on two
 *	  connections; callbacks get none of them.
 *
 *	  Conventions.  Strings are UTF-8 and end with a zero byte; payloads are
 *	  JSON text, and NULL stands for no payload.  Times are milliseconds.
 *	  Functions that can fail return 0, or -1 (pointers: NULL) with the reason in
 *	  *error, which may be NULL.  What they return as `char *' is the caller's to
 *	  free(); `const char *' stays with the object it came from.  Out of memory
 *	  ends the process by abort(): whatever it ran is retried elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_H
#define DURABLE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

typedef struct DurableWorker DurableWorker;
typedef struct DurableTask DurableTask;

/*
 * Why a call failed.  sqlstate is the server's, for instance WF013 (the task
 * is no longer yours), 08001 or 08006 where there is no connection, and empty
 * for what is wrong on the client's side.
 */
typedef struct DurableError
{
	char		sqlstate[6];
	char		message[1024];
} DurableError;

#define DURABLE_TASK_LOST	"WF013"

/* -- Payload codecs ------------------------------------------------------- */

/*
 * Turns payloads into what the server stores, and back.  Inputs, results,
 * details of failures and details of heartbeats pass through it; names, ids
 * and failure messages do not.
 *
 * encode and decode return a new JSON text, or NULL with *error (never NULL
 * here) filled in.  decode must return what it did not encode as it is.  A
 * worker calls both from several threads at once.  free_arg may be NULL.
 */
typedef struct DurableCodec
{
	char	   *(*encode) (void *arg, const char *json, DurableError *error);
	char	   *(*decode) (void *arg, const char *json, DurableError *error);
	void		(*free_arg) (void *arg);
	void	   *arg;
} DurableCodec;

#define DURABLE_AES_KEY_BYTES	32

/*
 * A codec that encrypts with AES-256-GCM.  The server sees
 *		{"__codec": "aes-256-gcm", "kid": keyid, "iv": base64, "data": base64}
 * where data is the ciphertext of the JSON text and its 16-byte tag, iv has 12
 * random bytes, and the associated data is "durable".  Key and keyid are
 * copied.  durable_codec_free() frees it.
 */
DurableCodec *durable_codec_aes_gcm_new(const unsigned char key[DURABLE_AES_KEY_BYTES], const char *keyid);

/*
 * Adds a key to a codec of durable_codec_aes_gcm_new(): it decrypts what was
 * encrypted with it before, while new payloads use the first key.  Call it
 * before the codec is used.
 */
void		durable_codec_aes_gcm_add(DurableCodec *codec, const unsigned char key[DURABLE_AES_KEY_BYTES],
									  const char *keyid);

/* Frees a codec that durable_codec_aes_gcm_new() returned.  NULL is ignored. */
void		durable_codec_free(DurableCodec *codec);

/*
 * Encode and decode a payload outside of a worker: for the input given to
 * wf_start and the result got from wf_result.  A NULL codec returns a copy.
 */
char	   *durable_encode(const DurableCodec *codec, const char *json, DurableError *error);
char	   *durable_decode(const DurableCodec *codec, const char *json, DurableError *error);

/* -- Workers -------------------------------------------------------------- */

typedef enum DurableLogLevel
{
	DURABLE_LOG_DEBUG,			/* stale reports, notices of the server */
	DURABLE_LOG_INFO,			/* connected */
	DURABLE_LOG_WARNING,		/* connection lost, command failed: it is tried again */
	DURABLE_LOG_ERROR			/* an outcome was refused or could not be sent */
} DurableLogLevel;

/*
 * Gets every message of a worker, from any of its threads.  sqlstate is as in
 * DurableError.
 */
typedef void (*DurableLog) (DurableLogLevel level, const char *sqlstate, const char *message, void *arg);

/* Zero means the default, in every field. */
typedef struct DurableWorkerOptions
{
	const char *conninfo;		/* as for PQconnectdb(): string or URI; default: PG* environment */
	const char *task_queue;		/* required */
	const char *workflow_namespace; /* default: the setting durable.namespace */
	const char *identity;		/* the worker's name in wf_workers; default: pid@host */
	int			slots;			/* activities at once; default 10 */
	int			stop_grace_ms;	/* activities get so long to finish after a stop; default 30 s */
	int			safety_poll_ms; /* poll even without a NOTIFY, so often; default 60 s */
	bool		no_listen;		/* never LISTEN (PgBouncer in transaction mode): long-poll instead */
	int			long_poll_ms;	/* how long a poll waits with no_listen; default 5 s */
	int			command_timeout_ms; /* give up a connection that does not answer; default 30 s */
	const DurableCodec *codec;	/* must outlive the worker; default: none */
	DurableLog	log;			/* default: warnings and errors to stderr */
	void	   *log_arg;
} DurableWorkerOptions;

/* What a worker has done so far. */
typedef struct DurableStats
{
	int64_t		claimed;		/* activities claimed */
	int64_t		completed;		/* outcomes the server has taken, by kind */
	int64_t		failed;
	int64_t		cancelled;
	int64_t		stale;			/* outcomes refused: the attempt had timed out or was superseded */
	int64_t		in_doubt;		/* outcomes that turned out to be taken already, after a lost connection */
	int64_t		dropped;		/* outcomes that the server refused for good */
	int64_t		heartbeats;
	int64_t		polls;
	int64_t		connects;
} DurableStats;

/* Runs one attempt of an activity; see "In an activity" below. */
typedef void (*DurableActivity) (DurableTask *task, void *arg);

/*
 * Makes a worker.  Options are copied; nothing connects yet.  Fails when
 * task_queue is missing, conninfo is malformed, or there is no pipe to be had.
 */
DurableWorker *durable_worker_new(const DurableWorkerOptions *options, DurableError *error);

/*
 * Names the function that runs an activity; arg is passed to it.  The worker
 * claims activities of registered names only.  Call it before
 * durable_worker_run().  A name registered again gets the new function.
 */
void		durable_worker_register(DurableWorker *worker, const char *activity, DurableActivity run, void *arg);

/*
 * Runs activities until durable_worker_stop().  A server that cannot be
 * reached, or goes away, is tried again for ever, every 100 ms to 10 s; an
 * outcome that could not be sent is kept and sent then.
 *
 * After a stop it claims no more, and waits stop_grace_ms for the activities
 * that run; then they are told by DURABLE_SHUTDOWN, and it waits for their
 * callbacks to return.  Returns 0 when all outcomes were sent, or -1: threads
 * could not be started, or outcomes could not be sent for 5 s after the grace
 * period.  A worker runs once.
 */
int			durable_worker_run(DurableWorker *worker, DurableError *error);

/*
 * Makes durable_worker_run() come to its end.  A second call ends the grace
 * period.  May be called from a signal handler and from any thread.
 */
void		durable_worker_stop(DurableWorker *worker);

/* Copies the counters.  May be called from any thread. */
void		durable_worker_stats(DurableWorker *worker, DurableStats *stats);

/* Frees a worker that does not run.  NULL is ignored. */
void		durable_worker_free(DurableWorker *worker);

/* -- In an activity ------------------------------------------------------- */

/*
 * These are for the callback and the threads it has started and waits for.
 * The task is gone when the callback returns.
 */

/* What the poll said.  heartbeat_details: of the last attempt, or NULL. */
const char *durable_task_activity(const DurableTask *task);
const char *durable_task_input(const DurableTask *task);
const char *durable_task_workflow_id(const DurableTask *task);
const char *durable_task_run_id(const DurableTask *task);
const char *durable_task_activity_id(const DurableTask *task);
const char *durable_task_idempotency_key(const DurableTask *task);	/* the same for all attempts */
const char *durable_task_heartbeat_details(const DurableTask *task);
const char *durable_task_token(const DurableTask *task);
int			durable_task_attempt(const DurableTask *task);	/* from 1 on */

/* When this attempt times out, in milliseconds since 1970 by the server's clock; 0 for never. */
int64_t		durable_task_deadline(const DurableTask *task);

/* How many milliseconds are left until then, whatever the local clock says; INT64_MAX for never. */
int64_t		durable_task_time_left(const DurableTask *task);

/*
 * Reports.  They are sent when the callback returns; the last one counts.  A
 * callback that returns without any has completed without a result.
 */

void		durable_complete(DurableTask *task, const char *result);

typedef struct DurableFailure
{
	const char *type;			/* what retry policies' non_retryable matches; default 'error' */
	const char *message;		/* for people; not encoded */
	const char *details;		/* JSON, or NULL */
	bool		non_retryable;	/* fail for good */
	int64_t		retry_delay_ms; /* until the next attempt; 0: as the retry policy says */
} DurableFailure;

/* The attempt has failed; the retry policy says what is next.  failure is copied. */
void		durable_fail(DurableTask *task, const DurableFailure *failure);

/*
 * The activity has stopped because it was told to.  Where it was not the
 * workflow that wanted it: after DURABLE_LOST nothing is reported, and after
 * DURABLE_SHUTDOWN it is a retryable failure of type WorkerShutdown, so that
 * another worker goes on at once.
 */
void		durable_cancelled(DurableTask *task, const char *details);

/*
 * Somebody else will report, with durable_async_complete() and the like.
 * Copy durable_task_token() or the ids first.  From the callback's return on
 * the worker forgets the task: it sends no more heartbeats for it.
 */
void		durable_detach(DurableTask *task);

/* What an activity may be told. */
#define DURABLE_CANCEL_REQUESTED	0x01	/* the workflow wants it to stop */
#define DURABLE_PAUSED				0x02	/* an operator paused it: no next attempt until unpaused */
#define DURABLE_LOST				0x04	/* timed out, superseded, workflow closed: no report is taken */
#define DURABLE_SHUTDOWN			0x08	/* this worker stops and the grace period is over */

/*
 * Records how far the activity has got: details (NULL: as before) is what
 * durable_task_heartbeat_details() returns to the next attempt.  Returns what
 * the activity was told, a set of the flags above; it never waits for the
 * server.
 *
 * Cheap enough for every iteration: the worker sends the latest details at
 * most every 0.8 heartbeat timeouts or 30 s, whichever is less, and before a
 * failure.  It also sends heartbeats by itself at that pace, so an activity
 * with a heartbeat timeout need not call this to stay alive.  One without
 * must call it, or is never told that it is cancelled.
 */
unsigned	durable_heartbeat(DurableTask *task, const char *details);

/* The flags that are reasons to stop: all but DURABLE_PAUSED.  Records nothing. */
unsigned	durable_task_should_stop(DurableTask *task);

/*
 * Sleeps for a number of milliseconds, or until there is a reason to stop.
 * Returns as durable_task_should_stop().
 */
unsigned	durable_task_sleep(DurableTask *task, int64_t ms);

/* -- Completing from elsewhere -------------------------------------------- */

/*
 * Names a running attempt: by its token, or by the ids of the workflow and
 * the activity.  run_id NULL is the current run; workflow_namespace NULL is
 * the connection's.  With a codec, payloads are encoded.
 */
typedef struct DurableTarget
{
	const char *token;
	const char *workflow_id;
	const char *activity_id;
	const char *run_id;
	const char *workflow_namespace;
	const DurableCodec *codec;
} DurableTarget;

/*
 * Report the outcome of an activity, or that it lives, on a connection of the
 * caller's, within its transaction if it has one open.  Each is one round
 * trip.  flags gets what the activity was told (DURABLE_CANCEL_REQUESTED,
 * DURABLE_PAUSED).  Errors: DURABLE_TASK_LOST when the attempt has timed out,
 * was superseded or has been reported already; any other of the server.
 */
int			durable_async_complete(PGconn *conn, const DurableTarget *target, const char *result,
								   DurableError *error);
int			durable_async_fail(PGconn *conn, const DurableTarget *target, const DurableFailure *failure,
							   DurableError *error);
int			durable_async_cancelled(PGconn *conn, const DurableTarget *target, const char *details,
									DurableError *error);
int			durable_async_heartbeat(PGconn *conn, const DurableTarget *target, const char *details,
									unsigned *flags, DurableError *error);

/* -- A little JSON -------------------------------------------------------- */

/* A text as a JSON string, with its quotes. */
char	   *durable_json_quote(const char *text);

/*
 * The string under a key of a JSON object, decoded.  NULL when json is no
 * object, has no such key, or something else than a string under it.
 */
char	   *durable_json_string(const char *json, const char *key);

#ifdef __cplusplus
}
#endif

#endif							/* DURABLE_H */
