/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Starting background processes and knowing which are there.
 *
 *	  A slot is reserved under the directory lock before its process is
 *	  registered; the process attaches to it first of all and gives it back when
 *	  it exits, however it exits.  A slot whose process never came is reclaimed
 *	  after a while.  The generation keeps a late comer from a slot that is
 *	  another's by then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "base/clock.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "shared/queue.h"
#include "shared/shmem.h"
#include "shared/slots.h"
#include "shared/stopevent.h"
#include "shared/taskqueue.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#define ATTACH_TIMEOUT_MS	30000
#define WARNING_INTERVAL_MS	60000

/* In bgw_extra */
typedef struct SlotTicket
{
	uint16		generation;
	Oid			dbid;
	Oid			owner;
} SlotTicket;

StaticAssertDecl(sizeof(SlotTicket) <= BGW_EXTRALEN, "a ticket must fit into bgw_extra");

static Slot *my_slot = NULL;

/*
 * Give a slot back; the caller holds the directory lock exclusively
 */
static void
release(Slot *slot)
{
	Assert(LWLockHeldByMeInMode(shared->directory, LW_EXCLUSIVE));
	if (slot->kind == SLOT_WORKER)
		shared->queues[slot->queue].workers--;
	/* it may not have come to the tasks it was started for; the launcher looks whether there are any */
	if (slot->kind == SLOT_ACTIVITY_WORKER)
		task_queue_want(&shared->task_queues[slot->queue]);
	slot->lease = 0;
	slot->in_use = false;
	slot->proc = NULL;
	slot->idle = false;
	slot->generation++;
}

static void
detach(int code, Datum arg)
{
	bool		busy;
	Oid			dbid;

	if (!my_slot)
		return;
	STOP_EVENT(slot_detaching);
	dbid = my_slot->dbid;
	busy = my_slot->lease != 0;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	if (my_slot->kind == SLOT_WORKER && my_slot->batch_at != 0)
		queue_doubt(&shared->queues[my_slot->queue]);
	release(my_slot);
	my_slot = NULL;
	LWLockRelease(shared->directory);
	STOP_EVENT(slot_detached);
	durable_wake_launcher();
	durable_stir(dbid);
	/* its activity is nobody's now */
	if (busy)
		durable_look_at_all(dbid);
}

/*
 * Note a start with its queue, or (-1) that it came to nothing
 */
static void
count_start(const Slot *slot, int n)
{
	if (slot->kind == SLOT_WORKER)
	{
		shared->queues[slot->queue].launched_at = slot->reserved_at;
		shared->queues[slot->queue].failures += n;
	}
	if (slot->kind == SLOT_ACTIVITY_WORKER)
	{
		shared->task_queues[slot->queue].launched_at = slot->reserved_at;
		shared->task_queues[slot->queue].failures += n;
	}
}

static int
reserve(SlotKind kind, Oid dbid, Oid owner, int queue, SlotTicket *ticket)
{
	int			index = -1;

	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && index < 0; i++)
		if (!shared->slots[i].in_use)
			index = i;
	if (index >= 0)
	{
		Slot	   *slot = &shared->slots[index];

		slot->in_use = true;
		slot->kind = kind;
		slot->dbid = dbid;
		slot->owner = owner;
		slot->queue = queue;
		slot->reserved_at = durable_steady();
		slot->proc = NULL;
		slot->dismissed = false;
		slot->idle = false;
		slot->turns = 0;
		slot->last_turn_at = 0;
		slot->batch_at = 0;
		slot->share = 0;
		slot->asked = false;
		ticket->generation = slot->generation;
		ticket->dbid = dbid;
		ticket->owner = owner;
		if (kind == SLOT_WORKER)
			shared->queues[queue].workers++;
		count_start(slot, 1);	/* a failure until it proves otherwise */
	}
	LWLockRelease(shared->directory);
	return index;
}

