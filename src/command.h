/*-------------------------------------------------------------------------
 *
 * command.h
 *	  What workflow code may ask for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_COMMAND_H
#define DURABLE_COMMAND_H

#include "turn.h"

extern Jsonb *command_step(Turn *turn, const StepRequest *request);
extern void command_sleep_until(Turn *turn, TimestampTz until);
extern Jsonb *command_wait_signal(Turn *turn, text *name, const Interval *timeout);
extern Jsonb *command_poll_signal(Turn *turn, text *name);
extern bool command_cancel_requested(Turn *turn);
extern void command_publish(Turn *turn, text *key, Jsonb *value);
extern Jsonb *command_info(Turn *turn);

#endif							/* DURABLE_COMMAND_H */
