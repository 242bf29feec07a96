/*-------------------------------------------------------------------------
 *
 * family.c
 *	  Open runs found by their parent.
 *
 *	  None of these waits for a lock: a child may be in its turn, or in a
 *	  transaction that somebody left open.
 *
 *	  Thousands of children may be named at once: IN (SELECT unnest()) is a look
 *	  into a hash table, where = ANY () of a parameter would walk the array.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/testmode.h"
#include "catalog/pg_type.h"
#include "shared/txn.h"
#include "store/family.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static Datum
int_array(const int32 *numbers, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = Int32GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(values, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/*
 * Insert the collected runs but for those whose workflow id is taken.  Fills in
 * which were inserted, in the order in which they were added; returns how many.
 */
int
family_insert(RowBatch *batch, pg_uuid_t *inserted)
{
	static Statement statement = {
		"INSERT INTO durable.execution SELECT n.* FROM pg_catalog.unnest($1) n ON CONFLICT DO NOTHING RETURNING run_id",
		1, {ROWS_OF(TABLE_EXECUTION)}
	};
	Datum		array;
	int			n;

	if (batch->count == 0)
		return 0;
	array = rows_array(batch->table, batch->rows, batch->count);
	n = (int) store_execute(&statement, &array, NULL);
	for (int i = 0; i < n; i++)
	{
		inserted[i] = *DatumGetUUIDP(store_value(i, 1));
		test_mode_add_run(&inserted[i]);
	}
	return n;
}

/*
 * Of the children that are meant, those not among the given runs
 */
static int
find_others(Datum *values, const char *nulls, Member **left)
{
	static Statement statement = {
		"SELECT e.parent_run_id, e.parent_command FROM durable.execution e"
		" WHERE e.parent_run_id = ANY ($1) AND e.parent_run_id IS NOT NULL"
		" AND CASE WHEN $2 IS NULL THEN e.parent_close_policy = 1 ELSE e.parent_command IN (SELECT pg_catalog.unnest($2)) END"
		" AND e.run_id NOT IN (SELECT pg_catalog.unnest($3))",
		3, {UUIDARRAYOID, INT4ARRAYOID, UUIDARRAYOID}
	};
	int			n = (int) store_execute(&statement, values, nulls);

	*left = palloc(Max(n, 1) * sizeof(Member));
	for (int i = 0; i < n; i++)
		(*left)[i] = (Member) {*DatumGetUUIDP(store_value(i, 1)), DatumGetInt32(store_value(i, 2))};
	return n;
}

/*
 * Send a cancel request to children, which then cannot close before the end of
 * this transaction: those of certain commands, or (NULL) those whose policy
 * says so.  Returns how many could not be reached because somebody is about to
 * close them.
 */
int
family_cancel(const pg_uuid_t *parents, int count, const int32 *commands, int ncommands,
			  const char *reason, Member **left)
{
	static Statement statement = {
		"WITH c AS MATERIALIZED (SELECT e.run_id, e.owner FROM durable.execution e"
		"  WHERE e.parent_run_id = ANY ($1) AND e.parent_run_id IS NOT NULL"
		"  AND CASE WHEN $2 IS NULL THEN e.parent_close_policy = 1 ELSE e.parent_command IN (SELECT pg_catalog.unnest($2)) END"
		"  FOR KEY SHARE SKIP LOCKED)"
		" INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, name)"
		" SELECT c.owner, pg_catalog.nextval('durable.message_seq'), c.run_id, 3, false, $3, $4 FROM c"
		" RETURNING owner, seq, run_id",
		4, {UUIDARRAYOID, INT4ARRAYOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[4] = {
		uuid_array(parents, count), int_array(commands, ncommands),
		TimestampTzGetDatum(durable_now()), CStringGetTextDatum(reason)
	};
	char		nulls[4] = {' ', commands ? ' ' : 'n', ' ', ' '};
	int			n = (int) store_execute(&statement, values, nulls);
	pg_uuid_t  *reached = palloc(Max(n, 1) * sizeof(pg_uuid_t));

	for (int i = 0; i < n; i++)
	{
		reached[i] = *DatumGetUUIDP(store_value(i, 3));
		txn_mail(DatumGetObjectId(store_value(i, 1)), DatumGetInt64(store_value(i, 2)));
		txn_locked(DatumGetObjectId(store_value(i, 1)), &reached[i]);
	}
	values[2] = uuid_array(reached, n);
	return find_others(values, nulls, left);
}

/*
 * Which of these runs have open children of a policy?
 */
int
family_parents(const pg_uuid_t *parents, int count, int policy, pg_uuid_t **having)
{
	static Statement statement = {
		"SELECT p.id FROM pg_catalog.unnest($1) p(id) WHERE EXISTS (SELECT 1 FROM durable.execution e"
		" WHERE e.parent_run_id = p.id AND e.parent_close_policy = $2)",
		2, {UUIDARRAYOID, INT2OID}
	};
	Datum		values[2] = {uuid_array(parents, count), Int16GetDatum(policy)};
	int			n = (int) store_execute(&statement, values, NULL);

	*having = palloc(Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
		(*having)[i] = *DatumGetUUIDP(store_value(i, 1));
	return n;
}

/*
 * The open children of some runs of a policy, at most `limit'
 */
int
family_left(const pg_uuid_t *parents, int count, int policy, int limit, pg_uuid_t **children)
{
	static Statement statement = {
		"SELECT e.run_id FROM durable.execution e WHERE e.parent_run_id = ANY ($1) AND e.parent_run_id IS NOT NULL"
		" AND e.parent_close_policy = $2 LIMIT $3",
		3, {UUIDARRAYOID, INT2OID, INT4OID}
	};
	Datum		values[3] = {uuid_array(parents, count), Int16GetDatum(policy), Int32GetDatum(limit)};
	int			n = (int) store_execute(&statement, values, NULL);

	*children = palloc(Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
		(*children)[i] = *DatumGetUUIDP(store_value(i, 1));
	return n;
}

/*
 * Make open children of a run, of its commands up to one, those of another.
 * Returns how many, and by which commands they were started.
 */
int
family_move(const pg_uuid_t *from, const pg_uuid_t *to, int32 last_command, int32 **commands)
{
	static Statement statement = {
		"UPDATE durable.execution e SET parent_run_id = $2 WHERE e.parent_run_id = $1 AND e.parent_command <= $3"
		" RETURNING e.parent_command",
		3, {UUIDOID, UUIDOID, INT4OID}
	};
	Datum		values[3] = {UUIDPGetDatum(from), UUIDPGetDatum(to), Int32GetDatum(last_command)};
	int			n = (int) store_execute(&statement, values, NULL);

	*commands = palloc(Max(n, 1) * sizeof(int32));
	for (int i = 0; i < n; i++)
		(*commands)[i] = DatumGetInt32(store_value(i, 1));
	return n;
}

/*
 * Make an open run the child of another; waits for its turn.  False where it
 * is closed.
 */
bool
family_adopt(const pg_uuid_t *child, const pg_uuid_t *parent)
{
	static Statement statement = {
		"UPDATE durable.execution e SET parent_run_id = $2 WHERE e.run_id = $1", 2, {UUIDOID, UUIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(child), UUIDPGetDatum(parent)};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * Has a parent an open child by this command?
 */
bool
family_has(const pg_uuid_t *parent, int32 command)
{
	static Statement statement = {
		"SELECT 1 FROM durable.execution e WHERE e.parent_run_id = $1 AND e.parent_command = $2 LIMIT 1",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(parent), Int32GetDatum(command)};

	return store_execute(&statement, values, NULL) > 0;
}
