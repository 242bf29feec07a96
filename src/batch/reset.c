/*-------------------------------------------------------------------------
 *
 * reset.c
 *	  wf_reset: a new run from a point in the history of another.
 *
 *	  1. The new run has a copy of the first events of the old one, and its code
 *	  is replayed through them.  The copy may end where a replay has all that the
 *	  code knew, and nothing the code made of it: behind an event that came by
 *	  mail, behind the outcome of a step, or at the end of a turn.  In the first
 *	  case the turn's own events are left out, and the mail is that of a turn that
 *	  ran no code; in the second the turn goes on with the next one, as turns do
 *	  that a batch has cut short.
 *
 *	  2. The points that callers name are among the first two kinds: what the code
 *	  did after it last learned something is done anew.  But an activity of a queue
 *	  that failed need not be scheduled anew: without its failure it is pending.
 *
 *	  3. What the copy waits for is made to come: activities are put into their
 *	  queues again, timers are set for when they were to fire, children that are
 *	  open become the new run's, and how others ended is told to it.  So are
 *	  signals and updates after the point.  An event says that there was a reset;
 *	  it is written as a turn without code, so that the code has one turn for all
 *	  of this.
 *
 *	  4. An open run is terminated in the same transaction.  Random numbers go on
 *	  as those of the old run did (Execution.seed), since they are in the copy.
 *
 *	  All functions run between store_begin() and store_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/json.h"
#include "base/vec.h"
#include "batch/reset.h"
#include "batch/update_rows.h"
#include "command/command.h"
#include "run/child.h"
#include "run/close.h"
#include "run/outside.h"
#include "run/start.h"
#include "shared/stopevent.h"
#include "shared/txn.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/family.h"
#include "store/find.h"
#include "store/history.h"
#include "store/identity.h"
#include "store/kinds.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/payload.h"
#include "store/state.h"
#include "store/store.h"
#include "store/timer.h"
#include "store/update.h"
#include "store/version.h"
#include "task/task.h"
#include "turn/turn.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* The run that is reset */
typedef struct Past
{
	Execution	execution;
	RunStatus	status;
	HistoryRow *rows;
	int			nrows;
	Event	   *events;			/* its history, then mail it has not read */
	int		   *row_of;
	int			nevents;
	int			recorded;		/* events of the history */
} Past;

static void
add_event(Past *past, const Event *event, int row)
{
	past->events = vec_room_counted(past->events, past->nevents, sizeof(Event), CurrentMemoryContext);
	past->row_of = vec_room_counted(past->row_of, past->nevents, sizeof(int), CurrentMemoryContext);
	past->events[past->nevents] = *event;
	past->row_of[past->nevents++] = row;
}

static bool
read_past(const pg_uuid_t *run_id, Past *past)
{
	Message    *messages;
	Event		event;
	int			n;

	memset(past, 0, sizeof(Past));
	past->status = STATUS_RUNNING;
	if (!run_take(run_id, true, CurrentMemoryContext, &past->execution) &&
		!closed_read(run_id, CurrentMemoryContext, &past->execution, &past->status))
		return false;
	past->nrows = history_read(run_id, 1, CurrentMemoryContext, &past->rows);
	for (int i = 0; i < past->nrows; i++)
	{
		Event	   *events;

		n = event_array_deform(past->rows[i].events, &events);
		for (int j = 0; j < n; j++)
			add_event(past, &events[j], i);
	}
	past->recorded = past->nevents;
	if (past->status != STATUS_RUNNING)
		return true;
	txn_locked(past->execution.owner, run_id);
	n = mailbox_read(run_id, 1, CurrentMemoryContext, &messages);
	for (int i = 0; i < n; i++)
		if (mail_to_event(&messages[i], &event))
			add_event(past, &event, -1);
	return true;
}

/*
 * Does event `i' stand among the mail of its turn?
 */
static bool
is_mail(const Past *past, int i)
{
	const HistoryRow *row = &past->rows[past->row_of[i]];

	return i < row->first_event - 1 + row->mail;
}

static bool
is_last_of_turn(const Past *past, int i)
{
	return i + 1 == past->recorded || past->row_of[i + 1] != past->row_of[i];
}

static bool
is_closing(const Past *past, int i)
{
	return past->status != STATUS_RUNNING && i == past->recorded - 1;
}

/*
 * Can a copy of `n' events be replayed?  `anew' as in the essay's second
 * paragraph.
 */
