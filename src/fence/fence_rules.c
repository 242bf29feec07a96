/*-------------------------------------------------------------------------
 *
 * fence_rules.c
 *	  Which functions workflow code may call, and why.
 *
 *	  1. A function of pg_catalog that is IMMUTABLE may be called.  Of the others
 *	  only those that a rule allows: the first that fits decides, and what fits
 *	  none is refused, whatever a later version of PostgreSQL may bring.
 *
 *	  2. A function in a procedural language, or in SQL, may be called: its body
 *	  is fenced in the same way, whatever it is labelled.
 *
 *	  3. A function in C of another extension may be called unless it is
 *	  VOLATILE.  One that is made of a function of the server (LANGUAGE internal)
 *	  is what that one is, by whatever name and label.
 *
 *	  4. Functions of this extension know themselves where they may be called.
 *
 *	  Verdicts are kept by oid until pg_proc changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/extension.h"
#include "catalog/dependency.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fence/fence_rules.h"
#include "utils/builtins.h"
#include "utils/fmgrtab.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static const FenceRule rules[] = {
	{"now transaction_timestamp statement_timestamp clock_timestamp timeofday",
	false, "the clock", "wf_now()"},
	{"age", false, "counts from today, or from the last transaction", "age(wf_now(), x)", 1},
	{"timetz", false, "takes the offset that the time zone has today", "timestamptz", 0, TIMEOID},
	{"timezone", false, "takes the offset that the time zone has today", "timestamptz", 0, TIMETZOID},
	{"timetz_in", false, "takes the offset that the time zone has today", "timestamptz"},
	{"jsonb_path_*_tz", false, "may take the offset that the time zone has today, for a time", "jsonb_path_query() and timestamptz"},
	{"random random_normal setseed array_sample array_shuffle", false, "chance", "wf_random()"},
	{"gen_random_uuid uuidv4 uuidv7", false, "chance", "wf_uuid()"},
	{"pg_sleep pg_sleep_for", false, "keeps the worker", "wf_sleep()"},
	{"pg_sleep_until", false, "keeps the worker", "wf_sleep_until()"},

	{"date date_part date_trunc date_add date_subtract date_*_timestamptz extract generate_series in_range "
		"interval_pl_timestamptz make_timestamptz overlaps time timestamp timestamp_* timestamptz timestamptz_* timetz "
		"timezone to_char to_date to_number to_timestamp",
	true, "computes with the time zone, the styles and the locale that the run keeps (now, today, tomorrow and yesterday are refused as dates)"},
	{"*_in *_out *_recv *_send *recv *send aclitemin aclitemout reg*in reg*out",
	true, "the text form of a value, in the styles that the run keeps"},
	{"anytextcat textanycat array_to_string concat concat_ws format quote_literal quote_nullable money numeric",
	true, "text made of values, in the styles that the run keeps"},
	{"convert convert_from convert_to length pg_char_to_encoding pg_encoding_to_char getdatabaseencoding",
	true, "encodings do not change"},
	{"array_to_json json_* jsonb_* row_to_json to_json to_jsonb",
	true, "JSON made of values, in the styles that the run keeps"},
	{"xml xml_is_well_formed", true, "XML by the option that the run keeps"},
	{"get_current_ts_config phraseto_tsquery plainto_tsquery to_tsquery to_tsvector ts_headline ts_match_tq ts_match_tt "
		"ts_parse ts_token_type websearch_to_tsquery json_to_tsvector jsonb_to_tsvector",
	true, "text search by the configuration that the run keeps; altering a dictionary is a deploy"},
	{"enum_first enum_last enum_range", true, "altering a type is a deploy"},
	{"format_type oidvectortypes pg_typeof regclass to_reg*",
	true, "the names of objects resolve as those of the calls themselves do; making and dropping them is a deploy"},
	{"current_database current_schema current_schemas current_user getpgusername session_user",
	true, "where the run lives, its owner, and the search_path that it keeps"},
	{"current_setting", true, "a setting that the run keeps, or that the code has set, by its name written out"},
	{"set_config", true, "a setting ends with the turn"},
	{"pg_advisory_unlock_all", true, "has no effect on what code may know"},
};

static HTAB *verdicts = NULL;

/*
 * The i-th rule, NULL beyond the last
 */
