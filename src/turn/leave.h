/*-------------------------------------------------------------------------
 *
 * leave.h
 *	  How the code of a turn is left, and who it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LEAVE_H
#define DURABLE_LEAVE_H

#include "turn/turn.h"

extern void turn_unmute(void);
extern void turn_mute(Turn *turn);
extern Identity turn_as_owner(Turn *turn);
extern void turn_as(Identity identity);
extern Oid	turn_resolve(Turn *turn, const char *name);
extern Turn *turn_in_code(const char *call);
extern char *turn_true_names(Turn *turn, char *context);
pg_noreturn extern void turn_leave(Turn *turn, PassEnd end);
extern void turn_note_problem(Turn *turn, int sqlstate, const char *message, const char *hint);
extern void turn_note_refusal(Turn *turn, int sqlstate, const char *message, const char *hint);
pg_noreturn extern void turn_refuse(int sqlstate, const char *message, const char *hint);
extern void saga_begin_pass(Turn *turn);
extern bool saga_follows(Turn *turn);
extern int	saga_pending_timeout(Turn *turn);

#endif							/* DURABLE_LEAVE_H */