static bool
is_boundary(const Past *past, int n, bool anew)
{
	int			last = n - 1;

	if (is_closing(past, last))
		return false;
	if (is_mail(past, last))
		return true;
	switch (past->events[last].type)
	{
		case EVENT_ACTIVITY_COMPLETED:
		case EVENT_ACTIVITY_FAILED:
		case EVENT_ACTIVITY_TIMED_OUT:
			return true;
		default:
			return !anew && is_last_of_turn(past, last);
	}
}

static int
boundary_before(const Past *past, int n, bool anew)
{
	while (n > 1 && !is_boundary(past, n, anew))
		n--;
	return n;
}

/*
 * Did the run fail by itself, and not with the failure of an activity or child?
 */
static bool
failed_by_code(const Past *past)
{
	JsonbValue *failure;
	char	   *state;

	if (past->status != STATUS_FAILED)
		return false;
	failure = json_find(past->events[past->recorded - 1].attributes, "failure");
	state = failure ? json_find_text(JsonbValueToJsonb(failure), "sqlstate") : NULL;
	return !state || (strcmp(state, "WF001") != 0 && strcmp(state, "WF002") != 0 && strcmp(state, "WF004") != 0);
}

/*
 * How many events there are before compensations began, if they did: a run that
 * is to do better does not go on with them
 */
static int
before_compensations(const Past *past)
{
	int			n = 0;

	while (n < past->recorded && past->events[n].type != EVENT_COMPENSATION_STARTED &&
		   past->events[n].type != EVENT_WORKFLOW_TIMEOUT_REACHED)
		n++;
	return n;
}

/*
 * Where the command of event `i' was given
 */
static int
event_of_command(const Past *past, int i)
{
	int			j = i - 1;

	while (j > 0 && !(is_command(past->events[j].type) && past->events[j].command == past->events[i].command))
		j--;
	return j;
}

/*
 * How many events to copy so that what failed is done again, by event `i'.  An
 * activity of a queue will be pending again, as will those be whose failure came
 * together with it.  A step or a child is asked for anew.
 */
static int
before_failure(const Past *past, int i)
{
	int			first = i;

	if (!is_mail(past, i) || event_kind(past->events[i].type)->of != EVENT_ACTIVITY_SCHEDULED)
		return boundary_before(past, event_of_command(past, i), true);
	for (int j = i - 1; j > 0 && is_mail(past, j); j--)
		if (is_failure(past->events[j].type))
			first = j;
	return boundary_before(past, first, false);
}

/*
 * The same for the last failure; -1 where nothing failed.  A failure that the
 * code has got over, by giving commands before it failed itself, does not count.
 */
static int
before_last_failure(const Past *past)
{
	bool		by_code = failed_by_code(past);
	int			end = before_compensations(past);

	for (int i = end - 1; i > 0; i--)
	{
		if (by_code && is_command(past->events[i].type))
			break;
		if (is_failure(past->events[i].type))
			return before_failure(past, i);
	}
	return by_code ? boundary_before(past, end, true) : -1;
}

/*
 * How many events are copied
 */
static int
choose_point(const Past *past, const Reset *reset)
{
	char	   *id = text_to_cstring(past->execution.workflow_id);
	int			n;

	if (past->recorded == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow \"%s\" has no history yet", id)));
	switch (reset->point)
	{
		case RESET_TO_EVENT:
			if (reset->to_event < 1 || reset->to_event > past->recorded)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("workflow \"%s\" has no event " INT64_FORMAT, id, reset->to_event),
						 errdetail("Its events are numbered from 1 to %d.", past->recorded)));
			return boundary_before(past, (int) reset->to_event, false);
		case RESET_LAST:
			return boundary_before(past, before_compensations(past), true);
		case RESET_LAST_FAILURE:
			n = before_last_failure(past);
			if (n < 0)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("nothing has failed in workflow \"%s\"", id)));
			return n;
		default:
			return 1;
	}
}

/*
 * Copy the first `n' events, and say that this is what was done
 */
