/*-------------------------------------------------------------------------
 *
 * turn.h
 *	  A turn of a run: mail in, code run, events out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TURN_H
#define DURABLE_TURN_H

#include "base/clock.h"
#include "call/callable_cache.h"
#include "common/pg_prng.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"

/* No event: later than any index */
#define NEVER	INT_MAX

/* How a pass of the code ended. */
typedef enum PassEnd
{
	PASS_COMPLETED,				/* it returned */
	PASS_FAILED,				/* an error left the function */
	PASS_WAIT,					/* it waits: Turn.wait_* say for what */
	PASS_STEP,					/* it wants Turn.step run */
	PASS_CONTINUED,				/* it continues as a new run: Turn.continuation */
	PASS_PROBLEM,				/* the turn fails: Turn.problem */
	PASS_REDO,					/* steps were taken in place in vain: again without */
	PASS_TIMED_OUT				/* it was left for good: Saga.timeout */
} PassEnd;

/* How a step ended. */
typedef enum StepEnd
{
	STEP_DONE,					/* its outcome is recorded */
	STEP_BACKOFF,				/* it will be tried again later */
	STEP_ALONE					/* undone: wants a transaction of its own */
} StepEnd;

/* What becomes of the run after the turn. */
typedef enum TurnEnd
{
	TURN_COMPLETED,
	TURN_FAILED,				/* Turn.failure */
	TURN_CANCELLED,
	TURN_TIMED_OUT,				/* Turn.timeout says which */
	TURN_CONTINUED,				/* Turn.continuation */
	TURN_WAITS,
	TURN_GOES_ON,				/* in another transaction, for a batch's sake */
	TURN_GOES_ON_ALONE,			/* in one of its own */
	TURN_STUCK,					/* Turn.problem; it will be tried again */
	TURN_MAIL_ONLY				/* nothing came that the run waits for */
} TurnEnd;

/* A command of the code, as recorded. */
typedef struct Command
{
	EventType	type;			/* of its first event */
	int			event;			/* index of that event */
	int			resolution;		/* index of the first event that ended it, or -1 */
	int			cancel_event;	/* index of the event that asks to cancel it, or -1 */
	int			cancellation;	/* how it is cancelled, as the call said */
	bool		cancelled;		/* by its handle, in this pass */
	bool		cancel_asked;	/* by the code or for it, in this pass */
} Command;

/* A row of the history, as indexes into Turn.events. */
typedef struct TurnRow
{
	int			first;
	int			mail_end;
	TimestampTz at;
	bool		ran;
	bool		goes_on;
	bool		moved;			/* other code took over in it */
	int64		bytes_before;	/* of the rows before it */
} TurnRow;

/* Unread signals of one name. */
typedef struct SignalQueue
{
	text	   *name;
	int		   *events;
	int			count;
	int			room;
	int			read;			/* of this pass */
} SignalQueue;

/* An update in the history. */
typedef struct UpdateRequest
{
	int			event;			/* index of its acceptance */
	char	   *id;
	int			answer;			/* index of the event that answered it, or -1 */
	bool		read;			/* of this pass, as the next */
	bool		answered;
} UpdateRequest;

/* A step the code asks for. */
typedef struct StepRequest
{
	int32		command;
	bool		recorded;		/* its activity_scheduled event is in the history */
	Oid			function;		/* InvalidOid: a statement, or not to be found */
	char	   *sql;			/* NULL: a function */
	int			nargs;
	Oid		   *argtypes;
	Datum	   *args;
	char	   *nulls;
	text	   *name;
	Jsonb	   *input;
	Jsonb	   *retry;
	int64		start_to_close; /* microseconds, 0: none */
	int64		schedule_to_close;
	text	   *summary;
	text	   *activity_id;
	struct ExternalRequest *external;	/* no step of the user's: external.h */
} StepRequest;

