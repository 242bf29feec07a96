/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The caller's settings that shape results, kept for the run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SETTINGS_H
#define DURABLE_SETTINGS_H

#include "nodes/pg_list.h"
#include "utils/array.h"

/* What a session has set, beyond what it began with */
typedef struct SessionSettings
{
	Oid			user;
	List	   *names;			/* of char * */
	List	   *values;
} SessionSettings;

extern void durable_settings_init(void);
extern bool settings_were_set(void);
extern ArrayType *settings_capture(void);
extern bool setting_is_kept(const char *name);
extern bool setting_is_set_since(const char *name, int nestlevel);
extern void settings_apply(ArrayType *settings);
extern int	settings_push_implied(void);
extern void settings_set_session(ArrayType *settings);
extern void settings_forget_applied(void);
extern void settings_keep(SessionSettings *kept);
extern void settings_restore(const SessionSettings *kept);

#endif							/* DURABLE_SETTINGS_H */
