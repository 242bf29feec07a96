/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  Values as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CONVERT_H
#define DURABLE_CONVERT_H

#include "fmgr.h"
#include "utils/jsonb.h"

extern void init_to_jsonb(FmgrInfo *finfo, Oid type, MemoryContext context);
extern Jsonb *datum_to_json(FmgrInfo *to_jsonb, Datum value);

#endif							/* DURABLE_CONVERT_H */
