/*-------------------------------------------------------------------------
 *
 * fence_words.c
 *	  The words that are dates of their own: now, today, tomorrow, yesterday.
 *
 *	  1. A text becomes a date or a time in a hundred ways: a literal, a cast, a
 *	  variable's assignment, a field of JSON, an element of an array.  Nothing
 *	  shows in a plan, and no hook is called.  But all of them read the words by
 *	  one parser, and that one takes an abbreviation of a time zone for one
 *	  before it takes it for a word.
 *
 *	  2. So while workflow code runs, these words are abbreviations, of a time
 *	  zone that does not exist: their use is an error, which the fence makes a
 *	  refusal of its own.  It is a second table of abbreviations, made of the
 *	  session's.
 *
 *	  Settings of abbreviations that code makes meanwhile, a SET clause of a
 *	  function in the middle of an expression, are installed later: with the next
 *	  statement, and merged.
 *
 *	  3. A literal in a query that was analysed before the code ran is a constant
 *	  by now.  words_in_literal() reads it in the source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "base/compat.h"
#include "fence/fence_words.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#define NO_ZONE "the clock"

/* in the order of the table */
static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

static struct config_string *setting = NULL;
static TimeZoneAbbrevTable *forbidding = NULL;
static TimeZoneAbbrevTable *made_from = NULL;
static char *made_from_name = NULL;

static bool forbidden = false;
static GucStringAssignHook assign = NULL;

static void
assign_unless_forbidden(const char *value, void *extra)
{
	if (!forbidden)
		assign(value, extra);
}

static TimeZoneAbbrevTable *
sessions_table(void)
{
	if (!setting)
	{
		setting = (struct config_string *) guc_record("timezone_abbreviations");
		if (setting)
		{
			assign = setting->assign_hook;
			setting->assign_hook = assign_unless_forbidden;
		}
	}
	return setting ? (TimeZoneAbbrevTable *) setting->gen.extra : NULL;
}

/*
 * Merge the words into the abbreviations, which are sorted
 */
static void
merge(TimeZoneAbbrevTable *to, const TimeZoneAbbrevTable *from, int shift, int zone)
{
	int			next = 0;
	int			n = 0;

	for (int i = 0; i <= from->numabbrevs; i++)
	{
		while (next < lengthof(words) &&
			   (i == from->numabbrevs || strncmp(words[next], from->abbrevs[i].token, TOKMAXLEN) <= 0))
		{
			datetkn    *token = &to->abbrevs[n++];

			strlcpy(token->token, words[next++], sizeof(token->token));
			token->type = DYNTZ;
			token->value = zone;
		}
		if (i == from->numabbrevs)
			break;
		to->abbrevs[n] = from->abbrevs[i];
		/* where its zone's name is */
		if (to->abbrevs[n].type == DYNTZ)
			to->abbrevs[n].value += shift;
		n++;
	}
	to->numabbrevs = n;
}

static void
make_table(TimeZoneAbbrevTable *from)
{
	Size		names = MAXALIGN(offsetof(TimeZoneAbbrevTable, abbrevs) + from->numabbrevs * sizeof(datetkn));
	Size		new_names = MAXALIGN(offsetof(TimeZoneAbbrevTable, abbrevs) +
									 (from->numabbrevs + lengthof(words)) * sizeof(datetkn));
	Size		zone = new_names + (from->tblsize > names ? MAXALIGN(from->tblsize - names) : 0);
	Size		size = zone + MAXALIGN(offsetof(DynamicZoneAbbrev, zone) + sizeof(NO_ZONE));
	DynamicZoneAbbrev *none;

	made_from = NULL;
	if (forbidding)
		pfree(forbidding);
	if (made_from_name)
		pfree(made_from_name);
	forbidding = NULL;
	made_from_name = NULL;
	made_from_name = MemoryContextStrdup(TopMemoryContext, *setting->variable);
	forbidding = MemoryContextAllocZero(TopMemoryContext, size);
	forbidding->tblsize = size;
	merge(forbidding, from, new_names - names, zone);
	if (from->tblsize > names)
		memcpy((char *) forbidding + new_names, (const char *) from + names, from->tblsize - names);
	none = (DynamicZoneAbbrev *) ((char *) forbidding + zone);
	strcpy(none->zone, NO_ZONE);
	made_from = from;
}

/*
 * From here on the words are an error, or they still are, beside what the
 * abbreviations are by now
 */
void
words_forbid(void)
{
	TimeZoneAbbrevTable *table = sessions_table();

	if (!table)
		return;
	if (table != made_from || strcmp(*setting->variable, made_from_name) != 0)
		make_table(table);
	InstallTimeZoneAbbrevs(forbidding);
	forbidden = true;
}

/*
 * They mean what they always do again
 */
void
words_allow(void)
{
	TimeZoneAbbrevTable *table = sessions_table();

	forbidden = false;
	if (table)
		InstallTimeZoneAbbrevs(table);
}

/*
 * Is the error that is being reported one of a word's use?  For an error
 * context callback.
 */
bool
words_forbidden_error(void)
{
	MemoryContext old;
	ErrorData  *edata;
	bool		result;

	if (geterrcode() != ERRCODE_CONFIG_FILE_ERROR)
		return false;
	old = MemoryContextSwitchTo(TopTransactionContext);
	edata = CopyErrorData();
	result = edata->message && strstr(edata->message, NO_ZONE) != NULL;
	FreeErrorData(edata);
	MemoryContextSwitchTo(old);
	return result;
}

static bool
is_word(const char *text, int len)
{
	for (int i = 0; i < lengthof(words); i++)
		if (strlen(words[i]) == len && pg_strncasecmp(words[i], text, len) == 0)
			return true;
	return false;
}

/*
 * Is there a literal at this place of the source?  *start and *end are what is
 * in its quotes.
 */
static bool
find_literal(const char *source, int location, const char **start, const char **end)
{
	const char *p = source + location;

	/* E'...', U&'...', $tag$...$tag$ */
	if (*p == 'e' || *p == 'E')
		p++;
	else if (*p == 'u' || *p == 'U')
		p += p[1] == '&' ? 2 : 1;
	if (*p == '\'')
		*end = *start = p + 1;
	else if (*p == '$' && (*end = strchr(p + 1, '$')) != NULL)
		*end = *start = *end + 1;
	else
		return false;
	while (**end && **end != *p)
		(*end)++;
	return true;
}

/*
 * Is there one of the words in a literal?  Of a date's literal, that is; of
 * others it would mean nothing.
 */
bool
words_in_literal(const char *source, int location)
{
	const char *p;
	const char *end;

	if (!find_literal(source, location, &p, &end))
		return false;
	while (p < end)
	{
		int			len = 0;

		while (p + len < end && isalpha((unsigned char) p[len]))
			len++;
		if (len > 0 && is_word(p, len))
			return true;
		p += Max(len, 1);
	}
	return false;
}

/*
 * Has a time's literal an offset of its own, or a zone?
 */
bool
offset_in_literal(const char *source, int location)
{
	const char *p;
	const char *end;

	if (!find_literal(source, location, &p, &end))
		return true;
	for (; p < end; p++)
	{
		int			len = 0;

		if ((*p == '+' || *p == '-') && isdigit((unsigned char) p[1]))
			return true;
		while (p + len < end && isalpha((unsigned char) p[len]))
			len++;
		/* but for 04:05 PM, T0405 and allballs */
		if (len > 0 && !(len == 1 && (*p == 't' || *p == 'T')) && !(len == 2 && (p[1] == 'm' || p[1] == 'M')))
			return true;
		p += len > 0 ? len - 1 : 0;
	}
	return false;
}
