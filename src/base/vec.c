/*-------------------------------------------------------------------------
 *
 * vec.c
 *	  Arrays that grow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/vec.h"
#include "utils/memutils.h"
#include "utils/palloc.h"

#define FIRST_ROOM		8

static void *
resize(void *array, int room, Size size, MemoryContext context)
{
	return array ? repalloc(array, room * size) : MemoryContextAlloc(context, room * size);
}

/*
 * The array (NULL: none yet) with room for one more than its `count' elements of a
 * size.  *room is what it has room for.  An error changes nothing.
 */
void *
vec_room(void *array, int count, int *room, Size size, MemoryContext context)
{
	int			more = *room ? *room * 2 : FIRST_ROOM;

	if (count < *room)
		return array;
	array = resize(array, more, size, context);
	*room = more;
	return array;
}

/*
 * The same where nobody notes the room: it is the next power of two
 */
void *
vec_room_counted(void *array, int count, Size size, MemoryContext context)
{
	if (count == 0)
		return resize(array, FIRST_ROOM, size, context);
	if (count < FIRST_ROOM || (count & (count - 1)) != 0)
		return array;
	return resize(array, count * 2, size, context);
}
