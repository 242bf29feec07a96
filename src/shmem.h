/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What the processes share: databases, queues, process slots, waiters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SHMEM_H
#define DURABLE_SHMEM_H

#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define MAX_DATABASES	128
#define MAX_QUEUES		1024
#define MAX_SLOTS		512
#define MAX_LISTENERS	1024

/* A database that has, or may have, the extension. */
typedef struct Database
{
	Oid			dbid;			/* InvalidOid: free; directory lock */
	int			blocked;		/* sessions whose DDL wants us out; directory lock */
	bool		wanted;			/* start a scheduler; directory lock */
	TimestampTz launched_at;	/* last start of one; directory lock */
	int			failures;		/* starts in a row that found nothing; directory lock */
	slock_t		mutex;			/* guards the rest */
	bool		look;			/* the scheduler should look at everything */
	TimestampTz deadline;		/* when the scheduler gets up by itself */
	TimestampTz timer_low;		/* earliest timer committed since its last look */
	bool		checked;		/* a scheduler has found the extension here, and */
	bool		paused;			/* whether its runs are from elsewhere */
} Database;

/* A run that was locked by someone else when its mail came by. */
typedef struct Skip
{
	pg_uuid_t	run_id;
	int64		seq;			/* the lowest of that mail */
} Skip;

#define MAX_SKIPS		64

/* The mailboxes of one owner's runs in one database, as claims see them. */
typedef struct Queue
{
	Oid			dbid;			/* InvalidOid: free; directory lock */
	Oid			owner;
	int			workers;		/* attached or starting; directory lock */
	TimestampTz launched_at;	/* last start of a worker; directory lock */
	int			failures;		/* starts in a row that did no turn; directory lock */
	slock_t		mutex;			/* guards the rest */
	int64		cursor;			/* claims go on from here */
	int64		low;			/* lowest message to look at again, or QUEUE_NONE */
	int			nskips;
	Skip		skips[MAX_SKIPS];
	int64		skipped;		/* the same where skips has no room, or QUEUE_NONE */
	bool		more;			/* one worker is not enough */
	bool		watched;		/* the launcher sees to it that it gets another */
} Queue;

#define QUEUE_NONE		PG_INT64_MAX

typedef enum SlotKind
{
	SLOT_SCHEDULER,
	SLOT_WORKER
} SlotKind;

/* A process of ours, from its reservation by the launcher to its exit. */
typedef struct Slot
{
	bool		in_use;			/* all guarded by the directory lock ... */
	uint16		generation;
	SlotKind	kind;
	Oid			dbid;
	Oid			owner;
	int			queue;
	TimestampTz reserved_at;
	PGPROC	   *proc;			/* set at attach */
	bool		idle;			/* ... but for these, the process's own */
	int64		turns;
	TimestampTz last_turn_at;
	TimestampTz batch_at;		/* begin of the batch it is busy with */
} Slot;

/* A session in wf_result. */
typedef struct Waiter
{
	PGPROC	   *proc;			/* NULL: free */
	Oid			dbid;
	pg_uuid_t	run_id;
} Waiter;

typedef struct Listener
{
	Oid			dbid;
	uint64		key;
	int			sessions;		/* 0: free */
} Listener;

typedef struct Shared
{
	LWLock	   *directory;		/* databases, queues, slots: who is there */
	LWLock	   *waiting;		/* waiters and listeners */
	PGPROC	   *launcher;
	bool		out_of_workers; /* the last start found no free background worker */
	int			starving;		/* queues with mail that got no worker yet */
	int			nwaiters;
	int			nlisteners;
	bool		listeners_full; /* then everything notifies */
	Database	databases[MAX_DATABASES];
	Queue		queues[MAX_QUEUES];
	Slot		slots[MAX_SLOTS];
	Listener	listeners[MAX_LISTENERS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER]; /* MaxBackends */
} Shared;

/* NULL where the library is not in shared_preload_libraries */
extern Shared *shared;

extern void durable_shmem_init(void);
extern Database *durable_database(Oid dbid, bool create);
extern void durable_wake_launcher(void);
extern void durable_wake_slots(SlotKind kind, Oid dbid);
extern void durable_want_scheduler(Oid dbid);
extern void durable_look_at_all(Oid dbid);
extern void durable_new_deadline(Oid dbid, TimestampTz at);

#endif							/* DURABLE_SHMEM_H */
