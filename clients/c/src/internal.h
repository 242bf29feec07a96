/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  What the parts of a worker share.
 *
 *	  A task is on one list at a time, and moves
 *
 *		ready -> running -> outbox -> sending -> freed
 *
 *	  A pool thread takes it from ready to outbox; the rest is done by the I/O
 *	  thread, the one in durable_worker_run().  That thread owns both links.
 *	  The poll link claims activities and hears NOTIFY; the report link sends
 *	  outcomes and heartbeats, so that a poll that waits holds up none of them.
 *
 *	  Locking: worker->lock guards the lists ready, running and outbox, the
 *	  statistics, `woken', `closing', and of each task what is marked so.
 *	  Everything else belongs to the I/O thread, or, of a task that runs, to its
 *	  callback's thread.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_INTERNAL_H
#define DURABLE_INTERNAL_H

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "durable.h"

#define NEVER INT64_MAX

/* -- util.c -- */

/* like malloc() and strdup(), but they do not fail; strdup of NULL is NULL */
void	   *dw_alloc(size_t size);
char	   *dw_strdup(const char *s);

/* a stream into memory, and what was written to it, to be freed with free() */
typedef struct Text
{
	FILE	   *out;
	char	   *data;
	size_t		size;
} Text;

FILE	   *dw_text_open(Text *text);
char	   *dw_text_close(Text *text);

/* milliseconds of the monotonic clock */
int64_t		dw_now(void);

/* formats a message, without the newline that libpq's end with */
void		dw_message(char *message, size_t size, const char *format, va_list args);

