/*-------------------------------------------------------------------------
 *
 * handle.h
 *	  Handles of what workflow code has started and not yet waited for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_HANDLE_H
#define DURABLE_HANDLE_H

#include "turn/turn.h"

typedef enum HandleKind
{
	HANDLE_ACTIVITY = 1,
	HANDLE_TIMER,
	HANDLE_CHILD,
	HANDLE_SIGNAL
} HandleKind;

/* A value of type wf_handle: kind and number of the command, or of the signal handle */
typedef int64 Handle;

extern Handle handle_make(HandleKind kind, int32 number);
extern HandleKind handle_kind(Handle handle);
extern int32 handle_number(Handle handle);
extern const char *handle_kind_name(HandleKind kind);

extern Handle handle_start_timer(Turn *turn, const Interval *span);
extern Handle handle_of_signal(Turn *turn, text *name);
extern bool handle_is_done(Turn *turn, Handle handle);
extern void handle_cancel(Turn *turn, Handle handle);
extern Jsonb *handle_await(Turn *turn, Handle handle);
extern void handle_await_all(Turn *turn, const Handle *handles, int count, bool settle, Jsonb **results);
extern int	handle_await_any(Turn *turn, const Handle *handles, int count);
extern int handle_end_of(Turn *turn, Handle handle);
extern bool handle_ended_badly(Turn *turn, int end);
extern Jsonb *handle_outcome(Turn *turn, Handle handle);

#endif							/* DURABLE_HANDLE_H */
