/*-------------------------------------------------------------------------
 *
 * signal_command.h
 *	  Signals, as workflow code sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SIGNAL_COMMAND_H
#define DURABLE_SIGNAL_COMMAND_H

#include "turn/turn.h"

extern int	command_next_signal(SignalQueue *queue);
extern Jsonb *command_poll_signal(Turn *turn, text *name);
extern Jsonb *command_wait_signal(Turn *turn, text *name, const Interval *timeout);

#endif							/* DURABLE_SIGNAL_COMMAND_H */