/* fills in *error, where it is not NULL, and returns -1 */
int			dw_error(DurableError *error, const char *sqlstate, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* the same with what a failed command's result says */
int			dw_result_error(DurableError *error, const PGresult *result);

/* an interval as PostgreSQL reads it */
void		dw_interval(char *text, size_t size, int64_t ms);

/* a one-dimensional array as PostgreSQL writes it; NULL elements are allowed */
char	   *dw_array(const char *const *elements, int count);

/* -- link.c -- */

typedef enum LinkState
{
	LINK_DOWN,
	LINK_CONNECTING,
	LINK_IDLE,
	LINK_BUSY					/* a command was sent */
} LinkState;

typedef enum LinkEvent
{
	LINK_NOTHING,
	LINK_UP,					/* it has just connected */
	LINK_ANSWER,				/* the command's answer is in link->answer */
	LINK_LOST					/* it broke; what was sent may have been done or not */
} LinkEvent;

typedef struct Link
{
	DurableWorker *worker;
	const char *name;			/* for the log */
	PGconn	   *conn;
	LinkState	state;
	PGresult   *answer;
	short		events;			/* what to poll(2) for */
	bool		ready;			/* poll(2) reported something */
	int64_t		deadline;		/* of connecting, or of the command */
	int64_t		retry_at;		/* send or connect nothing before */
	int			failures;		/* in a row: they set the pace of retries */
	unsigned short seed[3];
} Link;

void		dw_link_init(Link *link, DurableWorker *worker, const char *name);
LinkEvent	dw_link_step(Link *link, int64_t now);
bool		dw_link_can_send(const Link *link, int64_t now);
void		dw_link_send(Link *link, int64_t now, int64_t timeout, const char *sql,
						 const char *const *params, int nparams);
void		dw_link_succeeded(Link *link);
void		dw_link_failed(Link *link, int64_t now, const char *what);
void		dw_link_cancel(Link *link);
int64_t		dw_link_wake(const Link *link, int64_t now);
void		dw_link_close(Link *link);

/* -- task.c -- */

typedef struct Activity
{
	char	   *name;
	DurableActivity run;
	void	   *arg;
} Activity;

typedef enum Outcome
{
	OUTCOME_COMPLETED,
	OUTCOME_FAILED,
	OUTCOME_CANCELLED,
	OUTCOME_NONE				/* nothing to send: detached, or too late */
} Outcome;

/* The columns of a poll, in the order of its SELECT: see poller.c. */
typedef enum Field
{
	FIELD_TOKEN, FIELD_ACTIVITY, FIELD_INPUT, FIELD_WORKFLOW_ID, FIELD_RUN_ID, FIELD_ACTIVITY_ID,
	FIELD_IDEMPOTENCY_KEY, FIELD_HEARTBEAT_DETAILS,
	TEXT_FIELDS,
	FIELD_ATTEMPT = TEXT_FIELDS, FIELD_DEADLINE, FIELD_TIME_LEFT, FIELD_HEARTBEAT_TIMEOUT
} Field;

struct DurableTask
{
	DurableWorker *worker;
	DurableTask *prev;
	DurableTask *next;
	const Activity *activity;
	char	   *text[TEXT_FIELDS];
	int			attempt;
	int64_t		deadline;
	int64_t		expires;		/* the same by our clock, or NEVER */

	/* the outcome: the callback's until it returns */
	Outcome		outcome;
	char	   *payload;		/* result or details, encoded */
	char	   *failure_type;
	char	   *failure_message;
	bool		non_retryable;
	int64_t		retry_delay_ms;

	/* how sending it went */
	bool		in_doubt;		/* sent once, and the connection broke */
	bool		alone;			/* not to be sent in a batch */
	bool		refused;		/* the server did not take it, it became a failure */

	/* heartbeats, guarded by worker->lock */
	unsigned	flags;			/* what the activity was told */
	char	   *beat_details;	/* encoded */
	unsigned	beat_version;	/* counts changes of beat_details */
	unsigned	beat_sent;		/* the version the server has */
	bool		beat_hurry;		/* send new details at once: the activity is to stop */
	int64_t		beat_at;		/* the last one */
	int64_t		beat_interval;
	bool		beat_auto;		/* has a heartbeat timeout */
};

typedef struct TaskList
{
	DurableTask *first;
	DurableTask *last;
	int			count;
} TaskList;

void		dw_list_add(TaskList *list, DurableTask *task);
void		dw_list_remove(TaskList *list, DurableTask *task);

DurableTask *dw_task_new(DurableWorker *worker, const PGresult *rows, int row, int64_t now);
void		dw_task_free(DurableTask *task);
void		dw_task_fail(DurableTask *task, const char *type, const char *message);
bool		dw_task_decode(DurableTask *task);
int64_t		dw_task_beat_due(const DurableTask *task);

/* -- poller.c -- */

typedef struct Poller
{
	Link		link;
	char	   *activities;		/* what is registered, as text[] */
	bool		listening;
	bool		more;			/* there may be more to claim */
	int			asked;			/* for how many the poll in progress asked */
	int64_t		poll_at;		/* when to poll even so */
} Poller;

void		dw_poller_init(DurableWorker *worker);
int64_t		dw_poller_step(DurableWorker *worker, int64_t now);
void		dw_poller_stop(DurableWorker *worker);

/* -- reporter.c -- */

typedef struct Reporter
{
	Link		link;
	TaskList	sending;		/* outcomes in flight */
	DurableTask *beating;		/* whose heartbeat is in flight; it is on its list */
	int64_t		beat_started;
	unsigned	beat_version;
	bool		beat_last;		/* outcomes and heartbeats take turns */
} Reporter;

void		dw_reporter_init(DurableWorker *worker);
int64_t		dw_reporter_step(DurableWorker *worker, int64_t now);

/* the flags that a heartbeat's result brings */
unsigned	dw_told(const PGresult *result);

/* -- pool.c -- */

int			dw_pool_start(DurableWorker *worker, DurableError *error);
void		dw_pool_stop(DurableWorker *worker);

/* -- worker.c -- */

typedef enum Stage
{
	STAGE_WORKING,
	STAGE_DRAINING,				/* stopped: activities may finish */
	STAGE_ENDING				/* the grace period is over, they have been told */
} Stage;

struct DurableWorker
{
	DurableWorkerOptions options;	/* strings are copies, defaults filled in */
	Activity   *activities;
	int			nactivities;

	int			wake[2];		/* a pipe: 's' for a stop, 'w' for news in the outbox */
	pthread_t  *threads;
	int			nthreads;

	pthread_mutex_t lock;
	pthread_cond_t work;		/* ready has a task, or closing */
	pthread_cond_t told;		/* a task has got a flag */
	TaskList	ready;
	TaskList	running;
	TaskList	outbox;
	DurableStats stats;
	bool		woken;			/* a 'w' is in the pipe */
	bool		closing;

	Stage		stage;
	int			stops;
	int64_t		grace_end;
	Poller		poller;
	Reporter	reporter;
};

/*
 * -- state.c --
 *
 * The order of the files, each of which calls those before it only: util, json,
 * codec, state, task, link, pool, poller, reporter, async, worker.
 */

Activity   *dw_activity(const DurableWorker *worker, const char *name);
void		dw_pool_wake(DurableWorker *worker);
void		dw_log(const DurableWorker *worker, DurableLogLevel level, const char *sqlstate,
				   const char *format,...) __attribute__((format(printf, 4, 5)));
void		dw_count(DurableWorker *worker, int64_t *counter, int64_t n);

#endif							/* DURABLE_INTERNAL_H */
