/*-------------------------------------------------------------------------
 *
 * info.c
 *	  What workflow code may know of its run, and publish.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "base/vec.h"
#include "command/command.h"
#include "command/continuation.h"
#include "command/info.h"
#include "command/marker.h"
#include "command/upsert.h"
#include "run/start.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/payload.h"
#include "task/task.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/*
 * Publish a value for queries; replayed code has published it before
 */
void
command_publish(Turn *turn, text *key, Jsonb *value)
{
	MemoryContext old;
	PublishedValue *slot = NULL;

	if (turn_replaying(turn))
		return;
	payload_check(value, "published value");
	old = MemoryContextSwitchTo(turn->context);
	for (int i = 0; i < turn->effects.npublished && !slot; i++)
		if (VARSIZE_ANY_EXHDR(turn->effects.published[i].key) == VARSIZE_ANY_EXHDR(key) &&
			memcmp(VARDATA_ANY(turn->effects.published[i].key), VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) == 0)
			slot = &turn->effects.published[i];
	if (!slot)
	{
		turn->effects.published = vec_room_counted(turn->effects.published, turn->effects.npublished, sizeof(PublishedValue), CurrentMemoryContext);
		slot = &turn->effects.published[turn->effects.npublished++];
		slot->key = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(key));
	}
	slot->value = value ? (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(value)) : NULL;
	MemoryContextSwitchTo(old);
}

/*
 * What a run knows of itself
 */
Jsonb *
command_info(Turn *turn)
{
	Execution  *e = turn->execution;
	JsonBuilder b;

	json_begin(&b);
	json_add_text(&b, "namespace", text_to_cstring(e->namespace));
	json_add_text(&b, "workflow_id", text_to_cstring(e->workflow_id));
	json_add_text(&b, "run_id", uuid_to_cstring(&e->run_id));
	json_add_text(&b, "first_run_id", uuid_to_cstring(e->first_run_id ? e->first_run_id : &e->run_id));
	json_add_text(&b, "continued_from", uuid_to_cstring(e->continued_from));
	json_add_text(&b, "workflow", text_to_cstring(e->workflow));
	if (e->parent_run_id)
	{
		json_add_text(&b, "parent_workflow_id", text_to_cstring(e->parent_workflow_id));
		json_add_text(&b, "parent_run_id", uuid_to_cstring(e->parent_run_id));
	}
	json_add_int(&b, "attempt", e->attempt);
	json_add_time(&b, "started_at", e->started_at);
	json_add_time(&b, "execution_deadline", e->execution_deadline);
	if (e->run_timeout)
	{
		json_add_time(&b, "run_deadline", run_deadline(e, json_find_time(turn->history.events[0].attributes, "not_before")));
		json_add_text(&b, "run_timeout", DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(e->run_timeout))));
	}
	json_add_int(&b, "priority", e->priority ? e->priority : DEFAULT_PRIORITY);
	json_add_jsonb(&b, "retry", e->retry);
	json_add_int(&b, "history_events", turn->pass.horizon);
	json_add_int(&b, "history_bytes", turn->history.rows[turn->pass.seen_row].bytes_before);
	json_add_bool(&b, "continue_as_new_suggested", continuation_suggested(turn));
	json_add_bool(&b, "cancel_requested", command_cancel_requested(turn));
	json_add_jsonb(&b, "memo", upsert_value(turn, EVENT_MEMO_UPSERTED));
	json_add_jsonb(&b, "search_attributes", upsert_value(turn, EVENT_SEARCH_ATTRIBUTES_UPSERTED));
	json_add_int(&b, "version", version_seen(turn));
	json_add_jsonb(&b, "versions", markers_seen(turn));
	return json_end(&b);
}
