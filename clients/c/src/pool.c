/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The threads that run activities, one for each slot.
 *
 *-------------------------------------------------------------------------
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static void
run_activity(DurableTask *task)
{
	if (dw_task_decode(task))
		task->activity->run(task, task->activity->arg);
}

static void *
pool_thread(void *arg)
{
	DurableWorker *worker = arg;

	pthread_mutex_lock(&worker->lock);
	for (;;)
	{
		DurableTask *task = worker->ready.first;

		if (task == NULL)
		{
			if (worker->closing)
				break;
			pthread_cond_wait(&worker->work, &worker->lock);
			continue;
		}
		dw_list_remove(&worker->ready, task);
		dw_list_add(&worker->running, task);
		pthread_mutex_unlock(&worker->lock);

		run_activity(task);

		pthread_mutex_lock(&worker->lock);
		dw_list_remove(&worker->running, task);
		dw_list_add(&worker->outbox, task);
		dw_pool_wake(worker);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int
dw_pool_start(DurableWorker *worker, DurableError *error)
{
	sigset_t	all,
				before;
	int			failed = 0;

	worker->threads = dw_alloc((size_t) worker->options.slots * sizeof(pthread_t));

	/* signals are for the threads of the application */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (worker->nthreads < worker->options.slots)
	{
		failed = pthread_create(&worker->threads[worker->nthreads], NULL, pool_thread, worker);
		if (failed)
			break;
		worker->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	if (failed)
	{
		dw_pool_stop(worker);
		return dw_error(error, "", "cannot start %d threads: %s", worker->options.slots, strerror(failed));
	}
	return 0;
}

/*
 * End the threads, which have nothing left to run
 */
void
dw_pool_stop(DurableWorker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->closing = true;
	pthread_cond_broadcast(&worker->work);
	pthread_mutex_unlock(&worker->lock);
	while (worker->nthreads > 0)
		pthread_join(worker->threads[--worker->nthreads], NULL);
	free(worker->threads);
	worker->threads = NULL;
}