const FenceRule *
fence_rule(int i)
{
	return i < (int) lengthof(rules) ? &rules[i] : NULL;
}

static void
forget_verdicts(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	Verdict    *verdict;

	hash_seq_init(&seq, verdicts);
	while ((verdict = hash_seq_search(&seq)) != NULL)
		hash_search(verdicts, &verdict->oid, HASH_REMOVE, NULL);
}

/*
 * Does a pattern of the given length fit?  It has at most one *.
 */
static bool
fits(const char *pattern, int len, const char *name)
{
	int			namelen = strlen(name);
	const char *star = memchr(pattern, '*', len);
	int			head = star ? star - pattern : len;
	int			tail = star ? len - head - 1 : 0;

	if (star ? namelen < head + tail : namelen != len)
		return false;
	return strncmp(pattern, name, head) == 0 &&
		memcmp(pattern + len - tail, name + namelen - tail, tail) == 0;
}

static bool
rule_fits(const FenceRule *rule, Form_pg_proc proc)
{
	bool		argtype = !OidIsValid(rule->argtype);

	for (int i = 0; i < proc->pronargs; i++)
		argtype |= proc->proargtypes.values[i] == rule->argtype;
	if (!argtype || (rule->nargs > 0 && rule->nargs != proc->pronargs))
		return false;
	for (const char *word = rule->names; *word; word += strspn(word, " "))
	{
		int			len = strcspn(word, " ");

		if (fits(word, len, NameStr(proc->proname)))
			return true;
		word += len;
	}
	return false;
}

static void
judge_builtin(Verdict *verdict, Form_pg_proc proc)
{
	if (proc->provolatile == PROVOLATILE_IMMUTABLE)
		return;
	for (int i = 0; i < lengthof(rules); i++)
		if (rule_fits(&rules[i], proc))
		{
			verdict->refused = !rules[i].allowed;
			verdict->instead = rules[i].instead;
			verdict->keeps = strcmp(rules[i].names, "current_setting") == 0;
			return;
		}
	verdict->refused = true;
}

/*
 * A function of the server under another name is judged as itself
 */
static HeapTuple
true_function(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	bool		isnull;
	Datum		source;
	Oid			oid;
	HeapTuple	result;

	if (proc->prolang != INTERNALlanguageId || proc->pronamespace == PG_CATALOG_NAMESPACE)
		return tuple;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	oid = isnull ? InvalidOid : fmgr_internal_function(TextDatumGetCString(source));
	result = OidIsValid(oid) ? SearchSysCache1(PROCOID, ObjectIdGetDatum(oid)) : NULL;
	if (!HeapTupleIsValid(result))
		return tuple;
	ReleaseSysCache(tuple);
	return result;
}

static void
judge(Verdict *verdict, Form_pg_proc proc)
{
	if (proc->pronamespace == PG_CATALOG_NAMESPACE &&
		(proc->prolang == INTERNALlanguageId || proc->oid < FirstNormalObjectId))
		judge_builtin(verdict, proc);
	else
		verdict->refused = proc->provolatile == PROVOLATILE_VOLATILE &&
			(proc->prolang == INTERNALlanguageId || proc->prolang == ClanguageId) &&
			getExtensionOfObject(ProcedureRelationId, verdict->oid) != durable_extension_oid();
}

/*
 * What the rules say of a function, NULL where there is none
 */
const Verdict *
fence_verdict(Oid function)
{
	Verdict    *verdict;
	Verdict		fresh = {.oid = function};
	HeapTuple	tuple;

	if (!verdicts)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Verdict)};

		verdicts = hash_create("durable fence", 128, &ctl, HASH_ELEM | HASH_BLOBS);
		CacheRegisterSyscacheCallback(PROCOID, forget_verdicts, (Datum) 0);
	}
	verdict = hash_search(verdicts, &function, HASH_FIND, NULL);
	if (verdict)
		return verdict;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	tuple = true_function(tuple);
	judge(&fresh, (Form_pg_proc) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	verdict = hash_search(verdicts, &function, HASH_ENTER, NULL);
	*verdict = fresh;
	return verdict;
}
