/*-------------------------------------------------------------------------
 *
 * stopevent.c
 *	  Named points at which a test can stop a process.
 *
 *	  1. A test arms an event with what is to happen to the next process that
 *	  gets there (durable_stop_arm): it is held until the test lets it go, gets
 *	  an error, a cancel or a request to end, or is killed.  How often, after how
 *	  many passes, and to which kind of process or which pid, is said with it.
 *
 *	  2. All of it lies in shared memory, so a crash disarms everything.  That an
 *	  event struck is said in the server's log, which a crash leaves.
 *
 *	  3. Where no error may be raised (transaction callbacks, exit callbacks) an
 *	  event is of the kind NO_ERROR: a cancel or a request to end takes effect
 *	  when the process next looks, and there is no error.  No event is where a
 *	  spinlock is held, or in a critical section.
 *
 *	  4. The names are those of stopevents.def; that each is used, and once only,
 *	  scripts/check-stop-events sees to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/stopevent.h"

#ifdef DURABLE_STOP_EVENTS

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "shared/shmem.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"

/* Under a name of its own, so that the Makefile does not list it for every library */
#define STOP_EVENT_FUNCTION(name)	PG_FUNCTION_INFO_V1(name)

/* Nobody is held longer than this, should the test be gone */
#define MAX_HOLD_MS		30000

typedef enum StopWhere
{
	ANY_ACTION,
	NO_ERROR					/* may be raised here */
} StopWhere;

typedef enum StopAction
{
	ACTION_NONE,
	ACTION_HOLD,
	ACTION_ERROR,
	ACTION_CANCEL,
	ACTION_TERMINATE,
	ACTION_KILL,				/* SIGKILL */
	ACTION_CRASH,				/* SIGSEGV */
	ACTION_ABORT
} StopAction;

static const char *const action_names[] = {"none", "hold", "error", "cancel", "terminate", "kill", "crash", "abort"};

typedef struct StopInfo
{
	const char *name;
	StopWhere	where;
	const char *about;
} StopInfo;

static const StopInfo infos[] = {
#define STOP(name, where, about) {#name, where, about},
#include "shared/stopevents.def"
#undef STOP
};

typedef struct StopEntry
{
	slock_t		mutex;			/* guards the rest */
	StopAction	action;
	int			left;			/* strikes to come */
	int			skip;			/* passes before the first */
	int			pid;			/* of the only process that is meant; 0: any but the one that armed it */
	int			armed_by;
	char		kind[NAMEDATALEN];	/* of the processes that are meant; empty: all */
	uint64		passed;			/* all counted since the server's start */
	uint64		struck;
	int			held;			/* processes that are held now */
} StopEntry;

static StopEntry *entries = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(sizeof(StopEntry) * STOP_EVENTS);
}

static void
startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	entries = ShmemInitStruct("durable stop events", sizeof(StopEntry) * STOP_EVENTS, &found);
	if (!found)
	{
		memset(entries, 0, sizeof(StopEntry) * STOP_EVENTS);
		for (int i = 0; i < STOP_EVENTS; i++)
			SpinLockInit(&entries[i].mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Make room for what is armed, in shared memory
 */
void
stop_events_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/*
 * What this process is, in the words of a test
 */
static const char *
my_kind(void)
{
	const char *type = MyBgworkerEntry ? MyBgworkerEntry->bgw_type : "";

	if (!MyBgworkerEntry)
		return "client";
	return strncmp(type, "durable ", 8) == 0 ? type + 8 : type;
}

/*
 * Count the pass; what is to happen now?
 */
static StopAction
take_action(StopEntry *entry)
{
	StopAction	action = ACTION_NONE;

	SpinLockAcquire(&entry->mutex);
	entry->passed++;
	if (entry->action != ACTION_NONE && entry->left > 0 &&
		(entry->pid ? entry->pid == MyProcPid : entry->armed_by != MyProcPid) &&
		(entry->kind[0] == '\0' || strcmp(entry->kind, my_kind()) == 0) && entry->skip-- <= 0)
	{
		action = entry->action;
		entry->left--;
		entry->struck++;
		entry->held += action == ACTION_HOLD;
	}
	SpinLockRelease(&entry->mutex);
	return action;
}

static bool
is_held(StopEntry *entry)
{
	bool		result;

	SpinLockAcquire(&entry->mutex);
	result = entry->action == ACTION_HOLD;
	SpinLockRelease(&entry->mutex);
	return result;
}

static void
let_go(StopEntry *entry)
{
	SpinLockAcquire(&entry->mutex);
	entry->held--;
	SpinLockRelease(&entry->mutex);
}

static void
hold(StopEntry *entry)
{
	for (int waited = 0; waited < MAX_HOLD_MS && is_held(entry) && PostmasterIsAlive(); waited += 2)
		pg_usleep(2000);
	let_go(entry);
}

static void
end_by_signal(int signal)
{
	struct rlimit none = {0, 0};

	(void) setrlimit(RLIMIT_CORE, &none);
	(void) pqsignal(signal, SIG_DFL);
	(void) kill(MyProcPid, signal);
	for (;;)
		pg_usleep(1000);
}

/*
 * The process is at this point
 */
void
stop_event(StopEvent event)
{
	StopAction	action;

	if (!entries || MyProcPid == PostmasterPid)
		return;
	action = take_action(&entries[event]);
	if (action == ACTION_NONE)
		return;
	write_stderr("stop event %s: %s of %s %d\n", infos[event].name, action_names[action], my_kind(), MyProcPid);
	switch (action)
	{
		case ACTION_NONE:
			break;
		case ACTION_HOLD:
			hold(&entries[event]);
			break;
		case ACTION_ERROR:
			/* of a class whose cause may pass */
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("stop event %s", infos[event].name)));
			break;
		case ACTION_CANCEL:
			(void) kill(MyProcPid, SIGINT);
			break;
		case ACTION_TERMINATE:
			(void) kill(MyProcPid, SIGTERM);
			break;
		case ACTION_KILL:
			end_by_signal(SIGKILL);
			break;
		case ACTION_CRASH:
			end_by_signal(SIGSEGV);
			break;
		case ACTION_ABORT:
			end_by_signal(SIGABRT);
			break;
	}
	if (infos[event].where == ANY_ACTION)
		CHECK_FOR_INTERRUPTS();
}

