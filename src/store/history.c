/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Events, and the rows that hold them.
 *
 *	  The history of a run is a sequence of rows, one a turn, each with an array
 *	  of events; rows are added and never changed.  In a row the events that came
 *	  by mail stand before those the turn's code made.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "store/history.h"
#include "store/store.h"
#include "utils/builtins.h"

enum
{
	H_RUN_ID, H_FIRST_EVENT, H_OWNER, H_TURN_AT, H_MAIL, H_RAN, H_GOES_ON, H_EVENTS,
	HISTORY_COLUMNS
};

enum
{
	E_TYPE, E_AT, E_COMMAND, E_NAME, E_PAYLOAD, E_PAYLOAD_ID, E_ATTRIBUTES, EVENT_COLUMNS
};

/*
 * The event as a value of type durable.event
 */
Datum
event_form(const Event *event)
{
	Datum		values[EVENT_COLUMNS];
	bool		nulls[EVENT_COLUMNS] = {0};

	values[E_TYPE] = Int16GetDatum(event->type);
	values[E_AT] = TimestampTzGetDatum(event->at);
	values[E_COMMAND] = Int32GetDatum(event->command);
	nulls[E_COMMAND] = event->command == 0;
	values[E_NAME] = PointerGetDatum(event->name);
	nulls[E_NAME] = event->name == NULL;
	values[E_PAYLOAD] = PointerGetDatum(event->payload);
	nulls[E_PAYLOAD] = event->payload == NULL;
	values[E_PAYLOAD_ID] = Int64GetDatum(event->payload_id);
	nulls[E_PAYLOAD_ID] = event->payload_id == 0;
	values[E_ATTRIBUTES] = PointerGetDatum(event->attributes);
	nulls[E_ATTRIBUTES] = event->attributes == NULL;
	return row_form(TABLE_EVENT, values, nulls, EVENT_COLUMNS);
}

/*
 * The events of an array; what they point to lies in the array itself where
 * that is possible
 */
int
event_array_deform(ArrayType *array, Event **events)
{
	Datum	   *elements;
	int			n;

	deconstruct_array(array, row_type(TABLE_EVENT), -1, false, TYPALIGN_DOUBLE, &elements, NULL, &n);
	*events = palloc(Max(n, 1) * sizeof(Event));
	for (int i = 0; i < n; i++)
	{
		Datum		values[EVENT_COLUMNS];
		bool		nulls[EVENT_COLUMNS];
		Event	   *event = &(*events)[i];

		row_deform(TABLE_EVENT, elements[i], values, nulls, EVENT_COLUMNS);
		event->type = (EventType) DatumGetInt16(values[E_TYPE]);
		event->at = DatumGetTimestampTz(values[E_AT]);
		event->command = nulls[E_COMMAND] ? 0 : DatumGetInt32(values[E_COMMAND]);
		event->name = nulls[E_NAME] ? NULL : DatumGetTextPP(values[E_NAME]);
		event->payload = nulls[E_PAYLOAD] ? NULL : (Jsonb *) DatumGetPointer(values[E_PAYLOAD]);
		event->payload_id = nulls[E_PAYLOAD_ID] ? 0 : DatumGetInt64(values[E_PAYLOAD_ID]);
		event->attributes = nulls[E_ATTRIBUTES] ? NULL : DatumGetJsonbP(values[E_ATTRIBUTES]);
	}
	pfree(elements);
	return n;
}

/*
 * The histories of some runs, by run and in order
 */
int
history_read(const pg_uuid_t *run_ids, int count, MemoryContext context, HistoryRow **rows)
{
	static Statement statement = {
		"SELECT h.run_id, h.first_event, h.turn_at, h.mail, h.ran, h.goes_on, h.events FROM durable.history h"
		" WHERE h.run_id = ANY ($1) ORDER BY h.run_id, h.first_event",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);
	int			n = (int) store_execute(&statement, &ids, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	*rows = palloc(Max(n, 1) * sizeof(HistoryRow));
	for (int i = 0; i < n; i++)
	{
		HistoryRow *row = &(*rows)[i];

		row->run_id = *DatumGetUUIDP(store_value(i, 1));
		row->first_event = DatumGetInt32(store_value(i, 2));
		row->turn_at = DatumGetTimestampTz(store_value(i, 3));
		row->mail = DatumGetInt32(store_value(i, 4));
		row->ran = DatumGetBool(store_value(i, 5));
		row->goes_on = DatumGetBool(store_value(i, 6));
		row->events = DatumGetArrayTypePCopy(store_value(i, 7));
	}
	MemoryContextSwitchTo(old);
	return n;
}

/*
 * The last event of a run, as of now; of a closed run it tells how it closed
 */
bool
history_read_last(const pg_uuid_t *run_id, Event *event)
{
	static Statement statement = {
		"SELECT h.events FROM durable.history h WHERE h.run_id = $1 ORDER BY h.run_id DESC, h.first_event DESC LIMIT 1",
		1, {UUIDOID}
	};
	Datum		id = UUIDPGetDatum(run_id);
	Event	   *events;
	int			count;

	if (store_execute(&statement, &id, NULL) == 0)
		return false;
	count = event_array_deform(DatumGetArrayTypePCopy(store_value(0, 1)), &events);
	*event = events[count - 1];
	return true;
}

/*
 * Collect a row; returns its size in bytes
 */
Size
history_add(RowBatch *batch, const pg_uuid_t *run_id, Oid owner, int32 first_event,
			TimestampTz turn_at, int32 mail, bool ran, bool goes_on, Datum *events, int count)
{
	Datum		values[HISTORY_COLUMNS];
	bool		nulls[HISTORY_COLUMNS] = {0};
	Datum		array = rows_array(TABLE_EVENT, events, count);

	values[H_RUN_ID] = UUIDPGetDatum(run_id);
	values[H_FIRST_EVENT] = Int32GetDatum(first_event);
	values[H_OWNER] = ObjectIdGetDatum(owner);
	values[H_TURN_AT] = TimestampTzGetDatum(turn_at);
	values[H_MAIL] = Int32GetDatum(mail);
	values[H_RAN] = BoolGetDatum(ran);
	values[H_GOES_ON] = BoolGetDatum(goes_on);
	values[H_EVENTS] = array;
	rows_add(batch, values, nulls);
	return VARSIZE_ANY(DatumGetPointer(array));
}

/*
 * Write the collected rows
 */
void
history_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.history SELECT n.* FROM pg_catalog.unnest($1) n",
		1, {ROWS_OF(TABLE_HISTORY)}
	};

	rows_write(batch, &statement);
}
