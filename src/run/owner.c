/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Giving runs to another role.
 *
 *	  1. A run's code runs as its owner, so who gives a run away decides what the
 *	  new owner runs.  It is as with ALTER ... OWNER TO: only who could become
 *	  both roles may (api_control.c), and a superuser where the old one is gone.
 *
 *	  2. The run is locked as by one who closes it: turns and senders are done or
 *	  wait.  All its rows are given along, and its activities that wait go into
 *	  the new owner's queues.
 *
 *	  3. Who looked the run up before the change may still send its mail to the
 *	  old owner.  Claims notice that a run is not their owner's any more, run
 *	  nothing of it, and readdress its mail (batch.c).
 *
 *	  4. Children are runs of their own, and keep theirs.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "run/outside.h"
#include "run/owner.h"
#include "shared/stopevent.h"
#include "shared/tasknote.h"
#include "shared/taskqueue_id.h"
#include "shared/txn.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/find.h"
#include "store/store.h"
#include "task/notify.h"
#include "task/task.h"
#include "utils/builtins.h"

/*
 * A run's mail goes to its owner
 */
void
mail_readdress(const pg_uuid_t *run_id, Oid owner)
{
	static Statement statement = {
		"UPDATE durable.message m SET owner = $2 WHERE m.run_id = $1 AND m.owner <> $2 RETURNING m.seq",
		2, {UUIDOID, OIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), ObjectIdGetDatum(owner)};
	uint64		n = store_execute(&statement, values, NULL);

	for (uint64 i = 0; i < n; i++)
		txn_mail(owner, DatumGetInt64(store_value(i, 1)));
}

/*
 * An activity that is not done: the new owner's queue is another one
 */
static void
change_activity(Activity *a, const char *namespace, Oid owner, RowBatch *updates)
{
	static Statement statement = {
		"UPDATE durable.activity a SET owner = $3, queue = $4 WHERE a.run_id = $1 AND a.command = $2",
		4, {UUIDOID, INT4OID, OIDOID, INT8OID}
	};
	bool		waits = a->place != 0 || a->is_parked;
	Datum		values[4];

	if (!a->inline_step)
	{
		task_hold(a);
		note_queue_changed(task_queue_of(a));
	}
	a->place = 0;
	a->is_parked = false;
	a->owner = owner;
	if (!a->inline_step)
	{
		a->queue = task_queue_id(namespace, a->task_queue ? text_to_cstring(a->task_queue) : NULL, owner, a->external);
		note_queue_changed(task_queue_of(a));
	}
	if (waits)
		task_enqueue(a, durable_now());
	values[0] = UUIDPGetDatum(&a->run_id);
	values[1] = Int32GetDatum(a->command);
	values[2] = ObjectIdGetDatum(owner);
	values[3] = Int64GetDatum(a->queue);
	store_execute(&statement, values, a->inline_step ? "   n" : "    ");
	if (waits)
		activity_add_update(updates, a);
}

static void
change_activities_of(const Execution *e, Oid owner)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *namespace = text_to_cstring(e->namespace);
	Activity   *rows;
	int			n = activity_read_run(&e->run_id, context, &rows);
	RowBatch	updates;

	rows_init(&updates, TABLE_ACTIVITY, context);
	for (int i = 0; i < n; i++)
	{
		ActivityKey key = {e->run_id, rows[i].command, 0};
		Activity	a;

		if (activity_lock(&key, true, context, &a))
			change_activity(&a, namespace, owner, &updates);
	}
	activity_write_updates(&updates);
}

/*
 * What is kept of a run, open or closed
 */
static void
change_rows(const pg_uuid_t *run_id, Oid owner)
{
	static Statement statement = {
		"WITH c AS (UPDATE durable.closed SET owner = $2 WHERE run_id = $1),"
		" t AS (UPDATE durable.timer SET owner = $2 WHERE run_id = $1),"
		" h AS (UPDATE durable.history SET owner = $2 WHERE run_id = $1),"
		" a AS (UPDATE durable.attempt SET owner = $2 WHERE run_id = $1),"
		" s AS (UPDATE durable.state SET owner = $2 WHERE run_id = $1),"
		" u AS (UPDATE durable.update SET owner = $2 WHERE run_id = $1)"
		" UPDATE durable.execution SET owner = $2 WHERE run_id = $1",
		2, {UUIDOID, OIDOID}
	};
	Datum		values[2] = {UUIDPGetDatum(run_id), ObjectIdGetDatum(owner)};

	store_execute(&statement, values, NULL);
}

/*
 * Give a run to a role; false where it has it.  *closed_meanwhile: it was open,
 * and is not any more; nothing was changed.
 */
bool
run_change_owner(const Found *run, Oid owner, bool *closed_meanwhile)
{
	Execution	e;

	*closed_meanwhile = false;
	refuse_own_run(&run->run_id);
	if (run->status != STATUS_RUNNING)
	{
		if (run->owner == owner)
			return false;
		change_rows(&run->run_id, owner);
		return true;
	}
	if (!execution_lock(&run->run_id, CurrentMemoryContext, &e))
	{
		*closed_meanwhile = true;
		return false;
	}
	txn_locked(e.owner, &run->run_id);
	if (e.owner == owner)
		return false;
	STOP_EVENT(owner_locked);
	/* who LISTENs does so to a channel of this owner, and nothing more comes there */
	notify_status(&e, STATUS_RUNNING);
	change_activities_of(&e, owner);
	STOP_EVENT(owner_activities);
	change_rows(&run->run_id, owner);
	STOP_EVENT(owner_rows);
	mail_readdress(&run->run_id, owner);
	return true;
}
