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

typedef enum DriveResult
{
	DRIVE_IDLE,					/* no mail */
	DRIVE_BUSY,					/* took turns; look again */
	DRIVE_MORE,					/* the same, and another worker would find some too */
	DRIVE_GONE,					/* the extension is not there any more */
	DRIVE_FAILED				/* an error that is not any run's; wait before the next try */
} DriveResult;

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
