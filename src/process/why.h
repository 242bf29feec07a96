/*-------------------------------------------------------------------------
 *
 * why.h
 *	  What keeps workflows from being run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WHY_H
#define DURABLE_WHY_H

extern void warn_if_no_worker(Oid owner);
extern char *why_nothing_runs(void);
extern char *why_no_worker(Oid owner, bool activities);

#endif							/* DURABLE_WHY_H */
