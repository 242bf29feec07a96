/*-------------------------------------------------------------------------
 *
 * async.c
 *	  Reports on an activity from outside of its worker.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* A named argument. */
typedef struct Argument
{
	const char *name;
	const char *value;
} Argument;

#define MAX_ARGUMENTS	5
#define MAX_PARAMS		(MAX_ARGUMENTS + 4)

/*
 * Call wf_VERB_activity or wf_VERB_activity_by_id.  NULL with *error on failure.
 */
static PGresult *
call(PGconn *conn, const char *verb, const DurableTarget *target,
	 const Argument *arguments, int count, DurableError *error)
{
	const char *params[MAX_PARAMS] = {target->token};
	int			n = 1;
	Text		sql;
	FILE	   *out = dw_text_open(&sql);
	PGresult   *result;

	fprintf(out, "SELECT * FROM wf_%s_activity", verb);
	if (target->token != NULL)
		fputs("($1", out);
	else
	{
		fputs("_by_id($1, $2, run_id => $3, namespace => $4", out);
		params[0] = target->workflow_id;
		params[1] = target->activity_id;
		params[2] = target->run_id;
		params[3] = target->workflow_namespace;
		n = 4;
	}
	for (int i = 0; i < count; i++)
	{
		params[n++] = arguments[i].value;
		fprintf(out, ", %s => $%d", arguments[i].name, n);
	}
	fputc(')', out);

	result = PQexecParams(conn, dw_text_close(&sql), n, NULL, params, NULL, NULL, 0);
	free(sql.data);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		dw_result_error(error, result);
		PQclear(result);
		return NULL;
	}
	return result;
}

/*
 * The same, with the value of the first argument encoded
 */
static PGresult *
call_encoded(PGconn *conn, const char *verb, const DurableTarget *target,
			 Argument *arguments, int count, DurableError *error)
{
	char	   *encoded = NULL;
	PGresult   *result;

	if (arguments[0].value != NULL)
	{
		encoded = durable_encode(target->codec, arguments[0].value, error);
		if (encoded == NULL)
			return NULL;
		arguments[0].value = encoded;
	}
	result = call(conn, verb, target, arguments, count, error);
	free(encoded);
	return result;
}

static int
call_void(PGconn *conn, const char *verb, const DurableTarget *target,
		  Argument *arguments, int count, DurableError *error)
{
	PGresult   *result = call_encoded(conn, verb, target, arguments, count, error);

	PQclear(result);
	return result == NULL ? -1 : 0;
}

int
durable_async_complete(PGconn *conn, const DurableTarget *target, const char *result, DurableError *error)
{
	Argument	arguments[] = {{"result", result}};

	return call_void(conn, "complete", target, arguments, 1, error);
}

int
durable_async_fail(PGconn *conn, const DurableTarget *target, const DurableFailure *failure, DurableError *error)
{
	char		delay[40];
	Argument	arguments[MAX_ARGUMENTS] = {
		{"details", failure->details},
		{"type", failure->type ? failure->type : "error"},
		{"message", failure->message},
		{"non_retryable", failure->non_retryable ? "true" : "false"},
		{"next_retry_delay", failure->retry_delay_ms ? delay : NULL}
	};

	dw_interval(delay, sizeof(delay), failure->retry_delay_ms);
	return call_void(conn, "fail", target, arguments, MAX_ARGUMENTS, error);
}

int
durable_async_cancelled(PGconn *conn, const DurableTarget *target, const char *details, DurableError *error)
{
	Argument	arguments[] = {{"details", details}};

	return call_void(conn, "cancelled", target, arguments, 1, error);
}

int
durable_async_heartbeat(PGconn *conn, const DurableTarget *target, const char *details,
						unsigned *flags, DurableError *error)
{
	Argument	arguments[] = {{"details", details}};
	PGresult   *result = call_encoded(conn, "heartbeat", target, arguments, 1, error);

	if (result == NULL)
		return -1;
	if (flags != NULL)
		*flags = dw_told(result);
	PQclear(result);
	return 0;
}
