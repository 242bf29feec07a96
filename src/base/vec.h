/*-------------------------------------------------------------------------
 *
 * vec.h
 *	  Arrays that grow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_VEC_H
#define DURABLE_VEC_H

extern void *vec_room(void *array, int count, int *room, Size size, MemoryContext context);
extern void *vec_room_counted(void *array, int count, Size size, MemoryContext context);

#endif							/* DURABLE_VEC_H */
