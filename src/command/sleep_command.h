/*-------------------------------------------------------------------------
 *
 * sleep_command.h
 *	  Sleeping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SLEEP_COMMAND_H
#define DURABLE_SLEEP_COMMAND_H

#include "turn/turn.h"

extern void command_sleep(Turn *turn, const Interval *span);
extern void command_sleep_until(Turn *turn, TimestampTz until);

#endif							/* DURABLE_SLEEP_COMMAND_H */
