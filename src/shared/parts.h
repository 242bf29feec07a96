/*-------------------------------------------------------------------------
 *
 * parts.h
 *	  The parts of shared memory, as the server asks for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PARTS_H
#define DURABLE_PARTS_H

extern void durable_shmem_init(void);

#endif							/* DURABLE_PARTS_H */
