/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The one process that starts the others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LAUNCHER_H
#define DURABLE_LAUNCHER_H

extern void durable_launcher_init(void);

#endif							/* DURABLE_LAUNCHER_H */
