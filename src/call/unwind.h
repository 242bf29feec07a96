/*-------------------------------------------------------------------------
 *
 * unwind.h
 *	  Going on after an error, in a process that commits as it goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UNWIND_H
#define DURABLE_UNWIND_H

#include "utils/palloc.h"

typedef struct Frame
{
	MemoryContext context;
	MemoryContext bottom;
	int			depth;
} Frame;

extern MemoryContext drive_context(const char *name);
extern Frame *frame_begin(MemoryContext context);
extern void frame_end(Frame *frame);
extern void frame_unwind(Frame *frame);
extern void drive_log_error(ErrorData *edata);

#endif							/* DURABLE_UNWIND_H */
