/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The caller's settings that shape results, kept for the run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SETTINGS_H
#define DURABLE_SETTINGS_H

#include "utils/array.h"

extern ArrayType *settings_capture(void);
extern void settings_apply(ArrayType *settings);
extern int	settings_push_implied(void);
extern void settings_set_session(ArrayType *settings);
extern void settings_forget_applied(void);

#endif							/* DURABLE_SETTINGS_H */
