/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  NOTIFY for those who LISTEN to a workflow.
 *
 *	  The channel is a hash of namespace and workflow id; the payload is a JSON
 *	  object with run_id and status.  NOTIFY takes a lock of the whole database
 *	  at commit, so it is sent only where somebody listens.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "common/hashfn.h"
#include "json.h"
#include "miscadmin.h"
#include "notify.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "waiter.h"

uint64
notify_key(const text *namespace, const text *workflow_id)
{
	uint64		seed = hash_bytes_extended((const unsigned char *) VARDATA_ANY(namespace),
										   VARSIZE_ANY_EXHDR(namespace), 0);

	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(workflow_id),
							   VARSIZE_ANY_EXHDR(workflow_id), seed);
}

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
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot execute %s within security-restricted operation", call)));
	Async_Listen(channel);
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
	key = notify_key(e->namespace, e->workflow_id);
	if (!listener_wants(key))
		return;
	run_id = uuid_to_cstring(&e->run_id);
	Async_Notify(notify_channel(key),
				 psprintf("{\"run_id\": \"%s\", \"status\": \"%s\"}", run_id, status_name(status)));
}
