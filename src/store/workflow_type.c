/*-------------------------------------------------------------------------
 *
 * workflow_type.c
 *	  What was registered of workflow functions.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/store.h"
#include "store/workflow_type.h"
#include "utils/builtins.h"

/*
 * Write what was registered of a workflow function
 */
void
workflow_type_set(const WorkflowType *t)
{
	static Statement statement = {
		"INSERT INTO durable.workflow_type (namespace, function, owner, validators)"
		" VALUES ($1, $2, $3::pg_catalog.oid, $4) ON CONFLICT (namespace, function)"
		" DO UPDATE SET owner = EXCLUDED.owner, validators = EXCLUDED.validators",
		4, {TEXTOID, TEXTOID, OIDOID, JSONBOID}
	};
	Datum		values[4] = {
		PointerGetDatum(t->namespace), PointerGetDatum(t->function), ObjectIdGetDatum(t->owner),
		JsonbPGetDatum(t->validators)
	};

	store_execute(&statement, values, NULL);
}

/*
 * What is registered of the function of an open run, in memory of `context';
 * false where nothing is
 */
bool
workflow_type_of_run(const pg_uuid_t *run_id, MemoryContext context, WorkflowType *t)
{
	static Statement statement = {
		"SELECT t.namespace, t.function, t.owner, t.validators FROM durable.execution e"
		" JOIN durable.workflow_type t ON t.namespace = e.namespace AND t.function = e.function"
		" WHERE e.run_id = $1",
		1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	MemoryContext old;

	if (store_execute(&statement, &id, NULL) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	t->namespace = DatumGetTextPCopy(store_value(0, 1));
	t->function = DatumGetTextPCopy(store_value(0, 2));
	t->owner = DatumGetObjectId(store_value(0, 3));
	t->validators = DatumGetJsonbPCopy(store_value(0, 4));
	MemoryContextSwitchTo(old);
	return true;
}