/* An activity the code asks for that goes into a queue. */
typedef struct TaskRequest
{
	text	   *name;
	Jsonb	   *input;
	text	   *task_queue;		/* NULL: the default one of SQL activities */
	bool		external;
	Activity	options;		/* timeouts, retry, priority ... */
	text	   *summary;
} TaskRequest;

/* An attempt of a step that failed, for wf_attempts. */
typedef struct FailedAttempt
{
	Activity	activity;
	EventType	outcome;
	TimestampTz at;
	Jsonb	   *failure;
} FailedAttempt;

/* A change the code asked about with wf_version, as recorded. */
typedef struct Marker
{
	text	   *change;
	int32		version;
	int			event;			/* index; -1: the code went by before there was one */
	bool		seen;			/* by this pass */
} Marker;
/* The new run that the code continues as.  What is NULL or 0 stays as it is. */
typedef struct Continuation
{
	Jsonb	   *input;
	text	   *workflow;		/* as the code names it, */
	text	   *function;		/* and the function it is */
	Interval   *run_timeout;
	Jsonb	   *retry;
	Jsonb	   *memo;
	Jsonb	   *search_attributes;
	int			priority;
	text	   *fairness_key;
	double		weight;
} Continuation;

typedef struct PublishedValue
{
	text	   *key;
	Jsonb	   *value;
} PublishedValue;

typedef struct NewTimer
{
	MessageKind kind;
	int32		command;
	DueTime		due;			/* at DT_NOBEGIN: cancel it */
} NewTimer;

/* A handle of the next signal of a name */
typedef struct SignalHandle
{
	text	   *name;
	int			event;			/* the one it stands for once it was awaited, or -1 */
} SignalHandle;

/* What is to be undone if the run does not complete, see saga.c. */
typedef struct Saga
{
	int			timeout;		/* index of workflow_timeout_reached, or -1 */
	int			started;		/* index of compensation_started, or -1 */
	int32		code_commands;	/* commands before it: those of the code */
	/* of the pass */
	List	   *compensations;	/* registered, the last one first */
	List	   *failures;		/* of those that failed: Jsonb */
	bool		running;		/* nothing interrupts them */
	bool		after_code;		/* they are not run by the code itself */
	PassEnd		outcome;		/* of the code, then */
} Saga;

/* Who a process acts as. */
typedef struct Identity
{
	Oid			user;
	int			sec_context;
} Identity;

/* How a step may behave towards others in the transaction. */
typedef struct StepMode
{
	bool		shared;			/* other runs' work is in the transaction */
	bool		alone;			/* the run asked for a transaction of its own */
	int			lock_timeout;	/* the session's, which is the step's where it is not shared */
} StepMode;

/* What is called for a run, and how. */
typedef struct Code
{
	Oid			function;
	const char *clone;			/* it is a clone of that name, or NULL, */
	Oid			definer;		/* to be called as that role, InvalidOid: as the owner */
} Code;

/* What is recorded, then what this turn adds. */
typedef struct History
{
	Event	   *events;
	int		   *event_row;
	int			nevents;
	int			recorded;		/* events of earlier turns, */
	int64		bytes;			/* and their size */
	TurnRow    *rows;
	int			nrows;
	Command    *commands;		/* command n is commands[n - 1] */
	int			ncommands;
	int			commands_room;
	SignalQueue *signals;
	int			nsignals;
	UpdateRequest *updates;
	int			nupdates;
	int			updates_room;
	Marker	   *markers;
	int			nmarkers;
	int			markers_room;
	int			cancel_event;	/* index, or -1 */
	int			mail_end;		/* end of the last mail of all */
	bool		upserts;		/* there are such commands: upsert.c */
	bool		cancels_recorded;	/* there are commands that were cancelled */
	int			suggest_event;	/* index of the event that suggests a continuation, or -1 */
} History;

/* Where a pass runs. */
typedef struct PassFrame
{
	bool		in_code;
	bool		in_place;		/* steps may be taken without leaving the code */
	int			level;			/* transaction nesting level of the pass */
	int			settings_level; /* what the code sets has this nesting level, or more */
	Identity	identity;		/* who the code is run as, so far */
	bool		stepping;		/* in a step in place */
	int			lock_timeout;	/* to be restored after it */
} PassFrame;

