/*-------------------------------------------------------------------------
 *
 * mail.h
 *	  What mail means to a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MAIL_H
#define DURABLE_MAIL_H

#include "batch/batch.h"

extern bool mail_wakes(const BatchRun *run);
extern bool mail_to_event(const Message *m, Event *event);
extern void mail_take(Turn *turn, const BatchRun *run);

#endif							/* DURABLE_MAIL_H */
