/*-------------------------------------------------------------------------
 *
 * suspect.c
 *	  Runs that were in the hands of a process when it died.
 *
 *	  1. A turn's code and its steps are the user's, and may take their process
 *	  down: by a signal, and the whole server with it, or by FATAL.  All that the
 *	  transaction wrote is gone then, so nothing in the tables tells which run it
 *	  was, and whoever took it again would die of it again.
 *
 *	  2. So each process notes what it has in hand, in a file that is mapped into
 *	  memory: noting costs a few stores, and a file outlives what a crash resets.
 *	  Should the machine itself go down its content does not matter.
 *
 *	  3. Who dies by a signal leaves his note behind.  At the server's next start
 *	  notes become suspects.  Our background processes that the postmaster ends
 *	  for somebody else's crash take theirs back in their handler of SIGQUIT.
 *	  Who leaves in an orderly way with a run in hand, by FATAL or SIGTERM, makes
 *	  it a suspect himself.
 *
 *	  4. A suspect is not run.  Who claims it counts the lost try, as a failed
 *	  turn, and commits that; only then it is a suspect no more.  The next try
 *	  comes with the delay of a failed turn, alone in its transaction, and so on
 *	  until durable.max_lost_tries is reached: then the run is paused (loss.c).
 *
 *	  5. Where several runs share a transaction and it is lost at its commit,
 *	  nobody knows which one it was.  Then the note is of their owner, and for a
 *	  while his runs are taken one at a time.
 *
 *	  The directory lock guards the suspects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/text.h"
#include "base/vec.h"
#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "shared/shmem.h"
#include "shared/stopevent.h"
#include "shared/suspect.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* pg_basebackup leaves out what is in this directory */
#define FILE_NAME		"pg_stat_tmp/durable.hands"
#define FILE_MAGIC		0x64687631
#define AMONG_USECS		(10 * USECS_PER_SEC)

typedef struct Hands
{
	uint32		magic;
	uint32		count;
	Suspect		of[FLEXIBLE_ARRAY_MEMBER];	/* by number of the process; dbid InvalidOid: empty */
} Hands;

static Hands *hands = NULL;
static Suspect *volatile mine = NULL;

/* Those whose lost try the current transaction counts */
static pg_uuid_t *recorded = NULL;
static int	nrecorded = 0;
static int	recorded_room = 0;

static Size
hands_size(uint32 count)
{
	return offsetof(Hands, of) + count * sizeof(Suspect);
}

/*
 * Note a suspect; the oldest makes room.  The caller holds the directory lock
 * exclusively, or is alone.
 */
static void
add_suspect(const Suspect *suspect)
{
	Suspect    *entry = &shared->suspects[shared->next_suspect++ % MAX_SUSPECTS];

	shared->nsuspects += !OidIsValid(entry->dbid);
	*entry = *suspect;
	entry->step[sizeof(entry->step) - 1] = '\0';
	entry->until = durable_steady() + AMONG_USECS;
}

static bool
is_run(const Suspect *suspect)
{
	static const pg_uuid_t none = {{0}};

	return !uuid_equal(&suspect->run_id, &none);
}

/*
 * Make suspects of what processes had in hand when the server went down
 */
static void
read_file(int fd)
{
	Hands		head;
	Suspect		suspect;

	if (read(fd, &head, offsetof(Hands, of)) != offsetof(Hands, of) || head.magic != FILE_MAGIC)
		return;
	for (uint32 i = 0; i < head.count; i++)
	{
		if (read(fd, &suspect, sizeof(suspect)) != sizeof(suspect))
			return;
		if (OidIsValid(suspect.dbid))
			add_suspect(&suspect);
	}
}

/*
 * Make an empty file of that size, with room on the disk for all of it: a store
 * to a page that has none is a SIGBUS
 */
static bool
make_room(int fd, Size size)
{
	if (ftruncate(fd, 0) != 0 || ftruncate(fd, size) != 0)
		return false;
#ifdef HAVE_POSIX_FALLOCATE
	errno = posix_fallocate(fd, 0, size);
	return errno == 0;
#else
	return true;
#endif
}

/*
 * At the server's start, and again after a crash: in the postmaster, whose
 * mapping all others inherit
 */
void
suspects_startup(void)
{
	Size		size = hands_size(MaxBackends);
	int			fd = OpenTransientFile(FILE_NAME, O_RDWR | O_CREAT | PG_BINARY);

	if (fd >= 0)
	{
		read_file(fd);
		if (!hands && make_room(fd, size))
		{
			hands = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			if (hands == MAP_FAILED)
				hands = NULL;
		}
	}
	if (!hands)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", FILE_NAME),
				 errdetail("A workflow whose step takes the server down will not be told from others.")));
	}
	else
	{
		memset(hands, 0, size);
		hands->magic = FILE_MAGIC;
		hands->count = MaxBackends;
	}
	if (fd >= 0)
		CloseTransientFile(fd);
}

/*
 * Somebody else crashed: what we have in hand is not to blame
 */
