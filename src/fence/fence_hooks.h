/*-------------------------------------------------------------------------
 *
 * fence_hooks.h
 *	  Where the server asks the fence.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_HOOKS_H
#define DURABLE_FENCE_HOOKS_H

extern void durable_fence_init(void);
extern void durable_fence_init(void);

#endif							/* DURABLE_FENCE_HOOKS_H */
