/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  Sessions that LISTEN, to workflows and to task queues.
 *
 *	  Any session that LISTENs counts, by our calls or by the statement (ddl.c),
 *	  from its commit on; who polls may be another one.  A listened-to workflow is
 *	  known by a hash of its namespace and id, task queues by their topic; a
 *	  collision costs a NOTIFY too many.  Entries go with their session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/vec.h"
#include "miscadmin.h"
#include "shared/listener.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
/* What this session LISTENs to */
typedef struct MyListener
{
	uint64		key;
	bool		placed;			/* there was room in shared memory */
	bool		added;			/* by this transaction, */
	bool		listens;		/* which LISTENs, if only once more, */
	bool		leaving;		/* or UNLISTENs */
} MyListener;

static MyListener *my_listeners = NULL;
static int	my_listener_count = 0;
static bool any_change = false;
static bool exit_registered = false;

/*
 * The entry of what somebody in this database LISTENs to, or NULL; the caller
 * holds the lock
 */
static Listener *
find_listener(uint64 key)
{
	for (int i = 0; i < MAX_LISTENERS; i++)
		if (shared->listeners[i].sessions > 0 && shared->listeners[i].dbid == MyDatabaseId &&
			shared->listeners[i].key == key)
			return &shared->listeners[i];
	return NULL;
}

/*
 * Forget those that are leaving, those that never came, or all
 */
static void
release_listeners(bool all, bool commit)
{
	int			kept = 0;

	shared_lock(shared->waiting, LW_EXCLUSIVE);
	for (int i = 0; i < my_listener_count; i++)
	{
		MyListener *mine = &my_listeners[i];
		Listener   *listener = mine->placed ? find_listener(mine->key) : NULL;

		if (!all && !(commit ? mine->leaving : mine->added))
		{
			my_listeners[kept++] = *mine;
			continue;
		}
		if (!mine->placed)
			shared->listeners_missing--;
		else if (listener && --listener->sessions == 0)
		{
			listener->hungry = 0;
			listener->notify = false;
			shared->nlisteners--;
		}
	}
	my_listener_count = kept;
	LWLockRelease(shared->waiting);
}

static void
leave_all(int code, Datum arg)
{
	release_listeners(true, false);
}

static void
register_exit(void)
{
	if (!exit_registered)
		before_shmem_exit(leave_all, (Datum) 0);
	exit_registered = true;
}

/*
 * Take an entry for what this session LISTENs to; false where there is no room
 */
static bool
place_listener(uint64 key)
{
	Listener   *listener = find_listener(key);

	for (int i = 0; i < MAX_LISTENERS && !listener; i++)
		if (shared->listeners[i].sessions == 0)
		{
			listener = &shared->listeners[i];
			listener->dbid = MyDatabaseId;
			listener->key = key;
			listener->role = GetUserId();
			listener->hungry = 0;
			listener->notify = false;
			listener->notified = 0;
			shared->nlisteners++;
		}
	if (listener)
		listener->sessions++;
	else
		shared->listeners_missing++;
	return listener != NULL;
}

/*
 * May our role take one more entry?  As many as it leaves free, so that nobody's
 * LISTENs push those of others out of the table, or have everything notify.
 */
static bool
has_room(uint64 key)
{
	int			own = 0;

	for (int i = 0; i < MAX_LISTENERS; i++)
		own += shared->listeners[i].sessions > 0 && shared->listeners[i].role == GetUserId();
	return own < MAX_LISTENERS - shared->nlisteners || find_listener(key);
}

/*
 * What a channel of ours is for; false for those that are not
 */
static bool
channel_key(const char *channel, uint64 *key)
{
	const char *digits = channel + (strncmp(channel, "wfq_", 4) == 0 ? 4 : 3);

	if (strncmp(channel, "wf", 2) != 0 || digits[-1] != '_' || strspn(digits, "0123456789abcdef") != 16 || digits[16])
		return false;
	*key = (uint64) strtoull(digits, NULL, 16);
	return true;
}

static MyListener *
find_mine(uint64 key)
{
	for (int i = 0; i < my_listener_count; i++)
		if (my_listeners[i].key == key)
			return &my_listeners[i];
	return NULL;
}

/*
 * This session LISTENs to a channel, of a workflow or for tasks, when the
 * transaction commits
 */
void
listener_add(const char *channel)
{
	MyListener *mine;
	uint64		key;

	if (!shared || !channel_key(channel, &key))
		return;
	any_change = true;
	mine = find_mine(key);
	if (mine)
	{
		mine->listens = true;
		mine->leaving = false;
		return;
	}
	register_exit();
	my_listeners = vec_room_counted(my_listeners, my_listener_count, sizeof(MyListener), TopMemoryContext);
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	if (!has_room(key))
	{
		LWLockRelease(shared->waiting);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("role \"%s\" listens to too many workflows and task queues",
						GetUserNameFromId(GetUserId(), false)),
				 errdetail("There is room for %d in the cluster, of which one role has half at most.", MAX_LISTENERS),
				 errhint("UNLISTEN those that are done, or wait for them with wf_result().")));
	}
	my_listeners[my_listener_count++] = (MyListener) {key, place_listener(key), true, true};
	LWLockRelease(shared->waiting);
}

/*
 * UNLISTEN, of all channels where `channel' is NULL.  One that may yet be rolled
 * back alone is passed over: a notification too many does no harm.
 */
