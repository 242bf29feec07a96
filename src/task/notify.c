/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  NOTIFY for those who LISTEN to a workflow.
 *
 *	  Anybody may LISTEN to any channel, so who does not know the name must not be
 *	  able to guess it: it is a hash of a secret of the database, the owner of the
 *	  runs, namespace and workflow id.  wf_listen_workflow() tells it to those who
 *	  may see the runs.  The payload is a JSON object with run_id and status.
 *	  NOTIFY takes a lock of the whole database at commit, so it is sent only
 *	  where somebody listens.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/json.h"
#include "call/leftovers.h"
#include "commands/async.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "shared/listener.h"
#include "shared/stopevent.h"
#include "store/execution.h"
#include "store/store.h"
#include "task/notify.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

/*
 * The database's secret.  It is made with the extension and does not change
 * while that lives.
 */
static const uint8 *
secret(void)
{
	static Statement statement = {"SELECT s.value FROM durable.secret s"};
	static Oid	known = InvalidOid; /* schema of the extension */
	static uint8 value[UUID_LEN];
	StoreScope	scope;

	if (known == durable_schema())
		return value;
	store_begin(&scope);
	if (store_execute(&statement, NULL, NULL) != 1)
		elog(ERROR, "durable.secret has no row");
	memcpy(value, DatumGetUUIDP(store_value(0, 1))->data, UUID_LEN);
	store_end(&scope);
	known = durable_schema();
	return value;
}

/*
 * What a workflow is known by to those who listen
 */
uint64
notify_key(Oid owner, const text *namespace, const text *workflow_id)
{
	const uint8 *salt = secret();
	pg_cryptohash_ctx *sha = pg_cryptohash_create(PG_SHA256);
	uint32		head[2] = {owner, VARSIZE_ANY_EXHDR(namespace)};
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		key;

	if (pg_cryptohash_init(sha) < 0 ||
		pg_cryptohash_update(sha, salt, UUID_LEN) < 0 ||
		pg_cryptohash_update(sha, (uint8 *) head, sizeof(head)) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) VARDATA_ANY(namespace), VARSIZE_ANY_EXHDR(namespace)) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) VARDATA_ANY(workflow_id), VARSIZE_ANY_EXHDR(workflow_id)) < 0 ||
		pg_cryptohash_final(sha, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not hash the name of a workflow: %s", pg_cryptohash_error(sha));
	pg_cryptohash_free(sha);
	memcpy(&key, digest, sizeof(key));
	return key;
}

/*
 * The channel of a workflow, for LISTEN
 */
char *
notify_channel(uint64 key)
{
	return psprintf("wf_%016llx", (unsigned long long) key);
}

/*
 * LISTEN, under the conditions that the statement has.  A background process
 * never reads what it listens to, so the queue of the whole cluster would fill.
 */
void
notify_listen(const char *call, const char *channel)
{
	PreventCommandDuringRecovery(call);
	if (MyBackendType != B_BACKEND)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot execute %s within a background process", call)));
	if (leftovers_active())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is not allowed in an activity", call),
				 errdetail("It is about the session, which is not the activity's own.")));
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot execute %s within security-restricted operation", call)));
	Async_Listen(channel);
	listener_add(channel);
}

/*
 * Tell of a run's status, if anyone listens
 */
void
notify_status(const Execution *e, RunStatus status)
{
	uint64		key;
	char	   *run_id;

	if (!listener_any())
		return;
	key = notify_key(e->owner, e->namespace, e->workflow_id);
	if (!listener_wants(key))
		return;
	run_id = uuid_to_cstring(&e->run_id);
	Async_Notify(notify_channel(key),
				 psprintf("{\"run_id\": \"%s\", \"status\": \"%s\"}", run_id, status_name(status)));
				STOP_EVENT(notify_sent);
}