static void
copy_history(Past *past, const Reset *reset, int n, Execution *next)
{
	Datum	   *events = palloc(n * sizeof(Datum));
	Event		event = {.type = EVENT_WORKFLOW_RESET, .at = durable_now(), .name = reset->reason};
	RowBatch	batch;
	JsonBuilder b;
	int			i = 0;

	rows_init(&batch, TABLE_HISTORY, CurrentMemoryContext);
	for (int r = 0; r < past->nrows && i < n; r++)
	{
		HistoryRow *row = &past->rows[r];
		int			count = 0;
		bool		whole;

		for (; i < n && past->row_of[i] == r; i++)
		{
			next->cancel_requested |= past->events[i].type == EVENT_WORKFLOW_CANCEL_REQUESTED;
			past->events[i].payload_id = payload_copy(past->events[i].payload_id, &next->run_id);
			events[count++] = event_form(&past->events[i]);
		}
		whole = i == past->recorded || past->row_of[i] != r;
		next->history_bytes += history_add(&batch, &next->run_id, next->owner, row->first_event, row->turn_at,
										   Min(row->mail, count), row->ran && (whole || count > row->mail),
										   whole ? row->goes_on : count > row->mail, events, count);
	}
	json_begin(&b);
	json_add_text(&b, "original_run_id", uuid_to_cstring(&past->execution.run_id));
	json_add_int(&b, "to_event", n);
	if (past->execution.seed)
		json_add_text(&b, "seed", uuid_to_cstring(past->execution.seed));
	event.attributes = json_end(&b);
	events[0] = event_form(&event);
	next->history_bytes += history_add(&batch, &next->run_id, next->owner, n + 1, event.at, 1, false, false, events, 1);
	next->next_event = n + 2;
	history_write(&batch);
}

/*
 * Put an activity that the copy waits for into its queue again.  If it was to
 * cancel itself it has done so, since it did not run yet.
 */
static void
schedule_again(Execution *next, const Event *event, bool cancelled, RowBatch *activities)
{
	Message		message = {
		.run_id = next->run_id, .kind = MESSAGE_ACTIVITY_CANCELED, .command = event->command, .at = durable_now()
	};
	TaskRequest request;
	Activity   *a;

	if (!request_of_event(event, &request))
		return;
	if (cancelled)
	{
		txn_mail(next->owner, mailbox_send(next->owner, &message));
		return;
	}
	a = activity_of_request(next, &request, event->command);
	a->input = event->payload;
	a->input_id = event->payload_id;
	task_enqueue(a, durable_now());
	activity_add(activities, a);
}

static void
set_timer_again(const Execution *next, const Event *event, RowBatch *timers)
{
	timer_add(timers, &next->run_id, MESSAGE_TIMER, event->command, next->owner,
			  (DueTime) {json_find_time(event->attributes, "fire_at"), DT_NOEND});
}

/*
 * Which commands of the copy have ended, and which were to be cancelled?
 */
static void
find_outcomes(const Past *past, int n, bool *ended, bool *cancelled)
{
	for (int i = 0; i < n; i++)
	{
		const Event *event = &past->events[i];

		if (event->command == 0 || is_command(event->type))
			continue;
		if (event->type == EVENT_ACTIVITY_CANCEL_REQUESTED)
			cancelled[event->command] = true;
		else
			ended[event->command] = true;
	}
}

/*
 * Have come what the copy waits for.  Returns its last command.
 */
static int32
resume_pending(Past *past, int n, Execution *next, bool *ended)
{
	bool	   *cancelled = palloc0((n + 1) * sizeof(bool));
	RowBatch	activities;
	RowBatch	timers;
	int32		last = 0;

	rows_init(&activities, TABLE_ACTIVITY, CurrentMemoryContext);
	rows_init(&timers, TABLE_TIMER, CurrentMemoryContext);
	find_outcomes(past, n, ended, cancelled);
	for (int i = 0; i < n; i++)
	{
		const Event *event = &past->events[i];

		if (!is_command(event->type))
			continue;
		/* a request to a child to cancel itself has the child's command */
		last = Max(last, event->command);
		if (ended[event->command])
			continue;
		if (event->type == EVENT_ACTIVITY_SCHEDULED)
			schedule_again(next, event, cancelled[event->command], &activities);
		else if (event->type == EVENT_TIMER_STARTED)
			set_timer_again(next, event, &timers);
	}
	activity_write(&activities);
	timer_write(&timers);
	return last;
}

/*
 * Is an event after the point told to the new run?
 */
static bool
is_told_again(const Event *event, const Reset *reset, const bool *ended, int32 last, Message *message)
{
	if (event_kind(event->type)->of == EVENT_CHILD_INITIATED)
		return event_to_mail(event, message) && event->command <= last && !ended[event->command];
	return event_as_mail(event, message) &&
		((message->kind == MESSAGE_SIGNAL && reset->signals) || (message->kind == MESSAGE_UPDATE && reset->updates));
}

/*
 * Tell the new run what the old one was told after the point.  The children
 * among it have ended then.
 */
static void
tell_again(const Past *past, const Reset *reset, int n, const Execution *next, bool *ended, int32 last, RowBatch *updates)
{
	Message		message;

	for (int i = n; i < past->nevents; i++)
	{
		if (!is_told_again(&past->events[i], reset, ended, last, &message))
			continue;
		if (message.command > 0)
			ended[message.command] = true;
		message.run_id = next->run_id;
		message.payload_id = payload_copy(message.payload_id, &next->run_id);
		txn_mail(next->owner, mailbox_send(next->owner, &message));
		if (message.kind == MESSAGE_UPDATE)
			update_of_message(updates, next, &message);
	}
}