void
listener_remove(const char *channel)
{
	uint64		key = 0;

	if (GetCurrentTransactionNestLevel() > 1 || (channel && !channel_key(channel, &key)))
		return;
	for (int i = 0; i < my_listener_count; i++)
		if (!channel || my_listeners[i].key == key)
			my_listeners[i].leaving = any_change = true;
}

/*
 * LISTENs and UNLISTENs of the transaction count now, or never happened
 */
void
listener_end_transaction(bool commit)
{
	if (!any_change)
		return;
	any_change = false;
	release_listeners(false, commit);
	for (int i = 0; i < my_listener_count; i++)
	{
		MyListener *mine = &my_listeners[i];

		/* it looks after this, so what there is it sees, and of the next it is told */
		if (commit && mine->listens && mine->placed)
			(void) listener_set_hungry(mine->key);
		mine->added = mine->listens = mine->leaving = false;
	}
}

/*
 * Is there one who LISTENs for tasks and has found none?  0 where not; a number
 * that will be another one when somebody finds none after this.
 */
uint32
listener_hungry(uint64 key)
{
	Listener   *listener;
	uint32		result;

	if (!shared || shared->nlisteners == 0)
		return 0;
	shared_lock(shared->waiting, LW_SHARED);
	listener = find_listener(key);
	result = listener ? listener->hungry : shared->listeners_missing > 0;
	LWLockRelease(shared->waiting);
	return result;
}

/*
 * A poll has found fewer tasks than it wanted; so if a session LISTENs for them,
 * be it another one, it wants to be told of the next.  Look once more after this
 * call where it returns true.
 */
bool
listener_set_hungry(uint64 key)
{
	Listener   *listener;

	if (!shared || shared->nlisteners == 0)
		return false;
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	listener = find_listener(key);
	if (listener)
	{
		if (++listener->last_hungry == 0)
			listener->last_hungry = 1;
		listener->hungry = listener->last_hungry;
	}
	LWLockRelease(shared->waiting);
	STOP_EVENT(listener_hungry);
	return listener != NULL;
}

/*
 * Tasks were committed.  `notified': and a NOTIFY with them, since
 * listener_hungry() said so; whoever got hungry after that may not get it.
 * True where the scheduler is to send one.
 */
bool
listener_tell(uint64 key, uint32 notified)
{
	Listener   *listener;
	bool		result = false;

	if (shared->nlisteners == 0)
		return false;
	shared_lock(shared->waiting, LW_EXCLUSIVE);
	listener = find_listener(key);
	if (listener && notified)
	{
		listener->notified++;
		if (listener->hungry == notified)
			listener->hungry = 0;
	}
	if (listener && listener->hungry && !listener->notify)
		result = listener->notify = true;
	LWLockRelease(shared->waiting);
	return result;
}

/*
 * Is the scheduler to send a NOTIFY to those of this entry?  The one question
 * both for whether there is something to do, which is asked without the lock,
 * and for doing it: where the answers differ, a scheduler never sleeps again.
 */
static bool
is_to_notify(const Listener *listener)
{
	return listener->notify && listener->sessions > 0 && listener->dbid == MyDatabaseId;
}

/*
 * Is there a NOTIFY that the scheduler is to send?
 */
bool
listener_any_notify(void)
{
	for (int i = 0; i < MAX_LISTENERS; i++)
		if (is_to_notify(&shared->listeners[i]))
			return true;
	return false;
}

/*
 * The next entry from `from' on for which the scheduler is to send a NOTIFY,
 * -1 for none.  Takes the request.
 */
int
listener_take_notify(int from, uint64 *key)
{
	int			result = -1;

	shared_lock(shared->waiting, LW_EXCLUSIVE);
	for (int i = from; i < MAX_LISTENERS && result < 0; i++)
	{
		Listener   *listener = &shared->listeners[i];

		if (!is_to_notify(listener))
			continue;
		listener->notify = false;
		if (listener->hungry == 0)
			continue;
		listener->hungry = 0;
		listener->notified++;
		*key = listener->key;
		result = i;
	}
	LWLockRelease(shared->waiting);
	return result;
}

/*
 * How many sessions wait or LISTEN for tasks, and how many NOTIFYs they got
 */
int
waiting_workers(int64 topic, int64 *notified)
{
	Listener   *listener;
	int			count;

	*notified = 0;
	if (!shared)
		return 0;
	shared_lock(shared->waiting, LW_SHARED);
	listener = find_listener((uint64) topic);
	count = listener ? listener->sessions : 0;
	*notified = listener ? listener->notified : 0;
	for (int i = 0; i < MaxBackends; i++)
		count += shared->waiters[i].proc != NULL && shared->waiters[i].dbid == MyDatabaseId &&
			shared->waiters[i].topic == topic;
	LWLockRelease(shared->waiting);
	return count;
}

/*
 * May there be anyone who listens?  Without shared memory nobody can tell, so
 * yes.
 */
bool
listener_any(void)
{
	return !shared || shared->listeners_missing > 0 || shared->nlisteners > 0;
}

/*
 * Does anybody LISTEN to that?
 */
bool
listener_wants(uint64 key)
{
	bool		found;

	if (!shared || shared->listeners_missing > 0)
		return true;
	shared_lock(shared->waiting, LW_SHARED);
	found = find_listener(key) != NULL;
	LWLockRelease(shared->waiting);
	return found;
}
