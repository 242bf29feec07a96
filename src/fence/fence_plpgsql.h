/*-------------------------------------------------------------------------
 *
 * fence_plpgsql.h
 *	  Expressions of PL/pgSQL that were planned before workflow code uses them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_PLPGSQL_H
#define DURABLE_FENCE_PLPGSQL_H

extern void fence_watch_plpgsql(void);

#endif							/* DURABLE_FENCE_PLPGSQL_H */