static void
fill_in(BackgroundWorker *worker, SlotKind kind, int index, const SlotTicket *ticket)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_notify_pid = MyProcPid; /* when it ends, there is room for another */
	strlcpy(worker->bgw_library_name, "durable", BGW_MAXLEN);
	if (kind == SLOT_SCHEDULER)
	{
		strlcpy(worker->bgw_function_name, "durable_scheduler_main", BGW_MAXLEN);
		strlcpy(worker->bgw_type, "durable scheduler", BGW_MAXLEN);
		snprintf(worker->bgw_name, BGW_MAXLEN, "durable scheduler for database %u", ticket->dbid);
	}
	else
	{
		const char *type = kind == SLOT_WORKER ? "durable worker" : "durable activity worker";

		strlcpy(worker->bgw_function_name, kind == SLOT_WORKER ? "durable_worker_main" : "durable_activity_worker_main",
				BGW_MAXLEN);
		strlcpy(worker->bgw_type, type, BGW_MAXLEN);
		snprintf(worker->bgw_name, BGW_MAXLEN, "%s for database %u role %u", type, ticket->dbid, ticket->owner);
	}
	worker->bgw_main_arg = Int32GetDatum(index);
	memcpy(worker->bgw_extra, ticket, sizeof(SlotTicket));
}

static void
warn_of_shortage(void)
{
	static TimestampTz warned_at = 0;
	TimestampTz now = durable_steady();

	if (warned_at != 0 && !TimestampDifferenceExceeds(warned_at, now, WARNING_INTERVAL_MS))
		return;
	warned_at = now;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("durable found no free background worker"),
			 errhint("Raise max_worker_processes (now %d): durable needs one for its launcher, one for each database, durable.max_workers and durable.max_activity_workers.",
					 max_worker_processes)));
}

/*
 * Start a process, as the launcher; false where the server has no room for it
 */
bool
slot_start(SlotKind kind, Oid dbid, Oid owner, int queue)
{
	BackgroundWorker worker;
	SlotTicket	ticket = {0};
	int			index = reserve(kind, dbid, owner, queue, &ticket);

	if (index < 0)
		return false;
	STOP_EVENT(slot_reserved);
	fill_in(&worker, kind, index, &ticket);
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
	{
		STOP_EVENT(slot_registered);
		return true;
	}
	shared_lock(shared->directory, LW_EXCLUSIVE);
	count_start(&shared->slots[index], -1);
	release(&shared->slots[index]);
	LWLockRelease(shared->directory);
	warn_of_shortage();
	return false;
}

/*
 * In the new process: take the slot we were started for.  NULL where it has
 * been given up.
 */
Slot *
slot_attach(int index)
{
	SlotTicket	ticket;
	Slot	   *slot = &shared->slots[index];
	bool		ours;

	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	shared_lock(shared->directory, LW_EXCLUSIVE);
	ours = slot->in_use && slot->generation == ticket.generation && slot->proc == NULL;
	if (ours)
	{
		slot->proc = MyProc;
		my_slot = slot;
	}
	LWLockRelease(shared->directory);
	if (!ours)
		return NULL;
	durable_stir(slot->dbid);
	before_shmem_exit(detach, (Datum) 0);
	STOP_EVENT(slot_attached);
	return slot;
}

static void
pin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_OVERRIDE, GUC_ACTION_SET, true, 0, false);
}

/*
 * Settings of role and database that would keep a process from its work
 */
void
slot_pin_settings(const char *application_name)
{
	pin("application_name", application_name);
	pin("default_transaction_isolation", "read committed");
	pin("default_transaction_read_only", "off");
	pin("default_transaction_deferrable", "off");
	pin("idle_in_transaction_session_timeout", "0");
	pin("idle_session_timeout", "0");
#if PG_VERSION_NUM >= 170000
	pin("transaction_timeout", "0");	/* it would end the process, again and again */
#endif
	pin("role", "none");		/* the owner of the runs, whatever he is at a login */
}

