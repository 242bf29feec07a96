/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  Events and messages: which becomes which.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_KINDS_H
#define DURABLE_KINDS_H

#include "store/history.h"
#include "store/mailbox.h"

extern bool mail_to_event(const Message *m, Event *event);
extern bool event_as_mail(const Event *event, Message *message);

#endif							/* DURABLE_KINDS_H */
