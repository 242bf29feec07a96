/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What the processes share: databases, queues, process slots, waiters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SHMEM_H
#define DURABLE_SHMEM_H

#include "storage/dsm_impl.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define MAX_DATABASES	128
#define MAX_QUEUES		1024
#define MAX_SLOTS		512
#define MAX_LISTENERS	1024
#define MAX_TASK_QUEUES	2048
#define MAX_POLLERS		512
#define MAX_FAIR_KEYS	16384
#define MAX_ERRANDS		128
#define MAX_SUSPECTS	256
#define MAX_FINDINGS	256
#define MAX_DOOMED		64
#define PRIORITIES		5

#define TROUBLE_MESSAGE	200

/* Errors that the engine's own statements meet in a database, see trouble.c. */
typedef struct Trouble
{
	int			tries;			/* that failed; 0: all is well */
	TimestampTz since;
	int			sqlstate;
	char		message[TROUBLE_MESSAGE];
	TimestampTz logged_at;		/* the last line in the log about any */
} Trouble;

/* A database that has, or may have, the extension. */
typedef struct Database
{
	Oid			dbid;			/* InvalidOid: free; directory lock */
	int			blocked;		/* sessions whose DDL wants us out; directory lock */
	bool		wanted;			/* start a scheduler; directory lock */
	TimestampTz launched_at;	/* last start of one; directory lock */
	int			failures;		/* starts in a row that found nothing; directory lock */
	bool		resting;		/* the scheduler made room, and is to come when there is need; directory lock */
	slock_t		mutex;			/* guards the rest */
	bool		look;			/* the scheduler should look at everything, */
	TimestampTz look_at;		/* or will have to then; DT_NOEND: not */
	TimestampTz deadline;		/* when the scheduler gets up by itself */
	TimestampTz timer_low;		/* earliest timer committed since its last look */
	bool		checked;		/* a scheduler has found the extension here, and */
	bool		paused;			/* whether its runs are from elsewhere */
	Trouble		trouble;
	char		name[NAMEDATALEN];	/* for the log */
	bool		stirred;		/* something has happened since the patrol looked (patrol.c) */
	bool		patrol_rests;	/* it has to be told of that */
	int64		looks;			/* of the patrol, the last one */
	TimestampTz looked_at;
	int64		clock_zero;		/* how the clocks went together (setback.c); 0: not known */
	int64		clock_before;	/* the same before the clock was set forward, */
	TimestampTz clock_forward_at;	/* to this; 0: it was not */
	TimestampTz clock_noted;	/* by durable_steady() */
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
	bool		ownerless;		/* the role does not exist any more; the launcher's */
	LWLock		skipping;		/* guards the following three, and is taken before mutex */
	int			nskips;
	Skip		skips[MAX_SKIPS];
	int64		skipped;		/* the same where skips has no room, or QUEUE_NONE */
	slock_t		mutex;			/* guards the rest */
	int64		cursor;			/* claims go on from here */
	int64		low;			/* lowest message to look at again, or QUEUE_NONE */
	bool		more;			/* one worker is not enough */
	bool		watched;		/* the launcher sees to it that it gets another */
} Queue;

#define QUEUE_NONE		PG_INT64_MAX

/* Tasks of one priority in a task queue, see taskqueue.c. */
typedef struct Lane
{
	bool		any;			/* there may be tasks to claim, */
	int64		place;			/* from here on */
	int64		seq;
	int64		pass;			/* of the task claimed last: virtual time */
	int64		finish;			/* of the last task without a fairness key */
	int64		tail;			/* the highest pass given to any */
} Lane;

/* Limits of a task queue; 0: none. */
typedef struct TaskLimits
{
	double		rate;			/* tasks a second */
	double		per_key_rate;
	int			concurrency;
	int			per_key_concurrency;
} TaskLimits;

#define WAIT_BUCKETS	72		/* of half an octave of microseconds */

/* What is known of a task queue, see taskqueue.c, point 7. */
typedef enum TaskQueueState
{
	TASK_QUEUE_UNKNOWN,
	TASK_QUEUE_COUNTING,
	TASK_QUEUE_KNOWN
} TaskQueueState;

