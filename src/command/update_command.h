/*-------------------------------------------------------------------------
 *
 * update_command.h
 *	  Updates, as workflow code sees them, and what a turn writes of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPDATE_COMMAND_H
#define DURABLE_UPDATE_COMMAND_H

#include "turn/turn.h"

extern UpdateRequest *command_next_update(Turn *turn, text *name, const Interval *timeout);
extern UpdateRequest *command_poll_update(Turn *turn, text *name);
extern void command_reply(Turn *turn, const char *id, Jsonb *result);
extern void command_reject(Turn *turn, const char *id, const char *message);

#endif							/* DURABLE_UPDATE_COMMAND_H */
