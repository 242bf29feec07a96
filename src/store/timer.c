/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  What falls due: timers, timeouts, start delays, retries.
 *
 *	  A timer is a message to come: when it falls due the row becomes a message
 *	  of the same kind, in one statement.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/message.h"
#include "store/store.h"
#include "store/timer.h"

enum
{
	T_RUN_ID, T_KIND, T_COMMAND, T_OWNER, T_FIRE_AT, T_SINCE, TIMER_COLUMNS
};

/*
 * Collect a timer
 */
void
timer_add(RowBatch *batch, const pg_uuid_t *run_id, MessageKind kind, int32 command,
		  Oid owner, DueTime due)
{
	Datum		values[TIMER_COLUMNS];
	bool		nulls[TIMER_COLUMNS] = {0};

	values[T_RUN_ID] = UUIDPGetDatum(run_id);
	values[T_KIND] = Int16GetDatum(kind);
	values[T_COMMAND] = Int32GetDatum(command);
	values[T_OWNER] = ObjectIdGetDatum(owner);
	values[T_FIRE_AT] = TimestampTzGetDatum(due.at);
	values[T_SINCE] = TimestampTzGetDatum(due.since);
	nulls[T_SINCE] = due.since == DT_NOEND;
	rows_add(batch, values, nulls);
	txn_deadline(due.at);
}

/*
 * Write the collected timers; one that is there already gets the new time
 */
void
timer_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.timer SELECT n.* FROM pg_catalog.unnest($1) n"
		" ON CONFLICT (run_id, kind, command) DO UPDATE SET fire_at = excluded.fire_at, since = excluded.since",
		1, {ROWS_OF(TABLE_TIMER)}
	};

	rows_write(batch, &statement);
}

/*
 * Set a timer at once; one that is there gets the new time
 */
void
timer_set(const pg_uuid_t *run_id, MessageKind kind, int32 command, Oid owner, DueTime due)
{
	RowBatch	batch;

	rows_init(&batch, TABLE_TIMER, CurrentMemoryContext);
	timer_add(&batch, run_id, kind, command, owner, due);
	timer_write(&batch);
}

/*
 * Delete a timer, if it is there
 */
void
timer_cancel(const pg_uuid_t *run_id, MessageKind kind, int32 command)
{
	static Statement statement = {
		"DELETE FROM durable.timer t WHERE t.run_id = $1 AND t.kind = $2 AND t.command = $3",
		3, {UUIDOID, INT2OID, INT4OID}
	};
	Datum		values[3] = {UUIDPGetDatum(run_id), Int16GetDatum(kind), Int32GetDatum(command)};

	store_execute(&statement, values, NULL);
}

/*
 * Is there such a timer?
 */
