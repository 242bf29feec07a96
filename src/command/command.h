/*-------------------------------------------------------------------------
 *
 * command.h
 *	  What workflow code may ask for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_COMMAND_H
#define DURABLE_COMMAND_H

#include "base/clock.h"
#include "store/activity.h"
#include "store/execution.h"
#include "store/history.h"
#include "store/message.h"
#include "turn/turn.h"

/* For commands themselves */
pg_noreturn extern void command_raise_cancelled(Turn *turn, Jsonb *details);
extern void command_raise_if_cancelled(Turn *turn);
extern int	command_pending_cancel(Turn *turn);
extern void command_check_limits(Turn *turn);
pg_noreturn extern void command_wait_for(Turn *turn, int32 command, text *signal, const char *what);
extern Jsonb *command_activity_outcome(Turn *turn, Command *command);

extern DueTime command_due_after(const Turn *turn, const Interval *span);
extern void command_start_timer(Turn *turn, int32 command, text *name, DueTime due);
extern void command_start_wait_timer(Turn *turn, int32 command, text *name, DueTime due, const char *wait);
extern void command_cancel_timer(Turn *turn, int32 command);
extern int	command_fired(Turn *turn, const Command *command);
extern Command *command_activity_end(Turn *turn, const TaskRequest *request);

extern bool request_of_event(const Event *event, TaskRequest *request);
extern Activity *activity_of_request(Execution *e, const TaskRequest *request, int32 command);
extern Jsonb *command_activity(Turn *turn, const TaskRequest *request);
extern int32 command_start_activity(Turn *turn, const TaskRequest *request);
extern bool command_cancel_requested(Turn *turn);
extern void command_change_timer(Turn *turn, MessageKind kind, int32 command, DueTime due);

#endif							/* DURABLE_COMMAND_H */
