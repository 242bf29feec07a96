/*-------------------------------------------------------------------------
 *
 * mock.h
 *	  What stands in for activities in a test.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MOCK_H
#define DURABLE_MOCK_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct Mock
{
	char	   *activity;
	Jsonb	   *input;			/* for calls whose input contains it; NULL: all */
	Jsonb	   *result;			/* NULL: SQL NULL */
	char	   *error;			/* SQLSTATE or type; NULL: it completes */
	char	   *message;
	Jsonb	   *details;
	bool		non_retryable;
	char	   *times_out;		/* which timeout, or NULL */
	int64		delay;			/* microseconds that pass */
	int			left;			/* calls; -1: all */
} Mock;

extern void mock_add(const Mock *mock);
extern bool mock_exists(const char *activity);
extern Mock *mock_call(const text *activity, Jsonb *input);
extern Jsonb *mock_outcome(const Mock *mock);
extern List *mock_calls(const char *activity);

#endif							/* DURABLE_MOCK_H */
