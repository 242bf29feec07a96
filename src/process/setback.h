/*-------------------------------------------------------------------------
 *
 * setback.h
 *	  What to do when the clock is set back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SETBACK_H
#define DURABLE_SETBACK_H

#include "shared/shmem.h"

/* Sleep is not by the clock, which may be set, nor does it go on while the machine is suspended */
#define CLOCK_CHECK_MS		4000L

extern bool setback_happened(const Database *database);
extern void setback_note(Database *database);
extern bool setback_is_due(const Database *database);
extern void setback_work(Database *database);
extern void setback_done(Database *database);

#endif							/* DURABLE_SETBACK_H */
