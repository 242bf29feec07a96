/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What all parts of a worker, and all threads, ask of it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

void
dw_log(const DurableWorker *worker, DurableLogLevel level, const char *sqlstate, const char *format,...)
{
	char		message[1024];
	va_list		args;

	va_start(args, format);
	dw_message(message, sizeof(message), format, args);
	va_end(args);
	worker->options.log(level, sqlstate, message, worker->options.log_arg);
}

void
dw_count(DurableWorker *worker, int64_t *counter, int64_t n)
{
	pthread_mutex_lock(&worker->lock);
	*counter += n;
	pthread_mutex_unlock(&worker->lock);
}

Activity *
dw_activity(const DurableWorker *worker, const char *name)
{
	for (int i = 0; i < worker->nactivities; i++)
	{
		if (strcmp(worker->activities[i].name, name) == 0)
			return &worker->activities[i];
	}
	return NULL;
}

/*
 * Tell the I/O thread that there is something to do.  worker->lock is held.
 */
void
dw_pool_wake(DurableWorker *worker)
{
	ssize_t		written;

	if (worker->woken)
		return;
	worker->woken = true;
	written = write(worker->wake[1], "w", 1);
	(void) written;				/* a full pipe wakes as well */
}
