/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The caller's settings that shape results, kept for the run.
 *
 *	  Names resolve as they did for the caller of wf_start, and a replay next
 *	  month formats what it formatted then.  Stored are those settings that
 *	  differ from the values in the table below; the table is part of what is
 *	  on disk and must never change, only grow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

static const struct
{
	const char *name;
	const char *implied;
}			tracked[] = {
	{"search_path", "\"$user\", public"},
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"xmlbinary", "base64"},
	{"xmloption", "content"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"default_text_search_config", "pg_catalog.simple"},
	{"array_nulls", "on"},
	{"standard_conforming_strings", "on"},
	{"quote_all_identifiers", "off"},
};

/* What settings_apply() applied last in this transaction */
static ArrayType *applied = NULL;
static bool any_applied = false;

/*
 * The settings of this session, NULL where all are as implied: names and
 * values in turn
 */
ArrayType *
settings_capture(void)
{
	Datum		elements[2 * lengthof(tracked)];
	int			n = 0;

	for (int i = 0; i < lengthof(tracked); i++)
	{
		const char *value = GetConfigOption(tracked[i].name, true, false);

		if (value && strcmp(value, tracked[i].implied) != 0)
		{
			elements[n++] = CStringGetTextDatum(tracked[i].name);
			elements[n++] = CStringGetTextDatum(value);
		}
	}
	return n == 0 ? NULL : construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

static const char *
value_of(const char *name, const char *implied, Datum *elements, int n)
{
	for (int i = 0; i + 1 < n; i += 2)
	{
		char	   *stored = TextDatumGetCString(elements[i]);

		if (strcmp(stored, name) == 0)
			return TextDatumGetCString(elements[i + 1]);
	}
	return implied;
}

static void
set_all(ArrayType *settings, GucAction action)
{
	Datum	   *elements = NULL;
	int			n = 0;

	if (settings)
		deconstruct_array(settings, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < lengthof(tracked); i++)
	{
		const char *value = value_of(tracked[i].name, tracked[i].implied, elements, n);
		const char *now = GetConfigOption(tracked[i].name, true, false);

		/* a locale the server lost since must not stop the run */
		if (!now || strcmp(now, value) != 0)
			(void) set_config_option(tracked[i].name, value, PGC_USERSET, PGC_S_SESSION,
									 action, true, WARNING, false);
	}
}

/*
 * From here to AtEOXact_GUC() of the returned level all are as implied, so
 * that text that is made does not depend on whose work it is made in
 */
int
settings_push_implied(void)
{
	int			nestlevel = NewGUCNestLevel();

	set_all(NULL, GUC_ACTION_SAVE);
	return nestlevel;
}

/*
 * Have this session use a run's settings, over COMMITs, until they are set
 * again
 */
void
settings_set_session(ArrayType *settings)
{
	set_all(settings, GUC_ACTION_SET);
	any_applied = false;
}

/*
 * Have this transaction use a run's settings, until its end
 */
void
settings_apply(ArrayType *settings)
{

	if (any_applied &&
		((settings == NULL && applied == NULL) ||
		 (settings && applied && VARSIZE(settings) == VARSIZE(applied) &&
		  memcmp(settings, applied, VARSIZE(settings)) == 0)))
		return;

	set_all(settings, GUC_ACTION_LOCAL);
	if (applied)
		pfree(applied);
	applied = NULL;
	if (settings)
	{
		applied = MemoryContextAlloc(TopMemoryContext, VARSIZE(settings));
		memcpy(applied, settings, VARSIZE(settings));
	}
	any_applied = true;
}

/*
 * A new transaction: the session's own settings hold again
 */
void
settings_forget_applied(void)
{
	any_applied = false;
}