/* What the code has seen, and done, since it began. */
typedef struct Pass
{
	bool		left;
	PassEnd		end;
	int32		next_command;
	int			horizon;		/* mail before this index is visible to the code */
	int			seen_row;		/* that the horizon lies in */
	TimestampTz now;
	bool		cancel_delivered;
	bool		shielded;
	bool		suggest_asked;	/* in the last row, and not suggested */
	pg_prng_state random;
	SignalHandle *signal_handles;	/* in memory of the pass */
	int			nsignal_handles;
	int			updates_from;	/* updates before that are read */
} Pass;

/* What the run waits for. */
typedef struct TurnWait
{
	text	   *signal;
	text	   *update;			/* empty: of any name */
	int32		command;
	ArrayType  *set;			/* see Execution, as the following */
	int32		left;
	ArrayType  *signals;
	char	   *what;			/* as wf_executions.waiting_for has it, */
	char	   *where;			/* and waiting_at */
} TurnWait;

/* What else than events is to be written. */
typedef struct Effects
{
	int			steps;			/* taken in this turn */
	int			subxids;		/* used up by them */
	PublishedValue *published;
	int			npublished;
	NewTimer   *timers;
	int			ntimers;
	Activity   *pending;		/* the step that waits for a retry, or NULL */
	int32		pending_done;	/* command whose row in durable.activity is to go, or 0 */
	List	   *scheduled;		/* activities for queues: of Activity */
	List	   *cancels;		/* commands of activities that are to cancel themselves */
	List	   *attempts;		/* of steps, failed: of FailedAttempt */
	List	   *children;		/* that it starts: of ChildStart */
	List	   *child_cancels;	/* commands of children that are to cancel themselves */
	List	   *self_mail;		/* seqs of messages to itself: of int64 */
} Effects;

struct Turn;
typedef void (*TurnTrace) (struct Turn *turn, const Event *event);

typedef struct Turn
{
	Execution  *execution;
	MemoryContext context;		/* of the turn */
	MemoryContext pass_context; /* reset at each pass */
	MemoryContext step_context; /* reset at each step */
	StepMode	mode;
	TimestampTz at;				/* of this turn */
	Callable   *workflow;
	Jsonb	   *input;
	int64		input_id;
	const char *clone;			/* the workflow is a clone of that name (clone.c), or NULL, */
	Oid			definer;		/* to be called as that role, InvalidOid: as the owner */
	bool		looked_up;		/* the workflow's text was not known to this process, */
	bool		registered;		/* nor to anybody else: pinning.c */
	bool		replay_only;	/* nothing is to be done that is not recorded */
	TurnTrace	trace;			/* told of each command that was matched, or NULL */
	bool		compare;		/* inputs with the recorded ones */

	History		history;
	const char *timeout;		/* what mail brought besides: "run" or "execution", or NULL */
	Saga		saga;
	PassFrame	frame;
	Pass		pass;
	TurnWait	wait;
	Effects		effects;

	/* how the pass ended */
	Jsonb	   *result;
	Jsonb	   *failure;
	bool		cancelled;		/* the failure is the cancellation itself */
	ErrorData  *problem;
	int			problem_event;	/* id of the event it does not fit, or 0 */
	int			differences;	/* inputs that are not the recorded ones, */
	int			differs_at;		/* id of the event of the first, */
	char	   *difference;		/* and what it is */
	ErrorData  *interrupt;		/* a cancel by the user, to be raised again */
	StepRequest step;
	Continuation continuation;
} Turn;

/*
 * Is the code still where it was before?
 */
static inline bool
turn_replaying(const Turn *turn)
{
	return turn->pass.next_command <= turn->history.ncommands || turn->pass.horizon < turn->history.mail_end;
}

#endif							/* DURABLE_TURN_H */
