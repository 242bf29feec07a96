/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Checks of what callers pass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OPTIONS_H
#define DURABLE_OPTIONS_H

#include "execution.h"
#include "fmgr.h"

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

extern text *arg_text(FunctionCallInfo fcinfo, int arg, const char *name, bool required);
extern Jsonb *arg_jsonb(FunctionCallInfo fcinfo, int arg);
extern Interval *arg_interval(FunctionCallInfo fcinfo, int arg, const char *name);
extern text *arg_namespace(FunctionCallInfo fcinfo, int arg);
extern text *arg_id(FunctionCallInfo fcinfo, int arg, const char *name, bool required);
extern Jsonb *arg_retry(FunctionCallInfo fcinfo, int arg);
extern Jsonb *arg_failure(FunctionCallInfo fcinfo, int first, int attempt);
extern ArrayType *arg_text_array(FunctionCallInfo fcinfo, int arg, const char *name);
extern Jsonb *arg_weights(FunctionCallInfo fcinfo, int arg);
extern int	arg_priority(FunctionCallInfo fcinfo, int arg);
extern text *arg_fairness_key(FunctionCallInfo fcinfo, int arg);
extern double arg_weight(FunctionCallInfo fcinfo, int arg);
extern int	arg_choice(FunctionCallInfo fcinfo, int arg, const char *name, const char *const *choices, int count);
extern Jsonb *arg_object(FunctionCallInfo fcinfo, int arg, const char *name);
extern void start_options(FunctionCallInfo fcinfo, int first, StartOptions *options);
extern void check_owner(Oid caller, Oid owner, const char *what);

#endif							/* DURABLE_OPTIONS_H */
