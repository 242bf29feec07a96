/*-------------------------------------------------------------------------
 *
 * export.h
 *	  Histories that were exported as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXPORT_H
#define DURABLE_EXPORT_H

#include "store/execution.h"
#include "store/export_check.h"

extern void export_read(Jsonb *history, Export *result);
extern void export_run(const Export *export, Oid caller, Execution *e);

#endif							/* DURABLE_EXPORT_H */
