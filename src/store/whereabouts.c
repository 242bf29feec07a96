/*-------------------------------------------------------------------------
 *
 * whereabouts.c
 *	  Where an open run is: for those who waited in vain.
 *
 *	  The error that says so is often all that a program logs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "catalog/pg_type.h"
#include "store/store.h"
#include "store/whereabouts.h"
#include "utils/builtins.h"

/*
 * What it waits for, and what wf_stuck says of it, in the current memory context
 */
void
whereabouts_of(const pg_uuid_t *run_id, Whereabouts *at)
{
	static Statement statement = {
		"SELECT e.waiting_for, e.waiting_at, e.waiting_since, durable.why_stuck(e.run_id)"
		" FROM durable.execution e WHERE e.run_id = $1",
		1, {UUIDOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		id = UUIDPGetDatum(run_id);
	StoreScope	scope;
	JsonBuilder b;
	bool		found;

	at->stuck = NULL;
	store_begin_look(&scope);
	found = store_execute(&statement, &id, NULL) > 0;
	MemoryContextSwitchTo(context);
	json_begin(&b);
	json_add_text(&b, "waiting_for", found && !store_is_null(0, 1) ? TextDatumGetCString(store_value(0, 1)) : NULL);
	json_add_text(&b, "waiting_at", found && !store_is_null(0, 2) ? TextDatumGetCString(store_value(0, 2)) : NULL);
	if (found && !store_is_null(0, 3))
		json_add_time(&b, "since", DatumGetTimestampTz(store_value(0, 3)));
	if (found && !store_is_null(0, 4))
		at->stuck = TextDatumGetCString(store_value(0, 4));
	at->detail = json_end(&b);
	store_end(&scope);
	MemoryContextSwitchTo(context);
}
