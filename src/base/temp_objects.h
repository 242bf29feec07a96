/*-------------------------------------------------------------------------
 *
 * temp_objects.h
 *	  What lies in the temporary schema of the session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TEMP_OBJECTS_H
#define DURABLE_TEMP_OBJECTS_H

#include "catalog/objectaddress.h"

extern Oid temp_schema(void);
extern int temp_objects(ObjectAddress **objects);
extern bool session_has_temp(void);

#endif							/* DURABLE_TEMP_OBJECTS_H */