/* Activities for one kind of worker, as claims see them. */
typedef struct TaskQueue
{
	Oid			dbid;			/* InvalidOid: free; directory lock */
	int64		id;
	int64		topic;			/* of those who wait for it: see taskqueue.c */
	Oid			owner;
	bool		external;
	TimestampTz launched_at;	/* last start of a worker for it; directory lock */
	int			failures;		/* starts in a row that took no task; directory lock */
	bool		ownerless;		/* as in Queue */
	TimestampTz used_at;		/* lately; one that is not used may lose its entry */
	slock_t		mutex;			/* guards the rest */
	Lane		lanes[PRIORITIES];
	int64		seq;			/* last given */
	TaskLimits	limits;
	bool		has_weights;	/* the table has weights of fairness keys */
	TaskQueueState state;		/* of the limits and counts that follow */
	bool		lanes_read;		/* from the table, when it became known here */
	int			running;		/* where there are limits, */
	int			open;			/* of which so many by transactions that are open */
	uint32		counts;			/* how often it was counted anew */
	double		tokens;			/* of the rate limit */
	TimestampTz tokens_at;
	TimestampTz throttled_until;	/* DT_NOEND: is not */
	TimestampTz freed_at;		/* then a fairness key with parked tasks may go on; DT_NOEND: none */
	bool		wanted;			/* the launcher is to see to workers */
	int64		claimed;		/* since the server's start */
	uint32		waits[2][WAIT_BUCKETS]; /* from schedule to start: before, now */
	TimestampTz waits_since;
} TaskQueue;

/* A fairness key of a task queue. */
typedef struct FairKey
{
	TaskQueue  *queue;			/* NULL: free */
	uint32		hash;			/* of the key */
	int			running;
	int			open;			/* as in TaskQueue */
	int			parked;
	TimestampTz next_at;		/* by its rate limit, no task before this */
	int64		finish[PRIORITIES];
} FairKey;

/* An external worker that has polled. */
typedef struct Poller
{
	Oid			dbid;			/* InvalidOid: free */
	Oid			role;
	int64		topic;
	int			pid;			/* of the session it polled from */
	char		name[NAMEDATALEN];
	char		task_queue[NAMEDATALEN];
	TimestampTz seen_at;
	int64		tasks;
} Poller;

typedef enum SlotKind
{
	SLOT_SCHEDULER,
	SLOT_WORKER,				/* runs workflows */
	SLOT_ACTIVITY_WORKER		/* runs queued activities */
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
	bool		dismissed;		/* asked to leave, whatever it does */
	bool		idle;			/* ... but for these, the process's own */
	int64		turns;
	TimestampTz last_turn_at;
	TimestampTz batch_at;		/* begin of the batch it is busy with; 0: there was nothing */
	bool		asked;			/* the launcher has asked it to leave; directory lock */
	int			share;			/* its role's durable.workers_per_role */
	slock_t		mutex;			/* guards the rest */
	pg_uuid_t	run_id;			/* the activity it runs alone, */
	int32		command;
	int32		lease;			/* 0: none */
	bool		cancel;			/* it is to cancel itself */
	TimestampTz heartbeat_at;	/* its last, or its start */
} Slot;

/* A session in wf_result, or in a poll for activities. */
typedef struct Waiter
{
	PGPROC	   *proc;			/* NULL: free */
	Oid			dbid;
	pg_uuid_t	run_id;
	int64		topic;			/* of task queues; 0: waits for the run */
	Oid			role;			/* that polls */
	bool		choosy;			/* takes activities of some names only */
	uint32		update;			/* hash of the update it waits for; 0: the run's end */
} Waiter;

typedef struct Listener
{
	Oid			dbid;
	uint64		key;			/* of a workflow, or the topic of task queues */
	Oid			role;			/* of the session that was the first */
	int			sessions;		/* 0: free */
	uint32		hungry;			/* one of them has found no task; a number that is new each
								 * time, 0 for none */
	uint32		last_hungry;
	bool		notify;			/* the scheduler is to tell them of tasks */
	int64		notified;
} Listener;

/* What a process has in hand, or had when it died, see suspect.c. */
typedef struct Suspect
{
	Oid			dbid;			/* InvalidOid: nothing */
	Oid			owner;
	pg_uuid_t	run_id;			/* zero: one of several of the owner's */
	char		step[NAMEDATALEN];	/* its code is in, or empty */
	TimestampTz until;			/* then the owner is none any more */
} Suspect;

/* What the patrol may find, see patrol.c. */
typedef enum FindingKind
{
	FOUND_MAIL,
	FOUND_TASK,					/* with a place */
	FOUND_PARKED,
	FOUND_TIMER,
	FOUND_CHECK,				/* of an activity */
	FOUND_LEASE,
	FOUND_RETRY,				/* of an inline activity */
	FOUND_WAIT,					/* of a run, for what is no more */
	FOUND_WAITER				/* a session that waits for a run that is closed, or for an update that is answered */
} FindingKind;

