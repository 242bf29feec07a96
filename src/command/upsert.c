/*-------------------------------------------------------------------------
 *
 * upsert.c
 *	  Memo and search attributes that workflow code changes.
 *
 *	  1. A change is a command whose event is its own outcome.  With the turn it is
 *	  merged into the run's row, where views and the next run find it.  That is
 *	  an update of columns that have no index, and only of runs that made one.
 *
 *	  2. The row is ahead of replayed code, which must see what it saw.  So the
 *	  first change of a run records what was there before; from that and the
 *	  changes the code has come by wf_info() tells what holds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/guc.h"
#include "base/json.h"
#include "command/command.h"
#include "command/upsert.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/payload.h"
#include "turn/match.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

static const char *
key_of(EventType type)
{
	return type == EVENT_MEMO_UPSERTED ? "memo" : "search_attributes";
}

static Jsonb *
member(Jsonb *object, const char *key)
{
	JsonbValue *v = json_find(object, key);

	return v ? JsonbValueToJsonb(v) : NULL;
}

/*
 * Keys of `values' replace those of `old' (or NULL); null removes one
 */
static Jsonb *
merge(Jsonb *old, Jsonb *values)
{
	Jsonb	   *result = old ?
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(old), JsonbPGetDatum(values))) : values;
	JsonbIterator *it = JsonbIteratorInit(&values->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	text	   *key = NULL;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = cstring_to_text_with_len(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE && v.type == jbvNull)
			result = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(result), PointerGetDatum(key)));
	}
	return result;
}

/*
 * What holds where the code is
 */
Jsonb *
upsert_value(Turn *turn, EventType type)
{
	const Execution *e = turn->execution;
	Jsonb	   *value = type == EVENT_MEMO_UPSERTED ? e->memo : e->search_attributes;
	bool		first = true;

	for (int i = 0; turn->history.upserts && i < turn->history.ncommands; i++)
	{
		Jsonb	   *attributes = turn->history.events[turn->history.commands[i].event].attributes;

		if (turn->history.commands[i].type != type)
			continue;
		if (first)
			value = member(attributes, "before");
		first = false;
		if (i < turn->pass.next_command - 1)
			value = merge(value, member(attributes, key_of(type)));
	}
	return value;
}

static void
check_size(EventType type, Jsonb *merged)
{
	if (type == EVENT_MEMO_UPSERTED)
		payload_check(merged, "memo");
	else if (VARSIZE(merged) / 1024 >= (Size) durable_max_search_attributes_size)
		ereport(ERROR,
				(errcode(ERRCODE_WF_LIMIT),
				 errmsg("search attributes of %zu kB exceed durable.max_search_attributes_size (%d kB)",
						(Size) VARSIZE(merged) / 1024, durable_max_search_attributes_size),
				 errhint("Keep the data in a table of your own, or raise the setting.")));
}

/*
 * Merge these values into what the run has
 */
void
upsert_command(Turn *turn, EventType type, const char *call, Jsonb *values)
{
	bool		known = turn->pass.next_command <= turn->history.ncommands && turn->history.commands[turn->pass.next_command - 1].type == type;
	Jsonb	   *before = NULL;
	JsonBuilder b;
	bool		first = true;

	/* before it is a command: code may catch the error */
	if (!known)
	{
		before = upsert_value(turn, type);
		check_size(type, merge(before, values));
	}
	if (turn_match(turn, type, call, NULL))
		return;
	command_check_limits(turn);
	for (int i = 0; turn->history.upserts && i < turn->history.ncommands; i++)
		first &= turn->history.commands[i].type != type;
	json_begin(&b);
	json_add_jsonb(&b, key_of(type), values);
	if (first)
		json_add_jsonb(&b, "before", before);
	(void) turn_record(turn, type, turn->pass.next_command - 1, NULL, json_end(&b));
}

/*
 * Merge the changes of this turn into the run's row, in memory of `context';
 * false where there are none
 */
bool
upsert_apply(Turn *turn, MemoryContext context)
{
	Execution  *e = turn->execution;
	MemoryContext old;
	bool		changed = false;

	if (!turn->history.upserts)
		return false;
	old = MemoryContextSwitchTo(context);
	for (int i = turn->history.recorded; i < turn->history.nevents; i++)
	{
		EventType	type = turn->history.events[i].type;
		Jsonb	  **value = type == EVENT_MEMO_UPSERTED ? &e->memo : &e->search_attributes;

		if (type != EVENT_MEMO_UPSERTED && type != EVENT_SEARCH_ATTRIBUTES_UPSERTED)
			continue;
		*value = merge(*value, member(turn->history.events[i].attributes, key_of(type)));
		changed = true;
	}
	MemoryContextSwitchTo(old);
	return changed;
}