/*
 * Those children that have not ended: become their parent.  Some may just be
 * closing, or may have closed together with the old run or after it.
 */
static void
adopt_children(const Past *past, int n, Execution *next, bool *ended, int32 last)
{
	int32	   *commands;
	int			count = family_move(&past->execution.run_id, &next->run_id, last, &commands);

	for (int i = 0; i < count; i++)
		ended[commands[i]] = true;
	for (int i = 0; i < n; i++)
	{
		const Event *event = &past->events[i];

		if (event->type == EVENT_CHILD_INITIATED && !ended[event->command])
			child_adopt(next, event->command, event->name,
						cstring_to_text(json_find_text(event->attributes, "workflow_id")),
						json_find_uuid(event->attributes, "run_id"));
		next->has_children |= event->type == EVENT_CHILD_INITIATED;
	}
}

/*
 * The new run.  Its execution timeout is that of the old one, unless that is
 * over: then it could not do anything.
 */
static void
shape_next(const Past *past, const Reset *reset, Execution *next)
{
	const Execution *e = &past->execution;

	*next = *e;
	run_init(next);
	generate_run_id(&next->run_id);
	if (!e->first_run_id)
		next->first_run_id = (pg_uuid_t *) &e->run_id;
	if (!e->seed)
		next->seed = (pg_uuid_t *) &e->run_id;
	next->continued_from = (pg_uuid_t *) &e->run_id;
	next->request_id = NULL;
	next->started_at = durable_now();
	next->has_timers = true;
	if (reset->same_code)
		next->version = e->version;
	if (past->status != STATUS_RUNNING && next->execution_deadline <= next->started_at)
		next->execution_deadline = DT_NOEND;
}

/*
 * An earlier text with rights of its own may have been replaced for a reason:
 * it is its owner's to have further runs begin with it
 */
static void
check_same_code(const Execution *e, const Reset *reset)
{
	char	   *function = text_to_cstring(e->function);
	CodeVersion code;

	if (!reset->same_code || e->version == 0 ||
		!version_read(function, e->version, CurrentMemoryContext, &code) ||
		!(code.definer || code.untrusted) || has_privs_of_role(reset->caller, code.owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for version %d of workflow function %s", e->version, function),
			 errdetail("It has rights of its owner, who alone can choose it."),
			 errhint("Reset the run with code => 'current'.")));
}

/*
 * Reset a run; false where it is not any more what `run' says.  *new_run_id is
 * the run that goes on.
 */
bool
run_reset(const Found *run, const Reset *reset, pg_uuid_t *new_run_id)
{
	Past		past;
	Execution	next;
	Message		wake = {.kind = MESSAGE_WAKE, .at = durable_now()};
	RowBatch	updates;
	bool	   *ended;
	int32		last;
	int			n;

	if (!read_past(&run->run_id, &past) || past.status != run->status)
		return false;
	STOP_EVENT(reset_read);
	n = choose_point(&past, reset);
	check_same_code(&past.execution, reset);
	shape_next(&past, reset, &next);
	durable_claim_identity();
	copy_history(&past, reset, n, &next);
	STOP_EVENT(reset_copied);
	ended = palloc0((n + 1) * sizeof(bool));
	last = resume_pending(&past, n, &next, ended);
	rows_init(&updates, TABLE_UPDATE, CurrentMemoryContext);
	updates_of_history(&updates, &next, past.events, n);
	tell_again(&past, reset, n, &next, ended, last, &updates);
	update_write(&updates);
	STOP_EVENT(reset_told);
	adopt_children(&past, n, &next, ended, last);
	if (past.status == STATUS_RUNNING)
		(void) run_replace(&run->run_id, reset->reason ? reset->reason : cstring_to_text("reset"), &next.run_id);
	STOP_EVENT(reset_replaced);
	if (!execution_insert(&next))
		ereport(ERROR,
				(errcode(ERRCODE_WF_ALREADY_RUNNING),
				 errmsg("workflow \"%s\" is already running", text_to_cstring(next.workflow_id)),
				 errdetail("A run that is closed can be reset when no other run of the same id is open."),
				 errhint("Terminate that run, or reset it.")));
	STOP_EVENT(reset_inserted);
	run_set_timeouts(&next, 0);
	state_copy(&run->run_id, &next.run_id);
	wake.run_id = next.run_id;
	txn_mail(next.owner, mailbox_send(next.owner, &wake));
	*new_run_id = next.run_id;
	return true;
}