/* Work that could move, and that nobody had in hand. */
typedef struct Finding
{
	Oid			dbid;			/* InvalidOid: free */
	Oid			owner;
	FindingKind kind;
	pg_uuid_t	run_id;
	int64		number;			/* tells it from others of the run */
	char		detail[160];
	TimestampTz first_at;
	TimestampTz last_at;
	int64		times;
} Finding;

/* A run that is to be terminated as soon as who has it gives it away, see holder.c. */
typedef struct Doomed
{
	Oid			dbid;
	pg_uuid_t	run_id;
	TimestampTz until;			/* past: free */
} Doomed;

/* What a session asks the scheduler to commit for it, see errand.c. */
typedef enum ErrandState
{
	ERRAND_FREE,
	ERRAND_ASKED,				/* by a session */
	ERRAND_TAKEN,				/* by the scheduler */
	ERRAND_DONE
} ErrandState;

typedef struct Errand
{
	slock_t		mutex;			/* guards these four */
	ErrandState state;
	Oid			dbid;
	Oid			role;			/* that asked; written before the state */
	PGPROC	   *proc;			/* who asked; NULL: has left */
	dsm_handle	request;
	int			end;			/* ErrandEnd; the scheduler's while taken, as the following */
	int			sqlstate;		/* 0: no error */
	char		message[256];
} Errand;

typedef struct Shared
{
	LWLock	   *directory;		/* databases, queues, slots: who is there */
	LWLock	   *waiting;		/* waiters, listeners and pollers */
	LWLock	   *fairness;		/* fairness keys */
	LWLock	   *wanting;		/* which runs somebody wants (holder.c) */
	TimestampTz started_at;		/* the server, or since its last crash */
	TimestampTz started_steady; /* the same by durable_steady() */
	PGPROC	   *launcher;
	bool		starts_workers; /* durable.max_workers is not 0, as the launcher knows it */
	bool		out_of_workers; /* the server has no free background worker */
	int			starving;		/* that many could run if workers left */
	TimestampTz starving_since; /* 0: there is none that could */
	TimestampTz starving_tasks_since;
	int			starving_tasks; /* the same for activity workers */
	int			crowded_tasks;	/* or if idle activity workers left */
	pg_atomic_uint64 run_stamp; /* of the run id drawn last, see start.c */
	pg_atomic_uint64 turns_end; /* the WAL of turns whose commit did not wait for the disk */
	pg_atomic_uint32 turns_committing;	/* such transactions that are not in it yet */
	int			nsuspects;
	int			next_suspect;	/* overwrites this entry, modulo their number */
	Suspect		suspects[MAX_SUSPECTS];
	int			next_finding;	/* the same */
	Finding		findings[MAX_FINDINGS];
	pg_atomic_uint32 identities;	/* counts changes of durable.identity in any database, */
	pg_atomic_uint32 identities_open;	/* and transactions with one that have not ended */
	int			nwanted;		/* runs that somebody wants; the lock wanting */
	TimestampTz doomed_until;	/* the latest of the following; likewise */
	Doomed		doomed[MAX_DOOMED];
	int			nwaiters;
	int			nlisteners;
	int			listeners_missing;	/* found no room: then everything notifies */
	Database	databases[MAX_DATABASES];
	Queue		queues[MAX_QUEUES];
	Slot		slots[MAX_SLOTS];
	int			task_queue_end; /* entries from here on were never used */
	TaskQueue	task_queues[MAX_TASK_QUEUES];
	Poller		pollers[MAX_POLLERS];
	FairKey		fair_keys[MAX_FAIR_KEYS];
	Errand		errands[MAX_ERRANDS];
	Listener	listeners[MAX_LISTENERS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER]; /* MaxBackends */
} Shared;

/* NULL where the library is not in shared_preload_libraries */
extern Shared *shared;

extern void shared_request(void);
extern bool shared_startup(void);
extern void shared_lock(LWLock *lock, LWLockMode mode);
extern Database *durable_database(Oid dbid, bool create);
extern void clip_text(char *to, const char *from, size_t size);
extern void durable_wake_launcher(void);
extern bool durable_wake_slots(SlotKind kind, Oid dbid);
extern void durable_wake_scheduler(Oid dbid);
extern void durable_terminate_slots(SlotKind kind, Oid dbid);
extern bool durable_want_scheduler(Oid dbid);
extern void durable_look_at_all(Oid dbid);
extern void durable_look_later(Oid dbid);
extern void durable_new_deadline(Oid dbid, TimestampTz at);
extern void durable_stir(Oid dbid);

#endif							/* DURABLE_SHMEM_H */