static void
check_caller(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to use stop events")));
	if (!entries)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("durable is not in shared_preload_libraries")));
}

static int
event_by_name(const char *name)
{
	for (int i = 0; i < STOP_EVENTS; i++)
		if (strcmp(infos[i].name, name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no stop event \"%s\"", name)));
}

static StopAction
action_by_name(const char *name)
{
	for (int i = 0; i < lengthof(action_names); i++)
		if (strcmp(action_names[i], name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("stop events have no action \"%s\"", name)));
}

/*
 * durable_stop_arm(event text, action text, times int, after int, kind text, pid int):
 * the action "none" disarms
 */
STOP_EVENT_FUNCTION(durable_stop_arm);
/*
 * durable_stop_arm(event, action, times, after, kind, pid): the next process
 * that comes by is stopped
 */
Datum
durable_stop_arm(PG_FUNCTION_ARGS)
{
	int			event;
	StopEntry  *entry;
	StopAction	action;
	char		kind[NAMEDATALEN];

	check_caller();
	event = event_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	action = action_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (action == ACTION_ERROR && infos[event].where == NO_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no error may be raised at stop event %s", infos[event].name)));
	strlcpy(kind, text_to_cstring(PG_GETARG_TEXT_PP(4)), sizeof(kind));
	entry = &entries[event];
	SpinLockAcquire(&entry->mutex);
	entry->action = action;
	entry->left = PG_GETARG_INT32(2);
	entry->skip = PG_GETARG_INT32(3);
	memcpy(entry->kind, kind, sizeof(kind));
	entry->pid = PG_GETARG_INT32(5);
	entry->armed_by = MyProcPid;
	SpinLockRelease(&entry->mutex);
	PG_RETURN_VOID();
}

/*
 * durable_stop_events(): (event text, may_raise bool, about text, passed bigint, struck bigint, held int)
 */
STOP_EVENT_FUNCTION(durable_stop_events);
/*
 * durable_stop_events(): the events, and how often they were reached
 */
Datum
durable_stop_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	check_caller();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < STOP_EVENTS; i++)
	{
		StopEntry  *entry = &entries[i];
		uint64		passed;
		uint64		struck;
		int			held;
		bool		nulls[6] = {0};
		Datum		values[6];

		SpinLockAcquire(&entry->mutex);
		passed = entry->passed;
		struck = entry->struck;
		held = entry->held;
		SpinLockRelease(&entry->mutex);
		values[0] = CStringGetTextDatum(infos[i].name);
		values[1] = BoolGetDatum(infos[i].where == ANY_ACTION);
		values[2] = CStringGetTextDatum(infos[i].about);
		values[3] = Int64GetDatum((int64) passed);
		values[4] = Int64GetDatum((int64) struck);
		values[5] = Int32GetDatum(held);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
add_count(ReturnSetInfo *result, const char *what, int count)
{
	bool		nulls[2] = {0};
	Datum		values[2] = {CStringGetTextDatum(what), Int32GetDatum(count)};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * durable_stop_shared(): (what text, count int) of what is to be taken back in
 * shared memory when nothing goes on
 */
STOP_EVENT_FUNCTION(durable_stop_shared);
/*
 * durable_stop_shared(): what is left in shared memory
 */
Datum
durable_stop_shared(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			waiters = 0;
	int			errands = 0;
	int			slots = 0;
	int			leases = 0;
	int			blocked = 0;

	check_caller();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < MaxBackends; i++)
		waiters += shared->waiters[i].proc != NULL;
	for (int i = 0; i < MAX_ERRANDS; i++)
		errands += shared->errands[i].state != ERRAND_FREE;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		const Slot *slot = &shared->slots[i];

		slots += slot->in_use && !slot->proc;
		leases += slot->in_use && slot->lease != 0;
	}
	for (int i = 0; i < MAX_DATABASES; i++)
		blocked += OidIsValid(shared->databases[i].dbid) ? shared->databases[i].blocked : 0;
	LWLockRelease(shared->directory);
	add_count(result, "sessions that wait", waiters);
	add_count(result, "sessions that are counted as waiting", shared->nwaiters);
	add_count(result, "errands", errands);
	add_count(result, "slots without a process", slots);
	add_count(result, "attempts in hand", leases);
	add_count(result, "databases kept free of us", blocked);
	add_count(result, "turns about to commit", (int) pg_atomic_read_u32(&shared->turns_committing));
	add_count(result, "changes of identity", (int) pg_atomic_read_u32(&shared->identities_open));
	return (Datum) 0;
}

#endif							/* DURABLE_STOP_EVENTS */
