/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Enough JSON to write a string and to find one in an object.
 *
 *	  The text comes from the server, which has checked it: what is skipped is
 *	  not checked again, but a malformed text is never read past its end.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

char *
durable_json_quote(const char *text)
{
	Text		quoted;
	FILE	   *out = dw_text_open(&quoted);

	fputc('"', out);
	for (const char *p = text; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if ((unsigned char) *p < ' ')
			fprintf(out, "\\u%04x", *p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
	return dw_text_close(&quoted);
}

static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/*
 * The end of a string whose opening quote is at p: its closing quote, or the
 * end of the text
 */
static const char *
string_end(const char *p)
{
	for (p++; *p && *p != '"'; p++)
	{
		if (*p == '\\' && p[1])
			p++;
	}
	return p;
}

/*
 * What follows the value at p
 */
static const char *
skip_value(const char *p)
{
	int			depth = 0;

	for (; *p; p++)
	{
		if (*p == '"')
		{
			p = string_end(p);
			if (*p == '\0')
				break;
		}
		else if (*p == '{' || *p == '[')
			depth++;
		else if (depth > 0 && (*p == '}' || *p == ']'))
			depth--;
		else if (depth == 0 && strchr(",}]", *p))
			break;
	}
	return p;
}

/*
 * Read four hexadecimal digits, or return -1
 */
static int
read_hex(const char *p)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		const char *digits = "0123456789abcdefABCDEF";
		const char *digit = p[i] ? strchr(digits, p[i]) : NULL;

		if (digit == NULL)
			return -1;
		value = value * 16 + (int) (digit - digits < 16 ? digit - digits : digit - digits - 6);
	}
	return value;
}

static void
append_utf8(FILE *out, int c)
{
	static const int lead[] = {0, 0xc0, 0xe0, 0xf0};
	int			more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	fputc(lead[more] | c >> 6 * more, out);
	while (more-- > 0)
		fputc(0x80 | (c >> 6 * more & 0x3f), out);
}

/*
 * Decode the escape after the backslash before p; returns its last character
 */
static const char *
append_escape(FILE *out, const char *p)
{
	const char *names = "bfnrt";
	const char *name = strchr(names, *p);
	int			c,
				low;

	if (name != NULL)
		fputc("\b\f\n\r\t"[name - names], out);
	else if (*p == 'u' && (c = read_hex(p + 1)) > 0)
	{
		p += 4;
		if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u' &&
			(low = read_hex(p + 3)) >= 0xdc00 && low < 0xe000)
		{
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
		append_utf8(out, c);
	}
	else
		fputc(*p, out);
	return p;
}

/*
 * Decode the string whose opening quote is at p
 */
static char *
decode_string(const char *p)
{
	Text		decoded;
	FILE	   *out = dw_text_open(&decoded);
	const char *end = string_end(p);

	for (p++; p < end; p++)
	{
		size_t		plain = strcspn(p, "\\\"");

		fwrite(p, 1, plain, out);
		p += plain;
		if (*p == '\\' && p + 1 < end)
			p = append_escape(out, p + 1);
	}
	return dw_text_close(&decoded);
}

char *
durable_json_string(const char *json, const char *key)
{
	const char *p = skip_space(json);

	if (*p != '{')
		return NULL;
	for (p = skip_space(p + 1); *p == '"'; p = skip_space(p + 1))
	{
		char	   *name = decode_string(p);
		bool		found = strcmp(name, key) == 0;

		free(name);
		p = string_end(p);
		if (*p == '\0')
			break;
		p = skip_space(p + 1);
		if (*p == ':')
			p = skip_space(p + 1);
		if (found)
			return *p == '"' && *string_end(p) == '"' ? decode_string(p) : NULL;
		p = skip_value(p);
		if (*p != ',')
			break;
	}
	return NULL;
}