/*
 * A worker that has idled long enough leaves, unless work came this very
 * moment.  After this its slot is gone, and work to come finds it gone.
 */
void
slot_leave_if_idle(Slot *slot)
{
	bool		has_work;

	shared_lock(shared->directory, LW_EXCLUSIVE);
	if (slot->kind == SLOT_WORKER)
		has_work = queue_has_mail(&shared->queues[slot->queue]) || queue_any_skipped(&shared->queues[slot->queue]);
	else
		has_work = task_queue_next(slot->dbid, slot->owner, NULL) != NULL;
	if (!has_work)
	{
		release(slot);
		my_slot = NULL;
	}
	LWLockRelease(shared->directory);
	if (my_slot)
		return;
	STOP_EVENT(slot_left);
	durable_wake_launcher();
	proc_exit(0);
}

/*
 * A scheduler that has nothing to do makes room: the launcher starts one when
 * its deadline has come.  Who asks for something in this very moment has either
 * been seen by busy(), or finds no scheduler and asks the launcher.
 */
void
slot_rest(Slot *slot, Database *db, bool (*busy) (void))
{
	shared_lock(shared->directory, LW_EXCLUSIVE);
	if (!busy())
	{
		db->resting = true;
		db->wanted = false;
		release(slot);
		my_slot = NULL;
	}
	LWLockRelease(shared->directory);
	if (my_slot)
		return;
	durable_wake_launcher();
	proc_exit(0);
}

/*
 * Is a process of that kind there, or about to come, in a database?
 */
bool
slot_exists(SlotKind kind, Oid dbid)
{
	bool		found = false;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS && !found; i++)
		found = shared->slots[i].in_use && shared->slots[i].kind == kind && shared->slots[i].dbid == dbid;
	LWLockRelease(shared->directory);
	return found;
}

/*
 * How many processes of a kind there are, or about to come
 */
int
slot_count(SlotKind kind)
{
	int			count = 0;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
		count += shared->slots[i].in_use && shared->slots[i].kind == kind;
	LWLockRelease(shared->directory);
	return count;
}

/*
 * Free slots whose process never attached: those that had the time, or all, where
 * the launcher that reserved them is gone and nobody knows whether it came to
 * register them.  A process that comes after this leaves again.
 */
void
slots_reclaim(bool all)
{
	TimestampTz now = durable_steady();

	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (!slot->in_use || slot->proc)
			continue;
		if (all)
			count_start(slot, -1);
		if (all || TimestampDifferenceExceeds(slot->reserved_at, now, ATTACH_TIMEOUT_MS))
			release(slot);
	}
	LWLockRelease(shared->directory);
}

/*
 * Ask all processes in a database to leave; returns how many are still there
 */
int
slots_terminate(Oid dbid)
{
	int			count = 0;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (!slot->in_use || slot->dbid != dbid)
			continue;
		count++;
		slot->dismissed = true;
		if (slot->proc)
			(void) kill(slot->proc->pid, SIGTERM);
	}
	LWLockRelease(shared->directory);
	return count;
}

/*
 * The database is gone (force), or has no extension: its entries are free
 * again.  In the second case not if somebody wants a scheduler there by now:
 * the extension may just have been created.
 */
void
slots_forget_database(Oid dbid, bool force)
{
	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_DATABASES; i++)
		if (shared->databases[i].dbid == dbid)
		{
			if (!force && (shared->databases[i].wanted || shared->databases[i].blocked > 0))
			{
				LWLockRelease(shared->directory);
				return;
			}
			shared->databases[i].dbid = InvalidOid;
		}
	for (int i = 0; i < MAX_QUEUES; i++)
		if (shared->queues[i].dbid == dbid && shared->queues[i].workers == 0)
			shared->queues[i].dbid = InvalidOid;
	for (int i = 0; i < shared->task_queue_end; i++)
		if (shared->task_queues[i].dbid == dbid)
			shared->task_queues[i].dbid = InvalidOid;
	LWLockRelease(shared->directory);
}
