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
 *	  Where a client's session has temporary objects of its own, code of runs
 *	  looks for names among these last: pg_temp is put at the end of the search
 *	  path, and taken away again from what is captured there.
 *
 *	  What an activity in a transaction of its own, or in several, sets is undone
 *	  by RESET ALL; in a client's session what that had set is set again.
 *
 *	  Whether anything was set in this transaction, by SET or set_config(), is
 *	  noted by hooks, since the server does not tell.  A function is seen when an
 *	  expression that calls it is prepared, which PL/pgSQL does once a transaction;
 *	  hence the note stays to its end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/temp_objects.h"
#include "base/testmode.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
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

#define SEARCH_PATH		0		/* of these */

/* What settings_apply() applied last in this transaction */
static ArrayType *applied = NULL;
static bool any_applied = false;

#define TEMP_LAST	", pg_temp"

/* It is at the end of the search path that was applied */
static bool temp_is_last = false;

/*
 * The search path that a step is to see as its own, without what was added
 */
static const char *
without_temp(const char *path)
{
	Size		len = strlen(path);

	if (!temp_is_last || len < strlen(TEMP_LAST) || strcmp(path + len - strlen(TEMP_LAST), TEMP_LAST) != 0)
		return path;
	return pnstrdup(path, len - strlen(TEMP_LAST));
}

static object_access_hook_type prev_object_access_hook = NULL;
static ProcessUtility_hook_type prev_utility_hook = NULL;
static LocalTransactionId set_in = InvalidLocalTransactionId;

static void
note_function(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access == OAT_FUNCTION_EXECUTE && objectid == F_SET_CONFIG)
		set_in = my_lxid();
}

static void
note_statement(PlannedStmt *pstmt, const char *query, bool read_only_tree, ProcessUtilityContext context,
			   ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (IsA(pstmt->utilityStmt, VariableSetStmt))
		set_in = my_lxid();
	if (prev_utility_hook)
		prev_utility_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
}

/*
 * Find the settings that are kept
 */
void
durable_settings_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = note_function;
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = note_statement;
}

/*
 * May anything have been set in this transaction, be it undone since?
 */
bool
settings_were_set(void)
{
	return set_in == my_lxid();
}

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

		if (value && i == SEARCH_PATH)
			value = without_temp(value);
		if (value && strcmp(value, tracked[i].implied) != 0)
		{
			elements[n++] = CStringGetTextDatum(tracked[i].name);
			elements[n++] = CStringGetTextDatum(value);
		}
	}
	return n == 0 ? NULL : construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * Is it one that a run keeps?
 */
bool
setting_is_kept(const char *name)
{
	for (int i = 0; i < lengthof(tracked); i++)
		if (pg_strcasecmp(tracked[i].name, name) == 0)
			return true;
	return false;
}

/*
 * Was it set at this nesting level of settings, or in it?
 */
bool
setting_is_set_since(const char *name, int nestlevel)
{
	struct config_generic *record = guc_record(name);

	return record && record->stack && record->stack->nest_level >= nestlevel;
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

		if (i == SEARCH_PATH && temp_is_last && !strstr(value, "pg_temp"))
			value = psprintf("%s" TEMP_LAST, value);
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
	bool		save_temp_is_last = temp_is_last;

	temp_is_last = false;
	set_all(NULL, GUC_ACTION_SAVE);
	temp_is_last = save_temp_is_last;
	return nestlevel;
}

/*
 * Have this session use a run's settings, over COMMITs, until they are set
 * again
 */
void
settings_set_session(ArrayType *settings)
{
	temp_is_last = !test_mode && session_has_temp();
	set_all(settings, GUC_ACTION_SET);
	any_applied = false;
}

static bool
is_of_session(const struct config_generic *setting)
{
	return setting->source == PGC_S_SESSION && !(setting->flags & GUC_NO_RESET_ALL) &&
		(setting->context == PGC_USERSET || setting->context == PGC_SUSET);
}

static void
keep(SessionSettings *kept, const char *name, const char *value)
{
	kept->names = lappend(kept->names, pstrdup(name));
	kept->values = lappend(kept->values, pstrdup(value));
}

/*
 * Before an activity: what this session has set, in the current memory context
 */
void
settings_keep(SessionSettings *kept)
{
	int			n;
	struct config_generic **all = all_settings(&n);

	memset(kept, 0, sizeof(SessionSettings));
	kept->user = GetSessionUserId();
	if (in_background_worker())
		return;
	for (int i = 0; i < n; i++)
		if (is_of_session(all[i]))
			keep(kept, all[i]->name, GetConfigOption(all[i]->name, false, false));
}

/*
 * After it, in a transaction: set all as it was
 */
void
settings_restore(const SessionSettings *kept)
{
	ListCell   *name;
	ListCell   *value;

	/* the name of a role may need a look at pg_authid */
	if (GetSessionUserId() != kept->user)
		(void) set_config_option("session_authorization", GetUserNameFromId(kept->user, false), PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SET, true, ERROR, false);
	if (GetUserId() != kept->user || OidIsValid(GetCurrentRoleId()))
		(void) set_config_option("role", "none", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, ERROR, false);
	ResetAllOptions();
	forboth(name, kept->names, value, kept->values)
		(void) set_config_option(lfirst(name), lfirst(value), superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SET, true, WARNING, false);
	XactReadOnly = false;
	temp_is_last = false;
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

	if (!any_applied)
		temp_is_last = !test_mode && session_has_temp();
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
	temp_is_last = false;
}