static void
quit(SIGNAL_ARGS)
{
	if (mine)
		mine->dbid = InvalidOid;
	SignalHandlerForCrashExit(postgres_signal_arg);
}

/*
 * Did somebody want our processes out of his database?  Then it is not for what
 * we have in hand.  The caller holds the directory lock.
 */
static bool
is_dismissed(void)
{
	for (int i = 0; i < MAX_SLOTS; i++)
		if (shared->slots[i].in_use && shared->slots[i].proc == MyProc)
			return shared->slots[i].dismissed;
	return false;
}

/*
 * This process ends; the transaction is still open.  The run goes to whoever
 * claims it after that, so it has to be a suspect before.
 */
static void
leave(int code, Datum arg)
{
	if (!OidIsValid(mine->dbid))
		return;
	STOP_EVENT(hand_leaving);
	shared_lock(shared->directory, LW_EXCLUSIVE);
	if (!is_dismissed())
		add_suspect(mine);
	/* that the next process starts late would not help: it does not meet it */
	for (int i = 0; i < MAX_QUEUES; i++)
		if (shared->queues[i].dbid == mine->dbid && shared->queues[i].owner == mine->owner)
			shared->queues[i].failures = 0;
	LWLockRelease(shared->directory);
	STOP_EVENT(hand_left);
	mine->dbid = InvalidOid;
}

/*
 * A run of this owner is in our hands, its code or its commit; NULL: several
 * are, at their commit
 */
void
hand_take(Oid owner, const pg_uuid_t *run_id)
{
	if (!hands)
		return;
	if (!mine)
	{
		mine = &hands->of[my_proc_number()];
		mine->dbid = InvalidOid;
		before_shmem_exit(leave, (Datum) 0);
		if (in_background_worker())
			pqsignal(SIGQUIT, quit);
	}
	mine->owner = owner;
	mine->step[0] = '\0';
	if (run_id)
		mine->run_id = *run_id;
	else
		memset(&mine->run_id, 0, sizeof(pg_uuid_t));
	pg_compiler_barrier();
	mine->dbid = MyDatabaseId;
	STOP_EVENT(hand_taken);
}

/*
 * It is in this step; NULL: it has come out of it
 */
void
hand_step(const text *name)
{
	int			len;

	if (!mine)
		return;
	len = name ? pg_mbcliplen(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), sizeof(mine->step) - 1) : 0;
	mine->step[len] = '\0';
	if (len > 0)
		memcpy(mine->step, VARDATA_ANY(name), len);
}

/*
 * All that was in our hands is committed or undone
 */
void
hand_empty(void)
{
	if (mine)
		mine->dbid = InvalidOid;
}

/*
 * Was a process lost with this run in hand?  `step' has room for NAMEDATALEN
 * bytes, and gets the name of the step it was in, or nothing.
 */
bool
suspect_find(const pg_uuid_t *run_id, char *step)
{
	bool		found = false;

	if (!shared || shared->nsuspects == 0)
		return false;
	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_SUSPECTS && !found; i++)
	{
		Suspect    *suspect = &shared->suspects[i];

		found = suspect->dbid == MyDatabaseId && uuid_equal(&suspect->run_id, run_id);
		if (found)
			strlcpy(step, suspect->step, NAMEDATALEN);
	}
	LWLockRelease(shared->directory);
	return found;
}

/*
 * Is one of this owner's runs a suspect, and nobody knows which?
 */
bool
suspect_among(Oid owner)
{
	bool		found = false;
	TimestampTz now;

	if (!shared || shared->nsuspects == 0)
		return false;
	now = durable_steady();
	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SUSPECTS; i++)
	{
		Suspect    *suspect = &shared->suspects[i];

		if (!OidIsValid(suspect->dbid) || is_run(suspect))
			continue;
		if (now > suspect->until || now + AMONG_USECS < suspect->until)
		{
			suspect->dbid = InvalidOid;
			shared->nsuspects--;
		}
		else
			found |= suspect->dbid == MyDatabaseId && suspect->owner == owner;
	}
	LWLockRelease(shared->directory);
	return found;
}

/*
 * The lost try is on record, or the run is closed: it is no suspect any more
 */
void
suspect_clear(const pg_uuid_t *run_id)
{
	if (!shared || shared->nsuspects == 0)
		return;
	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SUSPECTS; i++)
		if (shared->suspects[i].dbid == MyDatabaseId &&
			uuid_equal(&shared->suspects[i].run_id, run_id))
		{
			shared->suspects[i].dbid = InvalidOid;
			shared->nsuspects--;
		}
	LWLockRelease(shared->directory);
}

/*
 * The lost try is counted in this transaction
 */
void
suspect_recorded(const pg_uuid_t *run_id)
{
	recorded = vec_room(recorded, nrecorded, &recorded_room, sizeof(pg_uuid_t), TopMemoryContext);
	recorded[nrecorded++] = *run_id;
}

/*
 * The transaction has ended
 */
void
suspects_end(bool commit)
{
	for (int i = 0; i < nrecorded && commit; i++)
		suspect_clear(&recorded[i]);
	nrecorded = 0;
}
