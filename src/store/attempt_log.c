/*-------------------------------------------------------------------------
 *
 * attempt_log.c
 *	  Attempts of activities that did not complete.
 *
 *	  The history keeps only how an activity ended.  The attempts before that are
 *	  for people who look; wf_attempts joins them with those that completed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/activity.h"
#include "store/attempt_log.h"
#include "store/history.h"
#include "store/store.h"

enum
{
	L_RUN_ID, L_COMMAND, L_ATTEMPT, L_OWNER, L_NAME, L_ACTIVITY_ID, L_OUTCOME, L_STARTED_AT,
	L_ENDED_AT, L_WORKER, L_FAILURE, ATTEMPT_COLUMNS
};

/*
 * Collect an attempt that is over; `failure' may be NULL
 */
void
attempt_log_add(RowBatch *batch, const Activity *a, EventType outcome, TimestampTz ended_at, Jsonb *failure)
{
	Datum		values[ATTEMPT_COLUMNS];
	bool		nulls[ATTEMPT_COLUMNS] = {0};

	values[L_RUN_ID] = UUIDPGetDatum(&a->run_id);
	values[L_COMMAND] = Int32GetDatum(a->command);
	values[L_ATTEMPT] = Int32GetDatum(a->attempt);
	values[L_OWNER] = ObjectIdGetDatum(a->owner);
	values[L_NAME] = PointerGetDatum(a->name);
	values[L_ACTIVITY_ID] = PointerGetDatum(a->activity_id);
	nulls[L_ACTIVITY_ID] = a->activity_id == NULL;
	values[L_OUTCOME] = Int16GetDatum(outcome);
	values[L_STARTED_AT] = TimestampTzGetDatum(a->started_at);
	nulls[L_STARTED_AT] = a->started_at == DT_NOEND;
	values[L_ENDED_AT] = TimestampTzGetDatum(ended_at);
	values[L_WORKER] = PointerGetDatum(a->worker);
	nulls[L_WORKER] = a->worker == NULL;
	values[L_FAILURE] = PointerGetDatum(failure);
	nulls[L_FAILURE] = failure == NULL;
	rows_add(batch, values, nulls);
}

/*
 * When the last attempt that did not complete has ended, DT_NOEND where none is
 * known; between store_begin() and store_end()
 */
TimestampTz
attempt_log_last(const Activity *a)
{
	static Statement statement = {
		"SELECT pg_catalog.max(t.ended_at) FROM durable.attempt t WHERE t.run_id = $1 AND t.command = $2",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(&a->run_id), Int32GetDatum(a->command)};

	store_execute(&statement, values, NULL);
	return store_is_null(0, 1) ? DT_NOEND : DatumGetTimestampTz(store_value(0, 1));
}

/*
 * Write what was collected; between store_begin() and store_end()
 */
void
attempt_log_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.attempt SELECT n.* FROM pg_catalog.unnest($1) n",
		1, {ROWS_OF(TABLE_ATTEMPT)}
	};

	rows_write(batch, &statement);
}
