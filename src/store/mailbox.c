/*-------------------------------------------------------------------------
 *
 * mailbox.c
 *	  Messages: all that reaches a run from outside.
 *
 *	  Sending inserts a row and never touches what a running turn holds.  The
 *	  order of a run's mail is that of seq, drawn when the message is sent.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/testmode.h"
#include "catalog/pg_type.h"
#include "shared/txn.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* Columns of durable.message, in order */
enum
{
	M_OWNER, M_SEQ, M_RUN_ID, M_KIND, M_ALONE, M_AT, M_COMMAND, M_NAME, M_PAYLOAD, M_PAYLOAD_ID,
	M_ATTRIBUTES, MESSAGE_COLUMNS
};

static Datum
seq_array(const int64 *seqs, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(seqs[i]);
	return PointerGetDatum(construct_array(values, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Send a message; its seq is drawn here and returned.  The caller tells
 * txn_mail().
 */
int64
mailbox_send(Oid owner, const Message *m)
{
	static Statement statement = {
		"INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, command, name, payload, payload_id, attributes)"
		" VALUES ($1::pg_catalog.oid, pg_catalog.nextval('durable.message_seq'), $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING seq",
		10, {OIDOID, UUIDOID, INT2OID, BOOLOID, TIMESTAMPTZOID, INT4OID, TEXTOID, JSONBOID, INT8OID, JSONBOID}
	};
	Datum		values[10] = {
		ObjectIdGetDatum(owner), UUIDPGetDatum(&m->run_id), Int16GetDatum(m->kind),
		BoolGetDatum(m->alone), TimestampTzGetDatum(m->at), Int32GetDatum(m->command),
		PointerGetDatum(m->name), PointerGetDatum(m->payload), Int64GetDatum(m->payload_id),
		PointerGetDatum(m->attributes)
	};
	char		nulls[10] = {
		' ', ' ', ' ', ' ', ' ', m->command ? ' ' : 'n', m->name ? ' ' : 'n',
		m->payload ? ' ' : 'n', m->payload_id ? ' ' : 'n', m->attributes ? ' ' : 'n'
	};

	test_mode_messages++;
	store_execute(&statement, values, nulls);
	return DatumGetInt64(store_value(0, 1));
}

/*
 * Collect a message
 */
void
mailbox_add(RowBatch *batch, Oid owner, const Message *m)
{
	Datum		values[MESSAGE_COLUMNS];
	bool		nulls[MESSAGE_COLUMNS] = {0};

	values[M_OWNER] = ObjectIdGetDatum(owner);
	nulls[M_SEQ] = true;
	values[M_RUN_ID] = UUIDPGetDatum(&m->run_id);
	values[M_KIND] = Int16GetDatum(m->kind);
	values[M_ALONE] = BoolGetDatum(m->alone);
	values[M_AT] = TimestampTzGetDatum(m->at);
	values[M_COMMAND] = Int32GetDatum(m->command);
	nulls[M_COMMAND] = m->command == 0;
	values[M_NAME] = PointerGetDatum(m->name);
	nulls[M_NAME] = m->name == NULL;
	values[M_PAYLOAD] = PointerGetDatum(m->payload);
	nulls[M_PAYLOAD] = m->payload == NULL;
	values[M_PAYLOAD_ID] = Int64GetDatum(m->payload_id);
	nulls[M_PAYLOAD_ID] = m->payload_id == 0;
	values[M_ATTRIBUTES] = PointerGetDatum(m->attributes);
	nulls[M_ATTRIBUTES] = m->attributes == NULL;
	rows_add(batch, values, nulls);
}

/*
 * Send what was collected, in that order; the runs' claims are woken at commit
 */
void
mailbox_write(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.message SELECT n.owner, pg_catalog.nextval('durable.message_seq'), n.run_id, n.kind,"
		" n.alone, n.at, n.command, n.name, n.payload, n.payload_id, n.attributes"
		" FROM pg_catalog.unnest($1) n RETURNING owner, seq",
		1, {ROWS_OF(TABLE_MESSAGE)}
	};
	int			count = batch->count;

	rows_write(batch, &statement);
	for (int i = 0; i < count; i++)
		txn_mail(DatumGetObjectId(store_value(i, 1)), DatumGetInt64(store_value(i, 2)));
}

/*
 * The same, but for messages to runs that are closed
 */
void
mailbox_write_to_open(RowBatch *batch)
{
	static Statement statement = {
		"INSERT INTO durable.message SELECT n.owner, pg_catalog.nextval('durable.message_seq'), n.run_id, n.kind,"
		" n.alone, n.at, n.command, n.name, n.payload, n.payload_id, n.attributes"
		" FROM pg_catalog.unnest($1) n"
		" WHERE EXISTS (SELECT 1 FROM durable.execution e WHERE e.run_id = n.run_id) RETURNING owner, seq",
		1, {ROWS_OF(TABLE_MESSAGE)}
	};

	if (batch->count == 0)
		return;
	rows_write(batch, &statement);
	for (uint64 i = 0; i < SPI_processed; i++)
		txn_mail(DatumGetObjectId(store_value(i, 1)), DatumGetInt64(store_value(i, 2)));
}

/*
 * The next messages of an owner from a seq on: whose and which.  The arrays
 * have room for `limit'.  Returns how many.
 */
int
mailbox_scan(Oid owner, int64 from, int limit, pg_uuid_t *run_ids, int64 *seqs, bool *alone)
{
	static Statement statement = {
		"SELECT m.seq, m.run_id, m.alone FROM durable.message m"
		" WHERE m.owner = $1 AND m.seq >= $2 ORDER BY m.owner, m.seq LIMIT $3",
		3, {OIDOID, INT8OID, INT4OID}
	};
	Datum		values[3] = {ObjectIdGetDatum(owner), Int64GetDatum(from), Int32GetDatum(limit)};
	int			n = (int) store_execute(&statement, values, NULL);

	for (int i = 0; i < n; i++)
	{
		seqs[i] = DatumGetInt64(store_value(i, 1));
		run_ids[i] = *DatumGetUUIDP(store_value(i, 2));
		alone[i] = DatumGetBool(store_value(i, 3));
	}
	return n;
}

/*
 * All mail of some runs, in order of seq, in memory of `context'
 */
int
mailbox_read(const pg_uuid_t *run_ids, int count, MemoryContext context, Message **messages)
{
	static Statement statement = {
		"SELECT m.seq, m.run_id, m.kind, m.alone, m.at, m.command, m.name, m.payload, m.payload_id, m.attributes, m.ctid"
		" FROM durable.message m WHERE m.run_id = ANY ($1) ORDER BY m.seq",
		1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);
	int			n = (int) store_execute(&statement, &ids, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	*messages = palloc(Max(n, 1) * sizeof(Message));
	for (int i = 0; i < n; i++)
	{
		Message    *m = &(*messages)[i];

		m->tid = *(ItemPointer) DatumGetPointer(store_value(i, 11));
		m->seq = DatumGetInt64(store_value(i, 1));
		m->run_id = *DatumGetUUIDP(store_value(i, 2));
		m->kind = DatumGetInt16(store_value(i, 3));
		m->alone = DatumGetBool(store_value(i, 4));
		m->at = DatumGetTimestampTz(store_value(i, 5));
		m->command = DatumGetInt32(store_value(i, 6));
		m->name = store_is_null(i, 7) ? NULL : DatumGetTextPCopy(store_value(i, 7));
		m->payload = store_is_null(i, 8) ? NULL : DatumGetJsonbPCopy(store_value(i, 8));
		m->payload_id = DatumGetInt64(store_value(i, 9));
		m->attributes = store_is_null(i, 10) ? NULL : DatumGetJsonbPCopy(store_value(i, 10));
	}
	MemoryContextSwitchTo(old);
	return n;
}

/*
 * Delete messages that a batch has taken in.  They are where they were read,
 * since messages are never updated and only who has claimed their run deletes
 * them.  (By owner and seq = ANY it would be the index of the primary key, and
 * the planner may make a filter of the second condition: then each batch walks
 * over all that was ever consumed under a held snapshot.)
 */
void
mailbox_consume(const ItemPointerData *tids, int count)
{
	static Statement statement = {
		"DELETE FROM durable.message m WHERE m.ctid = ANY ($1)", 1, {TIDARRAYOID}
	};
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));
	Datum		array;

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
		values[i] = PointerGetDatum(&tids[i]);
	array = PointerGetDatum(construct_array(values, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	store_execute(&statement, &array, NULL);
}

/*
 * Delete messages of a run by their seq
 */
void
mailbox_delete(const pg_uuid_t *run_id, const int64 *seqs, int count)
{
	static Statement statement = {
		"DELETE FROM durable.message m WHERE m.run_id = $1 AND m.seq = ANY ($2)", 2, {UUIDOID, INT8ARRAYOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), seq_array(seqs, count)};

	store_execute(&statement, values, NULL);
}

/*
 * Delete all mail of runs that are closed
 */
void
mailbox_empty(const pg_uuid_t *run_ids, int count)
{
	static Statement statement = {
		"DELETE FROM durable.message m WHERE m.run_id = ANY ($1)", 1, {UUIDARRAYOID}
	};
	Datum		ids = uuid_array(run_ids, count);

	store_execute(&statement, &ids, NULL);
}

/*
 * Send the signals, cancel requests and updates that a run has not read to
 * another run, in their order; returns the seq of the first, 0 for none.  They
 * come behind what that run was sent before.
 */
int64
mailbox_move(const pg_uuid_t *from, const pg_uuid_t *to)
{
	static Statement statement = {
		"WITH gone AS (DELETE FROM durable.message m WHERE m.run_id = $1 AND m.kind = ANY ($3) RETURNING m.*),"
		" payloads AS (UPDATE durable.payload p SET run_id = $2 FROM gone g WHERE p.payload_id = g.payload_id)"
		" INSERT INTO durable.message SELECT g.owner, pg_catalog.nextval('durable.message_seq'), $2, g.kind, false,"
		"  g.at, g.command, g.name, g.payload, g.payload_id, g.attributes"
		" FROM (SELECT * FROM gone ORDER BY gone.seq) g RETURNING seq",
		3, {UUIDOID, UUIDOID, INT2ARRAYOID}
	};
	Datum		values[3] = {UUIDPGetDatum(from), UUIDPGetDatum(to), PointerGetDatum(mail_kinds_that_move())};

	return store_execute(&statement, values, NULL) > 0 ? DatumGetInt64(store_value(0, 1)) : 0;
}

/*
 * Have these runs got signals or cancel requests besides those already taken?
 */
bool
mailbox_has_other_signals(const pg_uuid_t *run_ids, int count, const int64 *taken, int ntaken)
{
	static Statement statement = {
		"SELECT 1 FROM durable.message m WHERE m.run_id = ANY ($1) AND m.kind = ANY ($3)"
		" AND NOT m.seq = ANY ($2) LIMIT 1",
		3, {UUIDARRAYOID, INT8ARRAYOID, INT2ARRAYOID}
	};
	Datum		values[3] = {
		uuid_array(run_ids, count), seq_array(taken, ntaken), PointerGetDatum(mail_kinds_that_keep_open())
	};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * Note a request id of a signal to an open run; false where that, or one that
 * went on as it, had it before
 */
bool
mailbox_take_request(const pg_uuid_t *run_id, Datum request_id)
{
	static Statement statement = {
		"INSERT INTO durable.signal_request (run_id, request_id, first_run_id)"
		" SELECT e.run_id, $2, COALESCE(e.first_run_id, e.run_id) FROM durable.execution e WHERE e.run_id = $1"
		" ON CONFLICT DO NOTHING",
		2, {UUIDOID, TEXTOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), request_id};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * Has a closed run, or one of those that went on as it or as which it went on,
 * taken a signal with this request id?
 */
bool
mailbox_took_request(const pg_uuid_t *run_id, Datum request_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.signal_request s WHERE s.request_id = $2 AND s.first_run_id ="
		" (SELECT COALESCE(c.first_run_id, c.run_id) FROM durable.closed c WHERE c.run_id = $1)",
		2, {UUIDOID, TEXTOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), request_id};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * Has a run been asked to cancel itself, in its mail or its history?
 */
bool
mailbox_cancel_requested(const pg_uuid_t *run_id)
{
	static Statement statement = {
		"SELECT 1 FROM durable.message m WHERE m.run_id = $1 AND m.kind = $2"
		" UNION ALL SELECT 1 FROM durable.execution e WHERE e.run_id = $1 AND e.cancel_requested LIMIT 1",
		2, {UUIDOID, INT2OID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), Int16GetDatum(MESSAGE_CANCEL)};

	return store_execute(&statement, values, NULL) > 0;
}
