/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Is this the database its runs were started in?
 *
 *	  A restored dump or a copy made with CREATE DATABASE ... TEMPLATE brings
 *	  open runs along that also go on where they came from; were both to run
 *	  them, effects outside the database would happen twice.  So the tables carry
 *	  the identity of their cluster and database, written with the first run, and
 *	  where it does not fit, nothing runs until wf_adopt().  A promoted standby has its
 *	  primary's identity and goes on at once.
 *
 *	  A physical copy has the identity of its original, so nothing here can tell
 *	  them apart: durable.enabled, off before its first start, has the same effect.
 *
 *	  Rows that come by logical replication bring no such row where there is one.
 *	  A trigger that fires for those who apply changes of another database, and for
 *	  nobody else, makes the identity one that fits nowhere, in the transaction that
 *	  brings the first run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/extension.h"
#include "base/guc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "shared/shmem.h"
#include "shared/txn.h"
#include "store/identity.h"
#include "store/store.h"

/* How what is stored compares with where we are */
typedef struct Comparison
{
	bool		any;			/* there is something stored, */
	bool		matches;		/* all of it says: here, */
	bool		lasting;		/* and no rollback of ours takes it away */
} Comparison;

static Comparison
compare(void)
{
	static Statement statement = {
		"SELECT i.system_identifier = $1 AND i.database_oid = $2, i.xmin FROM durable.identity i",
		2, {INT8OID, OIDOID}
	};
	Datum		values[2] = {Int64GetDatum((int64) GetSystemIdentifier()), ObjectIdGetDatum(MyDatabaseId)};
	Comparison	result = {.matches = true};
	int			rows = (int) store_execute(&statement, values, NULL);

	result.any = rows > 0;
	for (int i = 0; i < rows; i++)
	{
		result.matches &= DatumGetBool(store_value(i, 1));
		result.lasting |= !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(store_value(i, 2)));
	}
	return result;
}

/*
 * False where another identity is stored; true where none is
 */
bool
durable_identity_matches(void)
{
	StoreScope	scope;
	bool		matches;

	store_begin_look(&scope);
	matches = compare().matches;
	store_end(&scope);
	return matches;
}

/*
 * Store the identity where none is: with the first run, in its transaction.
 * Not before, since a dump to be restored here may bring its own.  If others
 * start a first run, too, each stores it: a unique key would have them wait for
 * a transaction that may stay open.
 */
void
durable_claim_identity(void)
{
	static Statement claim = {
		"INSERT INTO durable.identity (system_identifier, database_oid) VALUES ($1, $2)",
		2, {INT8OID, OIDOID}
	};
	static Oid	known = InvalidOid;	/* schema of the extension that has one */
	Datum		values[2] = {Int64GetDatum((int64) GetSystemIdentifier()), ObjectIdGetDatum(MyDatabaseId)};
	Comparison	found;
	StoreScope	scope;

	if (known == durable_schema())
		return;
	store_begin(&scope);
	found = compare();
	if (!found.any)
		store_execute(&claim, values, NULL);
	else if (found.lasting)
		known = durable_schema();
	store_end(&scope);
}

/*
 * The same, and whether anything is to be run in this server, by what is known as long as nobody has changed it.  Who asks after a
 * look at the tables knows that what he saw is ours: a change is announced
 * before anybody sees what came with it.
 */
bool
durable_identity_holds(void)
{
	static Oid	known = InvalidOid; /* schema of the extension */
	static uint32 known_at = 0;
	uint32		at = 0;
	bool		settled = false;

	if (!durable_enabled)
		return false;
	if (shared)
	{
		/* in this order: a change counts before it is no longer open */
		pg_memory_barrier();
		settled = pg_atomic_read_u32(&shared->identities_open) == 0;
		pg_memory_barrier();
		at = pg_atomic_read_u32(&shared->identities);
	}
	if (settled && at == known_at && known == durable_schema())
		return true;
	if (!durable_identity_matches())
		return false;
	if (settled)
	{
		known = durable_schema();
		known_at = at;
	}
	return true;
}

/*
 * A row of these tables comes from another database by replication: so do the
 * runs, which go on there.  Nothing runs here from now on, until wf_adopt().
 */
void
durable_note_replicated(void)
{
	static Statement statement = {
		"INSERT INTO durable.identity (system_identifier, database_oid) VALUES (0, 0)"
	};
	StoreScope	scope;

	if (!durable_identity_matches())
		return;
	txn_identity_changed();
	store_begin(&scope);
	store_execute(&statement, NULL, NULL);
	store_end(&scope);
}

/*
 * Errors where nothing is to be run in this server
 */
void
durable_check_enabled(void)
{
	if (!durable_enabled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("durable.enabled is off: nothing is run in this server"),
				 errhint("It was set for a copy, or to stop everything. Starts and signals are kept until it is on again.")));
}

/*
 * Errors where durable_identity_holds() is false
 */
void
durable_check_identity(void)
{
	durable_check_enabled();
	if (!durable_identity_holds())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the workflows of this database were started in another one"),
				 errdetail("It is a restored dump, a copy, or replicated from there; were the original to run them too, effects outside the database would happen twice."),
				 errhint("Run SELECT wf_adopt() if the original is gone.")));
}

/*
 * Task queues are known by a hash of their owner's oid, among others, and roles
 * have other oids here
 */
static void
renumber_task_queues(void)
{
	static Statement activities = {
		"UPDATE durable.activity a SET queue ="
		" durable.task_queue_id(e.namespace, a.task_queue, a.owner::pg_catalog.oid, a.external)"
		" FROM durable.execution e WHERE e.run_id = a.run_id AND a.queue IS NOT NULL"
	};
	static Statement limits = {
		"UPDATE durable.task_queue q SET queue ="
		" durable.task_queue_id(q.namespace, q.task_queue, q.owner::pg_catalog.oid, q.external)"
	};

	store_execute(&activities, NULL, NULL);
	store_execute(&limits, NULL, NULL);
}

/*
 * Replication does not bring sequences along
 */
static void
advance_sequences(void)
{
	static Statement messages = {
		"SELECT pg_catalog.setval('durable.message_seq', m.most) FROM durable.message_seq s,"
		" (SELECT pg_catalog.max(seq) AS most FROM durable.message) m WHERE m.most >= s.last_value"
	};
	static Statement payloads = {
		"SELECT pg_catalog.setval('durable.payload_id_seq', p.most) FROM durable.payload_id_seq s,"
		" (SELECT pg_catalog.max(payload_id) AS most FROM durable.payload) p WHERE p.most >= s.last_value"
	};

	store_execute(&messages, NULL, NULL);
	store_execute(&payloads, NULL, NULL);
}

/*
 * Make this the database of its runs; false where it was already
 */
bool
durable_adopt_identity(void)
{
	static Statement statement = {
		"UPDATE durable.identity SET system_identifier = $1, database_oid = $2", 2, {INT8OID, OIDOID}
	};
	Datum		values[2] = {Int64GetDatum((int64) GetSystemIdentifier()), ObjectIdGetDatum(MyDatabaseId)};
	StoreScope	scope;

	if (durable_identity_matches())
		return false;
	store_begin(&scope);
	store_execute(&statement, values, NULL);
	renumber_task_queues();
	advance_sequences();
	store_end(&scope);
	txn_identity_changed();
	txn_extension_changed();
	return true;
}
