/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Memory, time, errors, arrays.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

static void
out_of_memory(void)
{
	fputs("durable: out of memory\n", stderr);
	abort();
}

void *
dw_alloc(size_t size)
{
	void	   *p = calloc(1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

FILE *
dw_text_open(Text *text)
{
	text->out = open_memstream(&text->data, &text->size);
	if (text->out == NULL)
		out_of_memory();
	return text->out;
}

char *
dw_text_close(Text *text)
{
	if (fclose(text->out) != 0)
		out_of_memory();
	return text->data;
}

char *
dw_strdup(const char *s)
{
	return s == NULL ? NULL : strcpy(dw_alloc(strlen(s) + 1), s);
}

int64_t
dw_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
dw_message(char *message, size_t size, const char *format, va_list args)
{
	size_t		len;

	vsnprintf(message, size, format, args);
	len = strlen(message);
	while (len > 0 && message[len - 1] == '\n')
		message[--len] = '\0';
}

int
dw_error(DurableError *error, const char *sqlstate, const char *format,...)
{
	if (error != NULL)
	{
		va_list		args;

		snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", sqlstate);
		va_start(args, format);
		dw_message(error->message, sizeof(error->message), format, args);
		va_end(args);
	}
	return -1;
}

int
dw_result_error(DurableError *error, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	return dw_error(error, sqlstate ? sqlstate : "08006", "%s",
					message ? message : PQresultErrorMessage(result));
}

void
dw_interval(char *text, size_t size, int64_t ms)
{
	snprintf(text, size, "%lld milliseconds", (long long) ms);
}

char *
dw_array(const char *const *elements, int count)
{
	Text		array;
	FILE	   *out = dw_text_open(&array);

	for (int i = 0; i < count; i++)
	{
		fputc(i == 0 ? '{' : ',', out);
		if (elements[i] == NULL)
		{
			fputs("NULL", out);
			continue;
		}
		fputc('"', out);
		for (const char *p = elements[i]; *p;)
		{
			size_t		plain = strcspn(p, "\"\\");

			fwrite(p, 1, plain, out);
			p += plain;
			if (*p)
			{
				fputc('\\', out);
				fputc(*p++, out);
			}
		}
		fputc('"', out);
	}
	fputs(count == 0 ? "{}" : "}", out);
	return dw_text_close(&array);
}
