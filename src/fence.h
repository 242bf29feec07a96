/*-------------------------------------------------------------------------
 *
 * fence.h
 *	  What workflow code may not do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_H
#define DURABLE_FENCE_H

extern void durable_fence_init(void);

#endif							/* DURABLE_FENCE_H */