bool
timer_is_set(const pg_uuid_t *run_id, MessageKind kind, int32 command)
{
	static Statement statement = {
		"SELECT 1 FROM durable.timer t WHERE t.run_id = $1 AND t.kind = $2 AND t.command = $3",
		3, {UUIDOID, INT2OID, INT4OID}
	};
	Datum		values[3] = {UUIDPGetDatum(run_id), Int16GetDatum(kind), Int32GetDatum(command)};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * Delete all timers of runs that close
 */
void
timer_clear(const pg_uuid_t *run_ids, int count)
{
	static Statement statement = {
		"DELETE FROM durable.timer t WHERE t.run_id = ANY ($1)", 1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	store_execute(&statement, &ids, NULL);
}

/*
 * Take the next sweep that is due (sweep.c); false where there is none
 */
bool
timer_take_sweep(TimestampTz from, TimestampTz now, pg_uuid_t *run_id, int32 *command, Oid *owner)
{
	static Statement statement = {
		"WITH due AS (SELECT t.run_id, t.kind, t.command FROM durable.timer t"
		"  WHERE t.fire_at >= $1 AND t.fire_at <= $2 AND t.kind = " CppAsString2(KIND_SWEEP) " ORDER BY t.fire_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
		" DELETE FROM durable.timer t USING due d"
		" WHERE t.run_id = d.run_id AND t.kind = d.kind AND t.command = d.command RETURNING t.run_id, t.command, t.owner",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {TimestampTzGetDatum(from), TimestampTzGetDatum(now)};

	if (store_execute(&statement, values, NULL) == 0)
		return false;
	*run_id = *DatumGetUUIDP(store_value(0, 1));
	*command = DatumGetInt32(store_value(0, 2));
	*owner = DatumGetObjectId(store_value(0, 3));
	return true;
}

/*
 * Turn what is due from a place on, until `now', into messages, at most `limit'
 * of them, but for those of the owners in `except'.  Returns how many; the place
 * becomes that of the last one.  Those that someone has locked stay.  *owners:
 * whose they are.
 */
int
timer_fire(TimerPlace *place, TimestampTz now, int limit, ArrayType *except, Oid *owners)
{
	static Statement statement = {
		"WITH due AS (SELECT t.run_id, t.kind, t.command FROM durable.timer t"
		"  WHERE (t.fire_at, t.run_id) >= ($1, $4) AND t.fire_at <= $2 AND t.kind <> " CppAsString2(KIND_SWEEP) " AND t.owner <> ALL ($5)"
		"  ORDER BY t.fire_at, t.run_id LIMIT $3 FOR UPDATE SKIP LOCKED),"
		" fired AS (DELETE FROM durable.timer t USING due d"
		"  WHERE t.run_id = d.run_id AND t.kind = d.kind AND t.command = d.command RETURNING t.*),"
		" sent AS (INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, command)"
		" SELECT f.owner, pg_catalog.nextval('durable.message_seq'), f.run_id, f.kind, false, $2,"
		"  CASE WHEN f.command > 0 THEN f.command END"
		" FROM (SELECT * FROM fired ORDER BY fired.fire_at) f RETURNING owner, seq, kind, run_id)"
		" SELECT s.owner, s.seq, l.fire_at, l.run_id, s.kind, s.run_id FROM sent s CROSS JOIN"
		" (SELECT f.fire_at, f.run_id FROM fired f ORDER BY f.fire_at DESC, f.run_id DESC LIMIT 1) l",
		5, {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, UUIDOID, OIDARRAYOID}
	};
	Datum		values[5] = {
		TimestampTzGetDatum(place->at), TimestampTzGetDatum(now), Int32GetDatum(limit), UUIDPGetDatum(&place->run_id),
		PointerGetDatum(except)
	};
	int			n = (int) store_execute(&statement, values, NULL);
	MessageKind kind;

	STOP_EVENT(timers_fired);
	for (int i = 0; i < n; i++)
	{
		owners[i] = DatumGetObjectId(store_value(i, 1));
		txn_mail(owners[i], DatumGetInt64(store_value(i, 2)));
		kind = (MessageKind) DatumGetInt16(store_value(i, 5));
		if (kind == MESSAGE_RUN_TIMEOUT || kind == MESSAGE_EXECUTION_TIMEOUT)
			txn_interrupt(DatumGetUUIDP(store_value(i, 6)));
	}
	if (n > 0)
	{
		place->at = DatumGetTimestampTz(store_value(0, 3));
		place->run_id = *DatumGetUUIDP(store_value(0, 4));
	}
	return n;
}

/*
 * When the next timer from a time on falls due, DT_NOEND for none
 */
TimestampTz
timer_next(TimestampTz from)
{
	static Statement statement = {
		"SELECT t.fire_at FROM durable.timer t WHERE t.fire_at >= $1 ORDER BY t.fire_at LIMIT 1",
		1, {TIMESTAMPTZOID}
	};
	Datum		value = TimestampTzGetDatum(from);

	if (store_execute(&statement, &value, NULL) == 0)
		return DT_NOEND;
	return DatumGetTimestampTz(store_value(0, 1));
}
