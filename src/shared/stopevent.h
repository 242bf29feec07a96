/*-------------------------------------------------------------------------
 *
 * stopevent.h
 *	  Named points at which a test can stop a process.
 *
 *	  Only in a library that was built with `make STOP_EVENTS=1'; nothing is
 *	  left of them otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_STOPEVENT_H
#define DURABLE_STOPEVENT_H

#ifdef DURABLE_STOP_EVENTS

typedef enum StopEvent
{
#define STOP(name, where, about) STOP_##name,
#include "shared/stopevents.def"
#undef STOP
	STOP_EVENTS
} StopEvent;

extern void stop_event(StopEvent event);
extern void stop_events_init(void);

#define STOP_EVENT(name)	stop_event(STOP_##name)

#else

#define STOP_EVENT(name)	((void) 0)

#endif

#endif							/* DURABLE_STOPEVENT_H */
