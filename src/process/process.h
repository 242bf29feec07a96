/*-------------------------------------------------------------------------
 *
 * process.h
 *	  What our background processes have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PROCESS_H
#define DURABLE_PROCESS_H

#include "shared/shmem.h"

extern Slot *process_begin(Datum arg, const char *name);
extern void process_reload_config(void);
extern void process_rest(void);
extern void process_note_database(void);

#endif							/* DURABLE_PROCESS_H */
