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
#include "store/history.h"

typedef struct Export
{
	HistoryRow *rows;			/* without the event that closed the run */
	int			nrows;
	bool		closed;
	int			closing_id;
	Event		closing;
	pg_uuid_t	run_id;
	pg_uuid_t  *seed;			/* of its random numbers; NULL: run_id */
} Export;

extern void export_read(Jsonb *history, Export *result);
extern void export_run(const Export *export, Oid caller, Execution *e);

#endif							/* DURABLE_EXPORT_H */
