/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  The databases of the cluster, as the launcher finds them at its start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_DATABASES_H
#define DURABLE_DATABASES_H

extern void databases_find(void);
extern void databases_want(void);

#endif							/* DURABLE_DATABASES_H */
