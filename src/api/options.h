/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Checks of what callers pass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OPTIONS_H
#define DURABLE_OPTIONS_H

#include "fmgr.h"
#include "run/start.h"

extern text *arg_text(FunctionCallInfo fcinfo, int arg, const char *name, bool required);
extern Jsonb *arg_jsonb(FunctionCallInfo fcinfo, int arg);
extern Jsonb *arg_object(FunctionCallInfo fcinfo, int arg, const char *name);
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
extern void start_options(FunctionCallInfo fcinfo, int first, StartOptions *options);
extern bool sees_processes_of(Oid role);

#endif							/* DURABLE_OPTIONS_H */
