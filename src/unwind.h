/*-------------------------------------------------------------------------
 *
 * unwind.h
 *	  Going on after an error, in a frame that commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UNWIND_H
#define DURABLE_UNWIND_H

extern void drive_unwind(int depth);
extern void drive_log_error(ErrorData *edata);

#endif							/* DURABLE_UNWIND_H */
