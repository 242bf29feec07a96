/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Finding a run, open or closed: by workflow id, run id or request id.
 *
 *	  All functions but check_owner() run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "utils/acl.h"

static bool
found_row(uint64 n, Found *found)
{
	if (n == 0)
		return false;
	found->run_id = *DatumGetUUIDP(store_value(0, 1));
	found->owner = DatumGetObjectId(store_value(0, 2));
	found->status = (RunStatus) DatumGetInt16(store_value(0, 3));
	found->has_next = !store_is_null(0, 4);
	if (found->has_next)
		found->next_run_id = *DatumGetUUIDP(store_value(0, 4));
	found->ours = !store_is_null(0, 5) &&
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(store_value(0, 5)));
	return true;
}

#define FIND_OPEN	"SELECT e.run_id, e.owner, 0::pg_catalog.int2, NULL::pg_catalog.uuid, e.xmin FROM durable.execution e WHERE "
#define FIND_CLOSED	"SELECT c.run_id, c.owner, c.status, c.next_run_id, NULL::pg_catalog.xid FROM durable.closed c WHERE "

/*
 * The open run of a workflow id
 */
bool
find_open(Datum namespace, Datum workflow_id, Found *found)
{
	static Statement statement = {
		FIND_OPEN "e.namespace = $1 AND e.workflow_id = $2", 2, {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {namespace, workflow_id};

	return found_row(store_execute(&statement, values, NULL), found);
}

/*
 * The run of a workflow id that was closed last
 */
bool
find_closed(Datum namespace, Datum workflow_id, Found *found)
{
	static Statement statement = {
		FIND_CLOSED "c.namespace = $1 AND c.workflow_id = $2 ORDER BY c.namespace DESC, c.workflow_id DESC, c.run_id DESC LIMIT 1",
		2, {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {namespace, workflow_id};

	return found_row(store_execute(&statement, values, NULL), found);
}

/*
 * The open run of a workflow id, or else the one closed last
 */
bool
find_latest(Datum namespace, Datum workflow_id, Found *found)
{
	return find_open(namespace, workflow_id, found) || find_closed(namespace, workflow_id, found);
}

/*
 * Find a run by its id, open or closed; false where there is none
 */
bool
find_run(const pg_uuid_t *run_id, Found *found)
{
	static Statement open = {FIND_OPEN "e.run_id = $1", 1, {UUIDOID}};
	static Statement closed = {FIND_CLOSED "c.run_id = $1", 1, {UUIDOID}};
	Datum		id = UUIDPGetDatum(run_id);

	return found_row(store_execute(&open, &id, NULL), found) ||
		found_row(store_execute(&closed, &id, NULL), found);
}

/*
 * The same, if it is a run of this workflow id
 */
bool
find_run_of(Datum namespace, Datum workflow_id, const pg_uuid_t *run_id, Found *found)
{
	static Statement open = {
		FIND_OPEN "e.run_id = $1 AND e.namespace = $2 AND e.workflow_id = $3", 3, {UUIDOID, TEXTOID, TEXTOID}
	};
	static Statement closed = {
		FIND_CLOSED "c.run_id = $1 AND c.namespace = $2 AND c.workflow_id = $3", 3, {UUIDOID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {UUIDPGetDatum(run_id), namespace, workflow_id};

	return found_row(store_execute(&open, values, NULL), found) ||
		found_row(store_execute(&closed, values, NULL), found);
}

#define FIND_REQUEST_CLOSED \
	"SELECT * FROM (" FIND_CLOSED "c.namespace = $1 AND c.request_id = $2 AND c.request_id IS NOT NULL ORDER BY c.run_id LIMIT 1) c"
#define FIND_REQUEST_TAKEN \
	FIND_OPEN "e.run_id = (SELECT s.run_id FROM durable.start_request s WHERE s.namespace = $1 AND s.request_id = $2)" \
	" UNION ALL " \
	FIND_CLOSED "c.run_id = (SELECT s.run_id FROM durable.start_request s WHERE s.namespace = $1 AND s.request_id = $2)"

/*
 * The run that a start with a request id was answered with: the one it started, or
 * one that was there before
 */
bool
find_request(Datum namespace, Datum request_id, Found *found)
{
	static Statement statement = {
		FIND_OPEN "e.namespace = $1 AND e.request_id = $2 AND e.request_id IS NOT NULL"
		" UNION ALL " FIND_REQUEST_CLOSED " UNION ALL " FIND_REQUEST_TAKEN " LIMIT 1",
		2, {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {namespace, request_id};

	return found_row(store_execute(&statement, values, NULL), found);
}

/*
 * The same, where it is not the run that has just been inserted
 */
bool
find_earlier_request(Datum namespace, Datum request_id, Found *found)
{
	static Statement statement = {
		FIND_REQUEST_CLOSED " UNION ALL " FIND_REQUEST_TAKEN " LIMIT 1", 2, {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {namespace, request_id};

	return found_row(store_execute(&statement, values, NULL), found);
}

/*
 * Note that a start with a request id was answered with a run, which we hold;
 * false where another did so at the same time
 */
bool
take_start_request(Datum namespace, Datum request_id, const pg_uuid_t *run_id)
{
	static Statement statement = {
		"INSERT INTO durable.start_request (namespace, request_id, run_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		3, {TEXTOID, TEXTOID, UUIDOID}
	};
	Datum		values[3] = {namespace, request_id, UUIDPGetDatum(run_id)};

	return store_execute(&statement, values, NULL) > 0;
}

/*
 * The stamp of the highest run id there is, see start.c; 0 where there is none.
 * Of all functions here, this one needs no store scope.
 */
uint64
find_last_stamp(void)
{
	static Statement statement = {
		"(SELECT e.run_id FROM durable.execution e ORDER BY e.run_id DESC LIMIT 1)"
		" UNION ALL (SELECT c.run_id FROM durable.closed c ORDER BY c.run_id DESC LIMIT 1)", 0, {0}
	};
	StoreScope	scope;
	uint64		result = 0;

	store_begin_look(&scope);
	for (int i = (int) store_execute(&statement, NULL, NULL) - 1; i >= 0; i--)
	{
		uint64		high;

		memcpy(&high, DatumGetUUIDP(store_value(i, 1))->data, sizeof(high));
		high = pg_ntoh64(high);
		result = Max(result, ((high >> 16) << 12) | (high & 0xFFF));
	}
	store_end(&scope);
	return result;
}

/*
 * Only who has the privileges of a run's owner may touch it; to be a member of it
 * is not enough, since that may be without INHERIT.  The caller is not the current
 * role where the engine's own statements run.
 */
void
check_owner(Oid caller, Oid owner, const char *what)
{
	if (!has_privs_of_role(caller, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for workflow \"%s\"", what),
				 GetUserNameFromId(owner, true) ?
				 errdetail("It belongs to role \"%s\".", GetUserNameFromId(owner, true)) :
				 errdetail("It belongs to role %u, which does not exist.", owner)));
}
