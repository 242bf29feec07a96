/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  The history in memory, and how much of it the code can see.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_REPLAY_H
#define DURABLE_REPLAY_H

#include "store/execution.h"
#include "store/history.h"
#include "turn/turn.h"

extern void turn_init(Turn *turn, Execution *execution, MemoryContext parent);
extern void turn_load_row(Turn *turn, const HistoryRow *row);
extern void turn_begin_row(Turn *turn);
extern int	turn_add_event(Turn *turn, const Event *event);
extern void turn_end_mail(Turn *turn);
extern void turn_begin_pass(Turn *turn);
extern void turn_see(Turn *turn, int event);
extern SignalQueue *turn_signal_queue(Turn *turn, text *name);
extern UpdateRequest *turn_update(Turn *turn, const char *id);
extern Marker *turn_marker(Turn *turn, const text *change);
extern void turn_forget_markers(Turn *turn);
extern Marker *turn_add_marker(Turn *turn, const text *change, int32 version, int event);
extern int	turn_record(Turn *turn, EventType type, int32 command, const text *name, Jsonb *attributes);
extern Jsonb *turn_event_payload(const Event *event);

#endif							/* DURABLE_REPLAY_H */
