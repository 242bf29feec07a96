/*-------------------------------------------------------------------------
 *
 * mail.h
 *	  What mail means to a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MAIL_H
#define DURABLE_MAIL_H

#include "batch/outbox.h"
#include "turn/turn.h"

extern bool mail_wakes(const BatchRun *run);
extern void mail_take(Turn *turn, const BatchRun *run);

#endif							/* DURABLE_MAIL_H */
