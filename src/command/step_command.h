/*-------------------------------------------------------------------------
 *
 * step_command.h
 *	  Inline steps, as workflow code sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STEP_COMMAND_H
#define DURABLE_STEP_COMMAND_H

#include "turn/turn.h"

extern Command *command_step_end(Turn *turn, const StepRequest *request);
extern Jsonb *command_step(Turn *turn, const StepRequest *request);

#endif							/* DURABLE_STEP_COMMAND_H */
