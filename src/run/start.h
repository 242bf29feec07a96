/*-------------------------------------------------------------------------
 *
 * start.h
 *	  Writing a new run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_START_H
#define DURABLE_START_H

#include "call/callable_cache.h"
#include "store/execution.h"
#include "store/history.h"

typedef enum OnRunning
{
	ON_RUNNING_FAIL,
	ON_RUNNING_USE_EXISTING,
	ON_RUNNING_TERMINATE
} OnRunning;

typedef enum OnClosed
{
	ON_CLOSED_ALLOW,
	ON_CLOSED_ALLOW_FAILED_ONLY,
	ON_CLOSED_REJECT
} OnClosed;

/* The options of wf_start, in the order of its arguments. */
typedef struct StartOptions
{
	text	   *id;
	OnRunning	on_running;
	OnClosed	on_closed;
	Interval   *execution_timeout;
	Interval   *run_timeout;
	Interval   *start_delay;
	Jsonb	   *retry;
	Jsonb	   *memo;
	Jsonb	   *search_attributes;
	int			priority;
	text	   *fairness_key;
	double		weight;
	text	   *request_id;
	text	   *namespace;
} StartOptions;

extern void generate_run_id(pg_uuid_t *id);
extern Callable *find_workflow(const char *name);
extern void fill_execution(Execution *e, text *name, Callable *workflow, const StartOptions *o, Oid owner,
						   ArrayType *settings);
extern void run_prepare(Execution *e, TimestampTz not_before);
extern bool closed_forbids(OnClosed policy, RunStatus last);
extern void run_init(Execution *e);
extern Event delayed_start_event(const Execution *e, TimestampTz not_before, Jsonb *input, int64 input_id);
extern TimestampTz run_deadline(const Execution *e, TimestampTz not_before);
extern void run_set_timeouts(const Execution *e, TimestampTz not_before);
extern bool run_start(Execution *e, Jsonb *input, TimestampTz not_before, int64 *seq);
extern void run_retry(const Execution *failed, Jsonb *input, TimestampTz at, const pg_uuid_t *run_id);

#endif							/* DURABLE_START_H */
